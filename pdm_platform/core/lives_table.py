"""Feature tables as the models take them: lives as arrays, and which pumps there are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pdm_platform.contract.failure_modes import MODE_CLASSES, NO_FAILURE_MODE
from pdm_platform.contract.measurements import DEVICE, TIME
from pdm_platform.contract.states import STATES
from pdm_platform.core.features import FEATURE_NAMES
from pdm_platform.core.lives import SPEEDS, IntArray, Lives, speed_index
from pdm_platform.core.sampling import thinned
from pdm_platform.core.signals import INTERVAL_S

# What a training set may hold: 1 GB of features, 2.6 GB while it is put together. Lives are thinned to that, evenly
# over their time.
MAX_ROWS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Pumps:
    """The pumps of a feature table. speeds: of each device; modes: what had worn it most at its last reading."""

    speeds: dict[str, str]
    modes: dict[str, str]


def pumps_of(parts: Iterable[pa.Table]) -> Pumps:
    """Read the pumps off the last row of each. parts: whole devices, by device, then time."""
    speeds: dict[str, str] = {}
    modes: dict[str, str] = {}
    for part in parts:
        if not part.num_rows:
            continue
        last = np.flatnonzero(np.append(pc.not_equal(part[DEVICE][1:], part[DEVICE][:-1]).to_numpy(), True))
        ends = part.select([DEVICE, INTERVAL_S, "failure_mode"]).take(last)
        devices = ends[DEVICE].to_pylist()
        named = [SPEEDS[index] for index in speed_index(ends[INTERVAL_S].to_numpy().astype(np.float64)).tolist()]
        speeds.update(zip(devices, named, strict=True))
        modes.update(zip(devices, (mode or "" for mode in ends["failure_mode"].to_pylist()), strict=True))
    return Pumps(speeds, modes)


def lives_of(rows: pa.Table) -> Lives:
    """A feature table's rows, by device, then time. A mode that is not of the contract's counts as none."""
    return Lives(
        features=np.column_stack([rows[name].to_numpy() for name in FEATURE_NAMES]).astype(np.float32, copy=False),
        state_index=_index_of(rows["ground_truth"], [state.value for state in STATES]),
        health_percent=rows["health_percent"].to_numpy(),
        rul_hours=rows["rul_hours"].to_numpy(),
        time_ns=rows[TIME].to_numpy(),
        device_ids=_texts(rows[DEVICE]),
        mode_index=_index_of(pc.fill_null(rows["failure_mode"], NO_FAILURE_MODE), list(MODE_CLASSES)),
        sensor_fault=_texts(rows["sensor_fault"]),
        disturbance=_texts(rows["disturbance"]),
    )


def chosen(parts: Iterable[pa.Table], devices: Sequence[str], *, max_rows: int = MAX_ROWS, seed: int) -> Lives:
    """Lives of these devices, thinned evenly over their time where all together would be more than max_rows."""
    wanted = pa.array(sorted(devices), pa.string())
    each = max(max_rows // max(len(wanted), 1), 1)
    kept = []
    for part in parts:
        own = part.filter(pc.is_in(part[DEVICE], value_set=wanted))
        # as arrays at once: a table of all parts beside them would double the memory
        kept.append(lives_of(thinned(own, rows_per_device=each, seed=seed)))
    return joined(kept)


def joined(lives: Sequence[Lives]) -> Lives:
    """Lives one after the other, in the order given. Raises ValueError where there are none."""
    return Lives(**{each.name: np.concatenate([getattr(one, each.name) for one in lives]) for each in fields(Lives)})


def _index_of(texts: pa.ChunkedArray, names: list[str]) -> IntArray:
    found = pc.index_in(texts, value_set=pa.array(names, pa.string()))
    return np.asarray(pc.fill_null(found, 0).to_numpy(), np.int64)


def _texts(texts: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    return np.asarray(pc.fill_null(texts, "").to_pylist(), dtype=np.str_)
