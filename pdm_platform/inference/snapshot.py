"""The pumps' states on disk, so that a restart does not forget their baselines."""

import logging
import os
from pathlib import Path

import numpy as np

from pdm_platform.core.alarms import AlarmStates
from pdm_platform.core.belief import BeliefStates
from pdm_platform.core.features import PumpStates
from pdm_platform.core.monitoring import FleetState, PumpDepartures

log = logging.getLogger(__name__)


def save(state: FleetState, path: Path) -> None:
    """Write a snapshot; the old one stays until the new one is whole."""
    parts = {"pumps": state.pumps, "departures": state.departures, "beliefs": state.beliefs, "alarms": state.alarms}
    arrays = {f"{part}/{name}": array for part, table in parts.items() for name, array in table.to_arrays().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def restore(path: Path) -> FleetState:
    """Read a snapshot. One that is damaged or of another feature contract is set aside, and all pumps start anew."""
    if not path.exists():
        return FleetState.empty()
    try:
        with np.load(path, allow_pickle=False) as arrays:
            parts: dict[str, dict[str, np.ndarray]] = {"pumps": {}, "departures": {}, "beliefs": {}, "alarms": {}}
            for name in arrays.files:
                part, _, array = name.partition("/")
                parts[part][array] = arrays[name]
        return FleetState(
            PumpStates.from_arrays(parts["pumps"]),
            PumpDepartures.from_arrays(parts["departures"]),
            BeliefStates.from_arrays(parts["beliefs"]),
            AlarmStates.from_arrays(parts["alarms"]),
        )
    except Exception as error:  # zipfile and numpy meet a damaged file with a dozen kinds of it
        aside = path.with_suffix(".refused")
        path.replace(aside)
        log.error("snapshot %s cannot be used (%s); kept as %s, baselines start anew", path, error, aside.name)
        return FleetState.empty()
