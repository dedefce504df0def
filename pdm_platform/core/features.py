"""What the models see of a reading: one function, folded over history for training and over live batches for serving.

Every result depends on its own pump's readings alone and is the same bit for bit however these are cut into batches:
each step is elementwise or a sort of one window, never a reduction whose order numpy might choose by array shape.
"""

import hashlib
from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core.states_table import Batch, Column, FloatArray, IntArray, StatesTable

SHORT_READINGS: Final = 10
MEMORY_READINGS: Final = 30
FEATURE_NAMES: Final = (
    *CHANNEL_NAMES,
    *(f"{name}_level" for name in CHANNEL_NAMES),
    *(f"{name}_spread" for name in CHANNEL_NAMES),
    *(f"{name}_change" for name in CHANNEL_NAMES),
    *(f"{name}_per_hour" for name in CHANNEL_NAMES),
    "readings_seen",
)
_ALGORITHM: Final = "median-quartile-1"
FEATURE_CONTRACT: Final = hashlib.sha256(
    "\n".join([_ALGORITHM, str(SHORT_READINGS), str(MEMORY_READINGS), *FEATURE_NAMES]).encode()
).hexdigest()
_CHANNELS: Final = len(CHANNEL_NAMES)
_LAGS: Final = np.arange(MEMORY_READINGS)[:, None]
_ALL, _SHORT, _OLDER = slice(None), slice(SHORT_READINGS), slice(SHORT_READINGS, None)
# Bounds the memory of a fold over history; about what fits into a processor's cache.
_CHUNK_ROWS: Final = 2_048
_READINGS, _TIMES, _BASELINE, _SEEN = "readings", "times_ns", "baseline", "seen"


class PumpStates(StatesTable):
    """The last 30 readings of each pump (oldest first, NaN before the first), its healthy baseline, readings seen."""

    CONTRACT: ClassVar = FEATURE_CONTRACT
    COLUMNS: ClassVar = {
        _READINGS: Column((MEMORY_READINGS, _CHANNELS), np.float64, np.nan),
        _TIMES: Column((MEMORY_READINGS,), np.int64, 0),
        _BASELINE: Column((_CHANNELS,), np.float64, np.nan),
        _SEEN: Column((), np.int64, 0),
    }


