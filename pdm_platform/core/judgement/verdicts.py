"""What was true and what was told of unseen pumps: the one structure that the whole judgement reads."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.contract.states import STATES, State
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core import alarms
from pdm_platform.core.alarms import AlarmChange, AlarmStates

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
TextArray = NDArray[np.str_]
HEALTHY: Final = STATES.index(State.HEALTHY)
FAULTY: Final = STATES.index(State.FAULTY)
BROKEN: Final = STATES.index(State.BROKEN)
UNKNOWN_MODE: Final = -1
# Health does not rise by itself. So much more at the next reading is a pump that was repaired: another life.
RENEWED_PERCENT: Final = 30.0


@dataclass(frozen=True)
class Truth:
    """What is known of n readings.

    state_index: (n,) into STATES. mode_index: (n,) into MODE_CLASSES, 0 nothing wears, -1 unknown. health_percent: (n,)
    0 to 100. rul_hours: (n,) event time to the failure, NaN where unknown; the same failure that is predicted.
    sensor_fault: (n,) "" or "channel:kind". disturbance: (n,) "" or its name. wearing: (n,) False in lives of pumps
    that do not wear.
    """

    state_index: IntArray
    mode_index: IntArray
    health_percent: FloatArray
    rul_hours: FloatArray
    sensor_fault: TextArray
    disturbance: TextArray
    wearing: BoolArray

    @classmethod
    def of(cls, state_index: IntArray, health_percent: FloatArray, **known: Any) -> Self:
        """Truth of which only some is known: no mode, no remaining life, no lying sensor, and every pump wears."""
        count = len(state_index)
        unknown: dict[str, Any] = {
            "mode_index": np.full(count, UNKNOWN_MODE),
            "rul_hours": np.full(count, np.nan),
            "sensor_fault": np.full(count, ""),
            "disturbance": np.full(count, ""),
            "wearing": np.ones(count, np.bool_),
        }
        return cls(state_index=state_index, health_percent=health_percent, **{**unknown, **known})


@dataclass(frozen=True)
class Told:
    """What a model told of n readings; NaN is not told.

    state_probabilities: (n, 4). mode_probabilities: (n, 9) as MODE_CLASSES. health_percent: (n,). rul_*: (n,) hours,
    the bounds of 90 % and the median. sensor_fault_probability: (n,). novelty: (n,), 1 is the limit. provisional: (n,).
    """

    state_probabilities: FloatArray
    mode_probabilities: FloatArray
    health_percent: FloatArray
    rul_lower: FloatArray
    rul_median: FloatArray
    rul_upper: FloatArray
    sensor_fault_probability: FloatArray
    novelty: FloatArray
    provisional: BoolArray

    @classmethod
    def of(cls, state_probabilities: FloatArray, **told: Any) -> Self:
        """What a model told that tells only some: the rest is NaN, and nothing is provisional."""
        count = len(state_probabilities)
        silent: dict[str, Any] = {
            field.name: np.full(count, np.nan) for field in fields(cls) if field.name != "state_probabilities"
        }
        silent["mode_probabilities"] = np.full((count, len(MODE_CLASSES)), np.nan)
        silent["provisional"] = np.zeros(count, np.bool_)
        return cls(state_probabilities=state_probabilities, **{**silent, **told})

    @classmethod
    def of_states(cls, state_index: IntArray) -> Self:
        """What a rule told that knows states only, without a doubt."""
        return cls.of(np.eye(len(STATES))[state_index])

    @cached_property
    def state_index(self) -> IntArray:
        """The most probable state, (n,) into STATES."""
        return np.asarray(np.argmax(self.state_probabilities, axis=1), np.int64)

    @cached_property
    def mode_index(self) -> IntArray:
        """The most probable mode, (n,) into MODE_CLASSES, -1 where none was told."""
        silent = np.isnan(self.mode_probabilities).any(axis=1)
        best = np.argmax(np.nan_to_num(self.mode_probabilities), axis=1)
        return np.where(silent, UNKNOWN_MODE, best).astype(np.int64)


@dataclass(frozen=True)
class Life:
    """Rows start to before stop, one pump from new or repaired on.

    failure: row of the reading at which the pump failed, None where there is none: where no life was left, else (where
    that is not known) of the first reading that was in truth BROKEN. length_hours: event time from
    the first reading to the failure; for a life that was cut off the remaining hours included where they are known;
    NaN where not known, infinite for a pump that does not wear.
    """

    name: str
    device_id: str
    speed: str
    wearing: bool
    start: int
    stop: int
    failure: int | None
    length_hours: float


@dataclass(frozen=True)
class Verdicts:
    """n readings of unseen pumps, in the order of device, then time, with the alarms (pump_state) as they were told.

    Make them by `verdicts_of`, which sorts. speed: of each device. Raises ValueError for lengths that differ, rows out
    of order, a device without a speed, or a true state that is none.
    """

    device_ids: TextArray
    time_ns: IntArray
    speed: Mapping[str, str]
    truth: Truth
    told: Told
    alarms: tuple[AlarmChange, ...]

    def __post_init__(self) -> None:
        wrong = [
            field.name
            for part in (self.truth, self.told)
            for field in fields(part)
            if len(getattr(part, field.name)) != len(self)
        ]
        if wrong or len(self.device_ids) != len(self):
            raise ValueError(f"{len(self)} times, but another number of {', '.join(wrong) or 'device ids'}")
        same = self.device_ids[1:] == self.device_ids[:-1]
        falls = (self.device_ids[1:] < self.device_ids[:-1]) | (same & (np.diff(self.time_ns) < 0))
        if falls.any():
            raise ValueError(f"row {int(np.argmax(falls)) + 1} is out of order: sort by device, then time")
        if len(self) and not 0 <= self.truth.state_index.min() <= self.truth.state_index.max() < len(STATES):
            raise ValueError("a true state is none of the four")
        if nameless := set(self.device_ids.tolist()) - set(self.speed):
            raise ValueError(f"no speed is known of {sorted(nameless)[0]}")

    def __len__(self) -> int:
        return len(self.time_ns)

    @cached_property
    def lives(self) -> list[Life]:
        """Every life, in the order of the rows."""
        return [
            self._life(start, stop) for start, stop in zip(self._starts, [*self._starts[1:], len(self)], strict=True)
        ]

    @cached_property
    def owner(self) -> IntArray:
        """Of each row, the index of its life."""
        return np.repeat(np.arange(len(self.lives)), [life.stop - life.start for life in self.lives])

    @cached_property
    def elapsed_hours(self) -> FloatArray:
        """Of each row, event time since its life's first reading."""
        starts = np.array([life.start for life in self.lives], np.int64)
        return np.asarray((self.time_ns - self.time_ns[starts][self.owner]) / NS_PER_HOUR, np.float64)

    @cached_property
    def pump_hours(self) -> float:
        """Event time of all lives together."""
        return float(sum(self.elapsed_hours[life.stop - 1] for life in self.lives))

    @cached_property
    def _starts(self) -> list[int]:
        new_device = self.device_ids[1:] != self.device_ids[:-1]
        renewed = np.diff(self.truth.health_percent) > RENEWED_PERCENT
        return [0, *(np.flatnonzero(new_device | renewed) + 1).tolist()] if len(self) else []

    def _life(self, start: int, stop: int) -> Life:
        device = str(self.device_ids[start])
        number = sum(str(self.device_ids[each]) == device for each in self._starts if each <= start)
        broken = np.flatnonzero(self.truth.state_index[start:stop] == BROKEN)
        ended = np.flatnonzero(self.truth.rul_hours[start:stop] == 0.0)
        failure = start + int((ended if len(ended) else broken)[0]) if len(ended) or len(broken) else None
        wearing = bool(self.truth.wearing[start:stop].any())
        return Life(
            name=device if number == 1 else f"{device} #{number}",
            device_id=device,
            speed=self.speed[device],
            wearing=wearing,
            start=start,
            stop=stop,
            failure=failure,
            length_hours=self._length_hours(start, stop, failure) if wearing else float("inf"),
        )

    def _length_hours(self, start: int, stop: int, failure: int | None) -> float:
        if failure is not None:
            return float(self.time_ns[failure] - self.time_ns[start]) / NS_PER_HOUR
        known = start + np.flatnonzero(np.isfinite(self.truth.rul_hours[start:stop]))
        if not len(known):
            return float("nan")
        return float(self.time_ns[known[0]] - self.time_ns[start]) / NS_PER_HOUR + float(self.truth.rul_hours[known[0]])


