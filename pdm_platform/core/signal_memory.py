"""What is remembered of a device's signals: running levels, scatter, a healthy baseline. A fixed size, whatever came.

Every step is elementwise (no reduction, no exponential), so a device's results are the same bit for bit however its
readings are cut into batches and whoever else is in them.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core.states_table import BoolArray, Column, FloatArray, IntArray

SHORT_READINGS: Final = 8
MEDIUM_READINGS: Final = 32
BASELINE_READINGS: Final = 30
# the long level looks back over the last quarter of what was seen, so a life of minutes and one of months look alike
_LONG_SHARE: Final = 4.0
# A reading may move a level by so many of its own standard deviations, at least by this share of the level: one glitch
# of a sensor must not move a level, yet a signal that was constant must be able to leave its place.
_CLIP_DEVIATIONS: Final = 4.0
_CLIP_SHARE: Final = 0.005
_CLIP_AFTER: Final = 8
_CHECK_SHARE: Final = 1.0 / 16.0
_QUANTITY: Final = ("count", "short", "medium", "long", "variance_short", "variance", "baseline", "baseline_variance")
_RAW: Final = ("last", "repeat_run", "repeat_share", "missing_share", "spike_share")
_DEVICE: Final = ("seen", "lag_short_h", "lag_medium_h", "lag_long_h", "age_h", "since_run_h", "interval_h")
_UNSEEN: Final = {"last": np.nan}


def columns(quantities: int, channels: int) -> dict[str, Column]:
    """Columns of the memory, for a StatesTable: so many quantities, the first `channels` of them measured ones."""
    shapes = {
        **dict.fromkeys(_QUANTITY, (quantities,)),
        **dict.fromkeys(_RAW, (channels,)),
        **dict.fromkeys(_DEVICE, (1,)),
    }
    return {name: Column(shape, np.float64, _UNSEEN.get(name, 0.0)) for name, shape in shapes.items()}


class Memory:
    """The memory of m devices as arrays of shape (quantities, m), (channels, m) or (1, m), while readings come in.

    count: known readings of each quantity. short, medium, long: exponentially weighted means over about 8 and 32
    readings, and over the last quarter of all. variance_short, variance: of the readings about the short level, over 8
    and 32. baseline, baseline_variance: mean and variance of the first 30 readings. repeat_run: readings in a row that
    equal the one before; the shares are over about 16 readings. lag_*_h: mean age in hours of what a level holds. age_h:
    hours since the first reading. since_run_h: hours since the last one that counted. interval_h: between readings.
    """

    count: FloatArray
    short: FloatArray
    medium: FloatArray
    long: FloatArray
    variance_short: FloatArray
    variance: FloatArray
    baseline: FloatArray
    baseline_variance: FloatArray
    last: FloatArray
    repeat_run: FloatArray
    repeat_share: FloatArray
    missing_share: FloatArray
    spike_share: FloatArray
    seen: FloatArray
    lag_short_h: FloatArray
    lag_medium_h: FloatArray
    lag_long_h: FloatArray
    age_h: FloatArray
    since_run_h: FloatArray
    interval_h: FloatArray

    def __init__(self, arrays: dict[str, FloatArray]) -> None:
        self.__dict__.update(arrays)

    def arrays(self) -> dict[str, FloatArray]:
        """All arrays by name."""
        return dict(self.__dict__)

    def of(self, devices: slice | NDArray[np.bool_]) -> "Memory":
        """The memory of some devices: a view for a slice, a copy for a mask."""
        return Memory({name: values[:, devices] for name, values in self.__dict__.items()})

    def put(self, devices: BoolArray, other: "Memory") -> None:
        """Overwrite the memory of the devices where `devices` (m,) holds."""
        for name, values in self.__dict__.items():
            values[:, devices] = getattr(other, name)

    def forget(self, devices: BoolArray) -> None:
        """Start the devices where `devices` (m,) holds anew, as after a repair."""
        for name, values in self.__dict__.items():
            values[:, devices] = _UNSEEN.get(name, 0.0)

    def take(self, values: FloatArray, since_ns: IntArray, running: BoolArray) -> None:
        """Take one newer reading of each device.

        values: (quantities, m), NaN where unknown. since_ns: (m,) ns since the device's last reading, 0 for its first.
        running: (m,); a reading while the machine stands still tells nothing of its levels and only lets time pass.
        """
        since_h = since_ns / NS_PER_HOUR
        self.age_h += since_h
        self.since_run_h += since_h
        self._check(values, running)
        self._level(values, running)
        self._lag(since_h, running)

    def _check(self, values: FloatArray, running: BoolArray) -> None:
        """How the sensors themselves behave: stuck, silent."""
        raw = values[: len(self.last)]
        missing = np.isnan(raw)
        same = raw == self.last
        share = np.where(running, _CHECK_SHARE, 0.0)
        self.repeat_run[...] = np.where(running, np.where(same, self.repeat_run + 1.0, 0.0), self.repeat_run)
        self.repeat_share += share * (same - self.repeat_share)
        self.missing_share += share * (missing - self.missing_share)
        self.last[...] = np.where(missing | ~running, self.last, raw)

    def _level(self, values: FloatArray, running: BoolArray) -> None:
        known = ~np.isnan(values) & running
        self.count += known
        count = np.maximum(self.count, 1.0)
        first = 1.0 / count
        off = np.where(known, values - np.where(self.count == 1.0, values, self.short), 0.0)
        self.short[...] = np.where(known & (self.count == 1.0), values, self.short)
        limit = np.maximum(_CLIP_DEVIATIONS * np.sqrt(self.variance), _CLIP_SHARE * np.abs(self.short))
        limit = np.where(self.count > _CLIP_AFTER, limit, np.inf)
        bounded = np.minimum(np.maximum(off, -limit), limit)
        raw = len(self.last)
        spike = np.abs(off[:raw]) > limit[:raw]
        self.spike_share += np.where(running, _CHECK_SHARE, 0.0) * (spike - self.spike_share)
        taken, square = self.short + bounded, bounded * bounded
        short = np.where(known, np.maximum(first, 1.0 / SHORT_READINGS), 0.0)
        medium = np.where(known, np.maximum(first, 1.0 / MEDIUM_READINGS), 0.0)
        long = np.where(known, np.minimum(1.0, _LONG_SHARE / (count + (_LONG_SHARE - 1.0))), 0.0)
        self.variance_short[...] = (1.0 - short) * (self.variance_short + short * square)
        self.variance[...] = (1.0 - medium) * (self.variance + medium * square)
        self.short += short * bounded
        self.medium += medium * (taken - self.medium)
        self.long += long * (taken - self.long)
        forming = known & (self.count <= BASELINE_READINGS)
        self.baseline[...] = np.where(forming, self.medium, self.baseline)
        self.baseline_variance[...] = np.where(forming, self.variance, self.baseline_variance)

    def _lag(self, since_h: FloatArray, running: BoolArray) -> None:
        self.seen += running
        seen = np.maximum(self.seen, 1.0)
        second = self.seen > 1.0
        # a gap must not stretch the interval for long
        usual = np.where(self.interval_h > 0.0, np.minimum(since_h, 4.0 * self.interval_h), since_h)
        share = np.where(running & second, np.maximum(1.0 / np.maximum(seen - 1.0, 1.0), _CHECK_SHARE), 0.0)
        self.interval_h += share * (usual - self.interval_h)
        passed = np.where(running, self.since_run_h, 0.0)
        for lag, weight in (
            (self.lag_short_h, np.maximum(1.0 / seen, 1.0 / SHORT_READINGS)),
            (self.lag_medium_h, np.maximum(1.0 / seen, 1.0 / MEDIUM_READINGS)),
            (self.lag_long_h, np.minimum(1.0, _LONG_SHARE / (seen + (_LONG_SHARE - 1.0)))),
        ):
            lag[...] = np.where(running, (1.0 - weight) * (lag + passed), lag)
        self.since_run_h[...] = np.where(running, 0.0, self.since_run_h)