def fold(states: PumpStates, device_ids: Sequence[str], time_ns: IntArray, channels: FloatArray) -> FloatArray:
    """Take readings into the states and return their features.

    device_ids, time_ns (int64 ns UTC), channels: n readings in order of arrival, channels of shape (n, 8) in the order
    and units of contract.channels, NaN where a sensor gave nothing. Returns shape (n, F), columns as FEATURE_NAMES, NaN
    where nothing is known:
    the reading itself; level: median of the last 10; spread: their interquartile range; change: level over baseline,
    less 1, where the baseline is the median of the pump's first 30 readings, when it was new; per_hour: level less the
    median of the 20 readings before, per hour of event time; readings_seen, at most 30.
    Medians, because one glitch of a sensor must not move a level, a baseline or a rate.
    A reading that is not newer than the pump's last one, late or delivered again, is set against the current state and
    does not change it. Raises ValueError where the shapes do not fit.
    """
    if channels.shape != (len(device_ids), _CHANNELS):
        raise ValueError(f"channels have shape {channels.shape}, expected ({len(device_ids)}, {_CHANNELS})")
    batch = states.arrange(device_ids, time_ns)
    # + 0.0 turns -0.0 into 0.0: a sort may leave the two in either order
    readings = np.where(np.isfinite(channels), channels, np.nan)[batch.order] + 0.0
    times = np.asarray(time_ns, np.int64)[batch.order]
    history = _History(states, batch, readings, times)
    _freeze_baselines(states, batch, history)
    features = np.empty((len(readings), len(FEATURE_NAMES)))
    for start in range(0, len(readings), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        features[part] = _features(readings[part], history, part, states[_BASELINE][batch.row[part]])
    history.keep(states, batch)
    states.advance(batch, time_ns)
    return batch.unsort(features)


class _History:
    """Remembered and new readings of each pump of a batch, in the order of its time.

    place: where in `readings` and `times_ns` the readings stand, pump after pump, each with its 30 remembered ones
    first; position: (n,) index into `place` of each reading of the batch, of the newest known one for a late reading.
    """

    def __init__(self, states: PumpStates, batch: Batch, readings: FloatArray, times: IntArray) -> None:
        pumps = len(batch.rows)
        remembered = states[_READINGS].take(batch.rows, axis=0).reshape(-1, _CHANNELS)
        self.readings = np.concatenate([remembered, readings[batch.newer]])
        self.times_ns = np.concatenate([states[_TIMES][batch.rows].ravel(), times[batch.newer]])
        newer_so_far = np.cumsum(batch.newer)
        self.position = MEMORY_READINGS * (batch.run + 1) + newer_so_far - 1
        last = np.flatnonzero(np.diff(batch.run, append=pumps))
        before = np.concatenate([[0], newer_so_far[last]])[:pumps]
        self.place = np.empty(len(self.readings), np.int64)
        first_places = MEMORY_READINGS * np.arange(pumps)[:, None] + np.arange(MEMORY_READINGS)
        self.place[first_places + before[:, None]] = first_places
        self.place[self.position[batch.newer]] = np.arange(len(remembered), len(self.readings))
        self.seen = states[_SEEN][batch.row] + newer_so_far - before[batch.run]
        self._last = last

    def window(self, position: IntArray, lags: slice) -> FloatArray:
        """Readings at these lags behind each position, shape (lags, n, 8); NaN before a pump's first reading."""
        window: FloatArray = self.readings.take(self.place[position - _LAGS[lags]], axis=0)
        return window

    def keep(self, states: PumpStates, batch: Batch) -> None:
        """Remember the last readings of each pump."""
        places = self.place[self.position[self._last][:, None] - _LAGS[::-1].T]
        states[_READINGS][batch.rows] = self.readings.take(places, axis=0)
        states[_TIMES][batch.rows] = self.times_ns[places]
        states[_SEEN][batch.rows] = self.seen[self._last]


def _freeze_baselines(states: PumpStates, batch: Batch, history: _History) -> None:
    """Remember the baseline of each pump whose 30th reading is in this batch."""
    complete = np.flatnonzero((history.seen == MEMORY_READINGS) & batch.newer)
    states[_BASELINE][batch.row[complete]] = _Window(history.window(history.position[complete], _ALL)).median


def _features(readings: FloatArray, history: _History, part: slice, baseline: FloatArray) -> FloatArray:
    position, seen = history.position[part], history.seen[part]
    short = _Window(history.window(position, _SHORT))
    older = _Window(history.window(position, _OLDER))
    young = np.flatnonzero(seen < MEMORY_READINGS)
    baseline[young] = _Window(history.window(position[young], _ALL)).median
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.where(baseline == 0.0, np.nan, (short.median - baseline) / np.abs(baseline))
        per_hour = (short.median - older.median) / _hours_between(history, position, seen)[:, None]
    capped = np.minimum(seen, MEMORY_READINGS).astype(np.float64)[:, None]
    return np.concatenate([readings, short.median, short.spread, change, per_hour, capped], axis=1)


def _hours_between(history: _History, position: IntArray, seen: IntArray) -> FloatArray:
    """Hours from the middle of the older readings to the middle of the last 10; NaN where there are no older ones."""
    ago_h = (
        history.times_ns[history.place[position]] - history.times_ns[history.place[position - _LAGS]]
    ) / NS_PER_HOUR
    ago_h[seen <= _LAGS] = 0.0
    recent, older = sum(ago_h[:SHORT_READINGS]), sum(ago_h[SHORT_READINGS:])
    many = np.minimum(seen, MEMORY_READINGS) - SHORT_READINGS
    hours: FloatArray = np.where(many > 0, older / many - recent / SHORT_READINGS, np.nan)
    return hours


class _Window:
    """Median and interquartile range of the known values in a window, shape (n, 8). Sorts the window in place."""

    def __init__(self, values: FloatArray) -> None:
        known = np.asarray((~np.isnan(values)).sum(axis=0))
        values.sort(axis=0)  # NaN goes last
        last = np.maximum(known - 1, 0)
        self.median = (_pick(values, last // 2) + _pick(values, (last + 1) // 2)) / 2.0
        quarter = known // 4
        self.spread = _pick(values, last - quarter) - _pick(values, quarter)


def _pick(values: FloatArray, index: IntArray) -> FloatArray:
    picked: FloatArray = np.take_along_axis(values, index[None], axis=0)[0]
    return picked
