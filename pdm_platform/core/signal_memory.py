"""What is remembered of a device's signals: running levels, scatter, a healthy baseline. A fixed size, whatever came.

Every step is elementwise (no reduction, no exponential), so a device's results are the same bit for bit however its
readings are cut into batches and whoever else is in them.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core.states_table import BoolArray, Column, FloatArray, IntArray

SHORT_READINGS: Final = 5
MEDIUM_READINGS: Final = 16
BASELINE_READINGS: Final = 30
# the long level looks back over the last quarter of what was seen, so a life of minutes and one of months look alike
_LONG_SHARE: Final = 4.0
# the slow level over the last sixteenth: the longer a life, the calmer a level can be told while it is still news
_SLOW_SHARE: Final = 16.0
# A level takes in the median of the last three readings: a lone glitch moves nothing, and a step is taken over with its
# second reading. Bounding what a reading may move a level by would do the first and fail at the second; a median of
# five loses the last digit of quantised sensors (on a valve rig F1 of novelty .857 instead of .872).
_RECENT: Final = ("recent_1", "recent_2")
_CHECK_SHARE: Final = 1.0 / 16.0
_SPIKE_DEVIATIONS: Final = 3.0
# A step is under way from where the short level leaves the medium one by so many deviations of a reading until it is
# back within so many. The short level itself scatters by about 0.4 of them.
_STEP_DEVIATIONS, _STEP_ENDS_DEVIATIONS = 1.5, 0.5
# a baseline steadier than this share of its level is rounding, not noise
STEADY_SHARE: Final = 0.001
_QUANTITY: Final = (
    *("count", *_RECENT, "short", "medium", "slow", "long", "variance_short", "variance"),
    *("baseline", "baseline_variance", "stepping", "gradual"),
)
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

    count: known readings of each quantity. recent_*: the last two. short, medium, slow, long: exponentially weighted
    means over about 5 and 16 readings, over the last sixteenth of all (16 at least), and over the last quarter.
    variance_short, variance: of the readings about the short level, over 5 and 16. baseline, baseline_variance: mean
    and variance of the first 30 readings. stepping: 1 while the level steps. gradual: by how much the medium level has
    moved since the baseline while it did not step: wear creeps, a change of duty or a disturbance steps. repeat_run:
    readings in a row that equal the one before; the shares are over about 16 readings. lag_*_h: mean age in hours of
    what a level holds. age_h: hours since the first reading. since_run_h: hours since the last one that counted.
    interval_h: between readings.
    """

    count: FloatArray
    recent_1: FloatArray
    recent_2: FloatArray
    short: FloatArray
    medium: FloatArray
    slow: FloatArray
    long: FloatArray
    variance_short: FloatArray
    variance: FloatArray
    baseline: FloatArray
    baseline_variance: FloatArray
    stepping: FloatArray
    gradual: FloatArray
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
        newest = known & (self.count == 1.0)
        taken = self._middle(values, known, newest)
        self.short[...] = np.where(newest, taken, self.short)
        off = np.where(known, taken - self.short, 0.0)
        scatter = np.where(known, values - self.short, 0.0)
        square = scatter * scatter
        short = np.where(known, np.maximum(first, 1.0 / SHORT_READINGS), 0.0)
        medium = np.where(known, np.maximum(first, 1.0 / MEDIUM_READINGS), 0.0)
        long = np.where(known, np.minimum(1.0, _LONG_SHARE / (count + (_LONG_SHARE - 1.0))), 0.0)
        self.variance_short[...] = (1.0 - short) * (self.variance_short + short * square)
        self.variance[...] = (1.0 - medium) * (self.variance + medium * square)
        self.short += short * off
        moved = np.where(known, medium * (taken - self.medium), 0.0)
        self.medium += moved
        slow = np.where(known, np.minimum(medium, _SLOW_SHARE / (count + (_SLOW_SHARE - 1.0))), 0.0)
        self.slow += np.where(known, slow * (taken - self.slow), 0.0)
        self.long += np.where(known, long * (taken - self.long), 0.0)
        forming = known & (self.count <= BASELINE_READINGS)
        self.baseline += np.where(forming, first * (taken - self.baseline), 0.0)
        grown = self.baseline_variance + first * (square - self.baseline_variance)
        self.baseline_variance[...] = np.where(forming, grown, self.baseline_variance)
        self._creep(moved, known, known & ~forming)

    def _creep(self, moved: FloatArray, known: BoolArray, formed: BoolArray) -> None:
        """Whether the level steps, and how far it has crept. moved: by how much the medium level did just now."""
        noise = np.maximum(np.sqrt(self.baseline_variance), STEADY_SHARE * np.abs(self.baseline))
        limit = np.where(self.stepping > 0.0, _STEP_ENDS_DEVIATIONS, _STEP_DEVIATIONS) * noise
        self.stepping[...] = np.where(known, np.abs(self.short - self.medium) > limit, self.stepping)
        self.gradual += np.where(formed & (self.stepping == 0.0), moved, 0.0)

    def _middle(self, values: FloatArray, known: BoolArray, newest: BoolArray) -> FloatArray:
        """Median of the last three known readings; and remember the newest."""
        for name in _RECENT:
            slot = getattr(self, name)
            slot[...] = np.where(newest, values, slot)
        one, two = self.recent_1, self.recent_2
        middle: FloatArray = np.maximum(np.minimum(one, two), np.minimum(np.maximum(one, two), values))
        two[...] = np.where(known, one, two)
        one[...] = np.where(known, values, one)
        raw = len(self.last)
        spread = np.sqrt(self.variance[:raw])
        self.spike_share += np.where(known[:raw], _CHECK_SHARE, 0.0) * (
            (np.abs(values[:raw] - middle[:raw]) > _SPIKE_DEVIATIONS * spread) - self.spike_share
        )
        return middle

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
