"""The pumps' states on disk, so that a restart does not forget their baselines."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdm_platform.core.alarms import AlarmStates
from pdm_platform.core.belief import BeliefStates
from pdm_platform.core.features import PumpStates
from pdm_platform.core.monitoring import FleetState, PumpDepartures

log = logging.getLogger(__name__)
_NUMBER = "number"
Arrays = dict[str, NDArray[Any]]


def to_arrays(state: FleetState, number: int) -> Arrays:
    """A copy of the state under its number, which a thread may write while the state goes on."""
    parts = {"pumps": state.pumps, "departures": state.departures, "beliefs": state.beliefs, "alarms": state.alarms}
    arrays = {f"{part}/{name}": array for part, table in parts.items() for name, array in table.to_arrays().items()}
    return {**arrays, _NUMBER: np.array(number)}


def save(arrays: Arrays, path: Path) -> None:
    """Write a snapshot; the old one stays until the new one is whole. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def restore(path: Path) -> tuple[FleetState, int]:
    """Read a snapshot and its number; 0 where there is none.

    One that is damaged or of another feature contract is set aside, and all pumps start anew.
    """
    if not path.exists():
        return FleetState.empty(), 0
    try:
        with np.load(path, allow_pickle=False) as arrays:
            parts: dict[str, Arrays] = {"pumps": {}, "departures": {}, "beliefs": {}, "alarms": {}, _NUMBER: {}}
            for name in arrays.files:
                part, _, array = name.partition("/")
                parts[part][array] = arrays[name]
        state = FleetState(
            PumpStates.from_arrays(parts["pumps"]),
            PumpDepartures.from_arrays(parts["departures"]),
            BeliefStates.from_arrays(parts["beliefs"]),
            AlarmStates.from_arrays(parts["alarms"]),
        )
        return state, int(parts[_NUMBER][""])
    except Exception as error:  # zipfile and numpy meet a damaged file with a dozen kinds of it
        aside = path.with_suffix(".refused")
        path.replace(aside)
        log.error("snapshot %s cannot be used (%s); kept as %s, baselines start anew", path, error, aside.name)
        return FleetState.empty(), 0