def verdicts_of(
    device_ids: TextArray,
    time_ns: IntArray,
    truth: Truth,
    told: Told,
    *,
    speed: Mapping[str, str],
    alarms: tuple[AlarmChange, ...] | None = None,
) -> Verdicts:
    """Sort readings in any order by device, then time. alarms: rows as given; left out, the told states are folded."""
    order = np.lexsort((time_ns, device_ids))
    place = np.argsort(order, kind="stable")
    told = _taken(told, order)
    moved = None if alarms is None else tuple(sorted(each._replace(row=int(place[each.row])) for each in alarms))
    if moved is None:
        moved = fold_alarms(device_ids[order], time_ns[order], told.state_index)
    return Verdicts(device_ids[order], time_ns[order], speed, _taken(truth, order), told, moved)


def fold_alarms(device_ids: TextArray, time_ns: IntArray, state_index: IntArray) -> tuple[AlarmChange, ...]:
    """The alarms that these told states raise and clear."""
    return tuple(alarms.fold(AlarmStates(), device_ids.tolist(), time_ns, state_index))


def retold(verdicts: Verdicts, told: Told) -> Verdicts:
    """The same pumps, told by another: its alarms follow from its states."""
    changes = fold_alarms(verdicts.device_ids, verdicts.time_ns, told.state_index)
    return replace(verdicts, told=told, alarms=changes)


def _taken(part: Any, order: IntArray) -> Any:
    return type(part)(**{field.name: getattr(part, field.name)[order] for field in fields(part)})
