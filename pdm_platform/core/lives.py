"""Whole life cycles as the models learn from them: which pumps teach, which judge, and how much each reading counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import TrainingError
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.core.signals import FeatureArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TextArray = NDArray[np.str_]
SPEEDS: Final = ("stress", "accelerated", "nominal")
# Halfway between the sampling intervals of the speeds: 1, 2 and 10 s.
_STRESS_UP_TO_S, _ACCELERATED_UP_TO_S = 1.5, 5.0


@dataclass(frozen=True, slots=True)
class Lives:
    """Labelled readings of whole lives: n rows, a life's rows in the order of time.

    features: (n, F) float32 as FEATURE_NAMES; state_index: (n,) into STATES; health_percent: (n,) 0 to 100; rul_hours:
    (n,) hours, NaN where unknown; time_ns: (n,) int64 ns UTC; device_ids: (n,) text; mode_index: (n,) into
    MODE_CLASSES, what wears the pump most, `none` where nothing is told; sensor_fault: (n,) text, `channel:kind` or
    empty; disturbance: (n,) text or empty.
    """

    features: FeatureArray
    state_index: IntArray
    health_percent: FloatArray
    rul_hours: FloatArray
    time_ns: IntArray
    device_ids: TextArray
    mode_index: IntArray
    sensor_fault: TextArray
    disturbance: TextArray

    def __len__(self) -> int:
        return len(self.time_ns)

    def of(self, devices: Sequence[str]) -> "Lives":
        """The rows of these devices only, in the same order."""
        return self.rows(np.flatnonzero(np.isin(self.device_ids, np.asarray(devices, dtype=np.str_))))

    def rows(self, index: IntArray) -> "Lives":
        """The rows at these positions."""
        return Lives(**{column.name: getattr(self, column.name)[index] for column in fields(self)})

    @property
    def faulty_channel(self) -> IntArray:
        """0 where no sensor lies, else 1 + the index into CHANNEL_NAMES of the one that does, shape (n,)."""
        names = ("", *CHANNEL_NAMES)
        channel = [text.partition(":")[0] for text in self.sensor_fault.tolist()]
        return np.array([names.index(name) if name in names else 0 for name in channel], np.int64)


def speed_of(time_ns: IntArray) -> str:
    """Speed of one life by its median sampling interval: stress (to 1.5 s), accelerated (to 5 s), nominal.

    A single reading has no interval and counts as nominal.
    """
    if len(time_ns) < 2:
        return SPEEDS[2]
    return SPEEDS[int(speed_index(np.array([float(np.median(np.diff(np.sort(time_ns)))) / NS_PER_S]))[0])]


def speed_index(interval_s: FloatArray) -> IntArray:
    """Index into SPEEDS for sampling intervals in seconds, shape (n,); NaN counts as nominal."""
    return np.where(interval_s <= _STRESS_UP_TO_S, 0, np.where(interval_s <= _ACCELERATED_UP_TO_S, 1, 2))


def speeds_of(device_ids: TextArray, time_ns: IntArray) -> dict[str, str]:
    """Speed of each device's life, by device id in alphabetical order."""
    devices, owner = np.unique(np.asarray(device_ids, dtype=np.str_), return_inverse=True)
    by_owner = np.split(time_ns[np.argsort(owner, kind="stable")], np.cumsum(np.bincount(owner))[:-1])
    return {str(device): speed_of(times) for device, times in zip(devices, by_owner, strict=False)}


def split_by_pump(
    speeds: Mapping[str, str], *, modes: Mapping[str, str] | None = None, unseen_share: float = 0.3, seed: int
) -> tuple[list[str], list[str]]:
    """Divide pumps, never readings, into those to train on and those the model must not have seen.

    speeds: of each device; modes: what each failed of, where known. Drawn within each speed, so that both sides have a
    pump of every speed that has at least two, and evenly over the modes; a speed's only pump is trained on. Returns
    both lists sorted. Raises TrainingError where no pump would be left on one side.
    """
    draw = np.random.default_rng(seed)
    train: list[str] = []
    unseen: list[str] = []
    for speed in SPEEDS:
        drawn = draw.permutation(sorted(device for device, found in speeds.items() if found == speed)).tolist()
        pumps = sorted(drawn, key=lambda device: (modes or {}).get(device, ""))
        held = min(max(round(len(pumps) * unseen_share), 1), len(pumps) - 1) if pumps else 0
        chosen = {int((place + 0.5) * len(pumps) / held) for place in range(held)}
        unseen += [pump for place, pump in enumerate(pumps) if place in chosen]
        train += [pump for place, pump in enumerate(pumps) if place not in chosen]
    if not train or not unseen:
        raise TrainingError(
            f"{len(speeds)} pump(s) cannot be divided into some to train on and some to judge by",
            hint="At least two life cycles of one speed are needed: `pdmctl simulate training` publishes more.",
        )
    return sorted(train), sorted(unseen)


def evenly(cell: IntArray, rows: int) -> IntArray:
    """Positions of exactly `rows` rows of each cell, spread evenly over its rows; a small cell gives some repeatedly.

    cell: (n,) which cell a row belongs to, rows in the order of time. Returns shape (rows * cells,), cell after cell.
    """
    order = np.argsort(cell, kind="stable")
    _, first, counts = np.unique(cell[order], return_index=True, return_counts=True)
    share = (np.arange(rows) + 0.5) / rows
    return np.asarray(order[(first[:, None] + (counts[:, None] * share).astype(np.int64)).ravel()], np.int64)
