"""From labelled readings to what models learn from: features beside the truth, a part of whole devices at a time."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DEVICE, TIME
from pdm_platform.contract.times import maintained_ns
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES, PumpStates, fold
from pdm_platform.core.sampling import thinned
from pdm_platform.core.signals import FeatureArray

TRUTH: Final = ("ground_truth", "health_percent", "rul_hours", "failure_mode", "sensor_fault", "disturbance")
_MAINTENANCE: Final = "last_maintenance"


@dataclass(frozen=True, slots=True)
class FeaturedPart:
    """rows: device, time, truth and features. readings, devices: how many were folded, and from which to which."""

    rows: pa.Table
    readings: int
    devices: int
    first_device: str
    last_device: str


def featured(
    readings: pa.Table, *, contract: str = FEATURE_CONTRACT, rows_per_device: int | None = None, seed: int = 0
) -> FeaturedPart:
    """Fold one part of a history, starting from new pumps.

    readings: labelled, whole devices, by device, then time. contract: of whoever asks, who may be another machine.
    rows_per_device, seed: see `thinned`; every reading is folded, whether its row is kept or not.
    Features are float32, as models are trained and served. Raises ValueError where this machine makes features of
    another contract.
    """
    if contract != FEATURE_CONTRACT:
        raise ValueError(
            f"features of contract {contract[:12]} were asked for, this machine makes {FEATURE_CONTRACT[:12]}"
        )
    columns = {name: readings[name] for name in (DEVICE, TIME, *TRUTH)}
    rows = pa.table({**columns, **dict(zip(FEATURE_NAMES, fold_readings(readings).T, strict=True))})
    if rows_per_device is not None:
        rows = thinned(rows, rows_per_device=rows_per_device, seed=seed)
    ids = readings[DEVICE]
    first, last = (ids[0].as_py(), ids[-1].as_py()) if len(ids) else ("", "")
    return FeaturedPart(rows, len(ids), pc.count_distinct(ids).as_py(), first, last)


def fold_readings(readings: pa.Table) -> FeatureArray:
    """Features of a table of readings, shape (n, F), row for row, starting from new pumps."""
    channels = np.column_stack([readings[name].to_numpy() for name in CHANNEL_NAMES])
    serviced_ns = _moments_ns(readings[_MAINTENANCE])
    device_ids = readings[DEVICE].to_pylist()
    return fold(PumpStates(), device_ids, readings[TIME].to_numpy(), channels, maintained_ns=serviced_ns)


def _moments_ns(texts: pa.ChunkedArray) -> NDArray[np.int64]:
    """Times of the last maintenance as the service reads them, 0 where none is told or it cannot be read."""
    told = texts.combine_chunks().dictionary_encode()
    moments: NDArray[np.int64] = np.array([*map(_moment_ns, told.dictionary.to_pylist()), 0], np.int64)
    place: NDArray[np.int32] = told.indices.fill_null(len(moments) - 1).to_numpy(zero_copy_only=False)
    return moments[place]


def _moment_ns(text: str) -> int:
    # the store keeps as text also what was sent as a number
    return maintained_ns(float(text) if text.replace(".", "", 1).isdigit() else text)
