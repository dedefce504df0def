"""From readings to features for any kind of device: the fold that training and serving share.

What a device measures and what follows from it is told by a SignalSpec; `core.features` has that of the pumps.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.core import signal_memory
from pdm_platform.core.signal_memory import BASELINE_READINGS, STEADY_SHARE, Memory
from pdm_platform.core.states_table import LAST_TIME, Batch, BoolArray, Column, FloatArray, IntArray, StatesTable

FeatureArray = NDArray[np.float32]
INTERVAL_S: Final = "interval_s"
AGE_HOURS: Final = "age_hours"
LAGS_HOURS: Final = ("lag_short_hours", "lag_medium_hours", "lag_long_hours")
_ALGORITHM: Final = "signal-memory-3"
_OF_A_QUANTITY: Final = (
    *("level", "medium", "long", "baseline", "spread", "change", "change_medium", "z", "spread_ratio"),
    *("delta", "trend", "progress", "change_slow", "gradual"),
)
_OF_A_CHANNEL: Final = ("off", "repeat_run", "repeat_share", "missing_share", "spike_share")
_OF_A_DEVICE: Final = ("readings_seen", "running", "gap_ratio", INTERVAL_S, AGE_HOURS, *LAGS_HOURS)
_MAINTAINED: Final = "maintained_ns"
_S_PER_HOUR: Final = 3_600.0
_REPEATS_TOLD: Final = 30.0


def _nothing_derived(channels: FloatArray) -> FloatArray:
    return np.empty((0, channels.shape[1]))


def _always_running(channels: FloatArray) -> BoolArray:
    return np.ones(channels.shape[1], np.bool_)


@dataclass(frozen=True)
class SignalSpec:
    """What a kind of device measures.

    channels: names of the measured channels, C. derived: names of quantities that follow from them, D.
    derive: (C, n) to (D, n). running: (C, n) to (n,), False while the machine stands still. extra: names of features
    of this kind of device, made by `extras` from the readings (C, n) and the memory, shape (len(extra), n). All must be
    elementwise.
    """

    channels: tuple[str, ...]
    derived: tuple[str, ...] = ()
    derive: Callable[[FloatArray], FloatArray] = _nothing_derived
    running: Callable[[FloatArray], BoolArray] = _always_running
    extra: tuple[str, ...] = ()
    extras: Callable[[FloatArray, Memory], FloatArray] = field(default=lambda channels, _: _nothing_derived(channels))
    version: str = "1"

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """Measured channels, then derived quantities."""
        return (*self.channels, *self.derived)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns that `fold` returns."""
        return (
            *self.channels,
            *(f"{name}_{what}" for what in _OF_A_QUANTITY for name in self.quantities),
            *(f"{name}_{what}" for what in _OF_A_CHANNEL for name in self.channels),
            *_OF_A_DEVICE,
            *self.extra,
        )

    @property
    def contract(self) -> str:
        """Hash of what the features mean; a model and a memory made under another one cannot be used."""
        text = (_ALGORITHM, self.version, signal_memory.SHORT_READINGS, signal_memory.MEDIUM_READINGS)
        return hashlib.sha256("\n".join([*map(str, text), *self.feature_names]).encode()).hexdigest()


class SignalStates(StatesTable):
    """The memory of each device. A subclass names its SPEC, and its CONTRACT and COLUMNS by `columns_of`."""

    SPEC: ClassVar[SignalSpec]

    def gather(self, rows: IntArray) -> tuple[Memory, FloatArray]:
        """The memory of the devices at these rows, as views of a copy, and the copy, which `put_floats` takes back."""
        block = np.ascontiguousarray(self.floats(rows).T)
        return Memory(block, self.float_slices()), block.T


def columns_of(spec: SignalSpec) -> dict[str, Column]:
    """COLUMNS of the states of a spec."""
    memory = signal_memory.columns(len(spec.quantities), len(spec.channels))
    return {**memory, _MAINTAINED: Column((), np.int64, 0)}


def fold(
    states: SignalStates,
    device_ids: Sequence[str],
    time_ns: IntArray,
    channels: FloatArray,
    *,
    maintained_ns: IntArray | None = None,
) -> FeatureArray:
    """Take readings into the states and return their features.

    device_ids, time_ns (int64 ns UTC), channels: n readings in order of arrival, channels of shape (n, C) in the order
    of the spec, NaN where a sensor gave nothing. maintained_ns: (n,) when the device was last maintained, as its
    readings tell it, 0 where they do not; a later time than before makes the device forget and start anew.
    Returns shape (n, F), columns as the spec's feature_names, NaN where nothing is known.
    A reading that is not newer than the device's last one, late or delivered again, is set against the current state
    and does not change it. Raises ValueError where the shapes do not fit.
    """
    spec = states.SPEC
    if channels.shape != (len(device_ids), len(spec.channels)):
        raise ValueError(f"channels have shape {channels.shape}, expected ({len(device_ids)}, {len(spec.channels)})")
    batch = states.arrange(device_ids, time_ns)
    turns = _Turns(batch)
    order = batch.order[turns.order]
    raw = np.ascontiguousarray(np.where(np.isfinite(channels), channels, np.nan)[order].T)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = _quantities(spec, raw)
        times = np.asarray(time_ns, np.int64)[order]
        newer, running = batch.newer[turns.order], spec.running(raw)
        rows = batch.rows[turns.longest_first]
        memory, floats = states.gather(rows)
        last_ns = states[LAST_TIME][rows]
        serviced, known_service = _serviced(maintained_ns, times, order), states[_MAINTAINED][rows]
        features = np.empty((len(times), len(spec.feature_names)), np.float32)
        for part in turns.slices:
            now = slice(part.stop - part.start)
            view = memory if batch.is_one_each else memory.of(now)
            told = (serviced[part] > known_service[now]) & newer[part]
            if told.any():
                # while the baseline forms there is nothing to forget, and a moment that moves all the time must not
                # stop it
                repaired = told & (view.seen[0] >= BASELINE_READINGS)
                view.forget(repaired)
                last_ns[now][repaired] = np.iinfo(np.int64).min
                known_service[now] = np.where(told, serviced[part], known_service[now])
            since_ns = np.where(last_ns[now] == np.iinfo(np.int64).min, 0, times[part] - last_ns[now])
            _take(view, values[:, part], since_ns, running[part], newer[part])
            last_ns[now] = np.where(newer[part], times[part], last_ns[now])
            features[part] = _features(spec, raw[:, part], view, since_ns, running[part]).T
    states.put_floats(rows, floats)
    states[_MAINTAINED][rows] = known_service
    states.advance(batch, time_ns)
    if batch.is_one_each:
        return features
    unturned = np.empty_like(features)
    unturned[order] = features
    return unturned


