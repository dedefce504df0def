"""What is remembered of a device's signals: running levels, scatter, a healthy baseline. A fixed size, whatever came.

Every step is elementwise (no reduction, no exponential), so a device's results are the same bit for bit however its
readings are cut into batches and whoever else is in them.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core.states_table import BoolArray, Column, FloatArray, IntArray

SHORT_READINGS: Final = 5
MEDIUM_READINGS: Final = 16
BASELINE_READINGS: Final = 30
_LEVEL_SHARES: Final = np.array([[1.0 / SHORT_READINGS], [1.0 / MEDIUM_READINGS]])
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
# in this order, because what lies side by side is updated at one go
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

    All are views of one block, and so are three stacks: levels (4, quantities, m) from short to long, variances
    (2, quantities, m), lags (3, m).
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

    def __init__(self, block: FloatArray, places: Mapping[str, slice]) -> None:
        self._block, self._places = block, places
        self.__dict__.update((name, block[place]) for name, place in places.items())
        self._levels = self._stack("short", "long")
        self._variances = self._stack("variance_short", "variance")
        self._lags = block[places["lag_short_h"].start : places["lag_long_h"].stop]

    def _stack(self, first: str, last: str) -> FloatArray:
        rows = self._block[self._places[first].start : self._places[last].stop]
        return rows.reshape(len(rows) // len(self.count), *self.count.shape)

    def arrays(self) -> dict[str, FloatArray]:
        """All arrays by name."""
        return {name: self._block[place] for name, place in self._places.items()}

    def of(self, devices: slice | NDArray[np.bool_]) -> "Memory":
        """The memory of some devices: a view for a slice, a copy for a mask."""
        return Memory(self._block[:, devices], self._places)

    def put(self, devices: BoolArray, other: "Memory") -> None:
        """Overwrite the memory of the devices where `devices` (m,) holds."""
        self._block[:, devices] = other._block

    def forget(self, devices: BoolArray) -> None:
        """Start the devices where `devices` (m,) holds anew, as after a repair."""
        self._block[:, devices] = 0.0
        for name, value in _UNSEEN.items():
            self._block[self._places[name], devices] = value

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
        np.copyto(self.repeat_run, (self.repeat_run + 1.0) * same, where=running)
        self.repeat_share += share * (same - self.repeat_share)
        self.missing_share += share * (missing - self.missing_share)
        np.copyto(self.last, raw, where=~missing & running)

    def _level(self, values: FloatArray, running: BoolArray) -> None:
        known = ~np.isnan(values) & running
        self.count += known
        count = np.maximum(self.count, 1.0)
        first = 1.0 / count
        newest = known & (self.count == 1.0)
        taken = self._middle(values, known, newest)
        np.copyto(self.short, taken, where=newest)
        scatter = np.where(known, values - self.short, 0.0)
        square = scatter * scatter
        shares = self._shares(count, first, known)
        moved = np.where(known, shares * (taken - self._levels), 0.0)
        self._variances[...] = (1.0 - shares[:2]) * (self._variances + shares[:2] * square)
        self._levels += moved
        forming = known & (self.count <= BASELINE_READINGS)
        if forming.any():
            self.baseline += np.where(forming, first * (taken - self.baseline), 0.0)
            grown = self.baseline_variance + first * (square - self.baseline_variance)
            np.copyto(self.baseline_variance, grown, where=forming)
        self._creep(moved[1], known, known & ~forming)

    def _shares(self, count: FloatArray, first: FloatArray, known: BoolArray) -> FloatArray:
        """What a reading counts in each of the four levels, (4, quantities, m)."""
        shares = np.empty_like(self._levels)
        short, medium, slow, long = shares
        np.maximum(first, 1.0 / SHORT_READINGS, out=short)
        np.maximum(first, 1.0 / MEDIUM_READINGS, out=medium)
        np.minimum(medium, _SLOW_SHARE / (count + (_SLOW_SHARE - 1.0)), out=slow)
        np.minimum(1.0, _LONG_SHARE / (count + (_LONG_SHARE - 1.0)), out=long)
        shares *= known
        return shares

    def _creep(self, moved: FloatArray, known: BoolArray, formed: BoolArray) -> None:
        """Whether the level steps, and how far it has crept. moved: by how much the medium level did just now."""
        noise = np.maximum(np.sqrt(self.baseline_variance), STEADY_SHARE * np.abs(self.baseline))
        limit = np.where(self.stepping > 0.0, _STEP_ENDS_DEVIATIONS, _STEP_DEVIATIONS) * noise
        np.copyto(self.stepping, np.abs(self.short - self.medium) > limit, where=known)
        self.gradual += np.where(formed & (self.stepping == 0.0), moved, 0.0)

    def _middle(self, values: FloatArray, known: BoolArray, newest: BoolArray) -> FloatArray:
        """Median of the last three known readings; and remember the newest."""
        one, two = self.recent_1, self.recent_2
        for slot in (one, two):
            np.copyto(slot, values, where=newest)
        middle: FloatArray = np.maximum(np.minimum(one, two), np.minimum(np.maximum(one, two), values))
        np.copyto(two, one, where=known)
        np.copyto(one, values, where=known)
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
        shares = np.empty_like(self._lags)
        np.maximum(1.0 / seen, _LEVEL_SHARES, out=shares[:2])
        np.minimum(1.0, _LONG_SHARE / (seen + (_LONG_SHARE - 1.0)), out=shares[2:])
        np.copyto(self._lags, (1.0 - shares) * (self._lags + self.since_run_h), where=running)
        np.copyto(self.since_run_h, 0.0, where=running)