def _quantities(spec: SignalSpec, raw: FloatArray) -> FloatArray:
    values = np.concatenate([raw, spec.derive(raw)])
    values[~np.isfinite(values)] = np.nan
    return values


def _serviced(maintained_ns: IntArray | None, times: IntArray, order: IntArray) -> IntArray:
    """When each reading says its device was last maintained, in order; 0 where it does not, or tells of the future."""
    if maintained_ns is None:
        return np.zeros_like(times)
    told = np.asarray(maintained_ns, np.int64)[order]
    return np.where(told > times, 0, told)


class _Turns:
    """A sorted batch cut into turns: the first reading of each device, then the second of each that has one, ...

    Devices with more readings come first, so that those of a turn are a prefix of the devices and no copy is needed.
    longest_first: (m,) the runs in that order. order: (n,) positions in the sorted batch, turn after turn. slices: of
    `order`, one a turn.
    """

    def __init__(self, batch: Batch) -> None:
        if batch.is_one_each:
            self.longest_first = self.order = batch.run
            self.slices = [slice(0, len(batch.run))] if len(batch.run) else []
            return
        counts = np.bincount(batch.run, minlength=len(batch.rows))
        self.longest_first = np.argsort(-counts, kind="stable")
        place = np.empty_like(self.longest_first)
        place[self.longest_first] = np.arange(len(place))
        first = np.cumsum(counts) - counts
        turn = np.arange(len(batch.run)) - first[batch.run]
        self.order = np.lexsort((place[batch.run], turn))
        ends = np.cumsum(np.bincount(turn)).tolist()
        self.slices = [slice(start, end) for start, end in pairwise([0, *ends])]


def _take(memory: Memory, values: FloatArray, since_ns: IntArray, running: BoolArray, newer: BoolArray) -> None:
    if newer.all():
        memory.take(values, since_ns, running)
        return
    kept = memory.of(~newer)  # a mask copies
    memory.take(values, np.maximum(since_ns, 0), running)
    memory.put(~newer, kept)


def _features(
    spec: SignalSpec, raw: FloatArray, memory: Memory, since_ns: IntArray, running: BoolArray
) -> NDArray[np.float64]:
    known = memory.count > 0.0
    scale = np.abs(memory.baseline)
    scale = np.where(scale > 0.0, scale, np.nan)
    noise = np.maximum(np.sqrt(memory.baseline_variance), STEADY_SHARE * scale)
    noise = np.where(noise > 0.0, noise, np.nan)
    change = (memory.short - memory.baseline) / scale
    progress = memory.medium - memory.long
    progress_h = memory.lag_long_h - memory.lag_medium_h
    per_hour = np.where(known & (progress_h > 0.0), progress / progress_h, np.nan)
    interval_ns = np.where(memory.interval_h > 0.0, memory.interval_h, np.nan) * _S_PER_HOUR * 1e9
    channels = len(raw)
    return np.concatenate(
        [
            raw,
            *(np.where(known, level, np.nan) for level in (memory.short, memory.medium, memory.long, memory.baseline)),
            np.where(known, np.sqrt(memory.variance_short), np.nan),
            change,
            (memory.medium - memory.baseline) / scale,
            (memory.short - memory.baseline) / noise,
            np.sqrt(memory.variance) / noise,
            (memory.short - memory.medium) / noise,
            progress / noise,
            per_hour * memory.age_h / scale,
            (memory.slow - memory.baseline) / scale,
            memory.gradual / scale,
            (raw - memory.short[:channels]) / noise[:channels],
            np.minimum(memory.repeat_run, _REPEATS_TOLD),
            memory.repeat_share,
            memory.missing_share,
            memory.spike_share,
            np.minimum(memory.seen, BASELINE_READINGS),
            running[None].astype(np.float64),
            since_ns / interval_ns,
            memory.interval_h * _S_PER_HOUR,
            memory.age_h,
            memory.lag_short_h,
            memory.lag_medium_h,
            memory.lag_long_h,
            spec.extras(raw, memory),
        ]
    )
