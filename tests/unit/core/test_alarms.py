"""Raising, worsening and clearing of a pump's alarms: of its state, of its sensors, of what is new."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdm_platform.core.alarms import (
    CLEAR_AFTER_READINGS,
    CONDITION,
    CONDITIONS,
    NOVELTY,
    RAISE_AFTER_READINGS,
    SENSOR_FAULT,
    AlarmChange,
    AlarmStates,
    fold,
)

HEALTHY, WARNING, FAULTY, BROKEN = range(4)
LONGEST_CONFIRMATION = 60


def fold_one(levels: list[int], time_ns: list[int] | None = None) -> list[AlarmChange]:
    times = np.array(range(len(levels)) if time_ns is None else time_ns, dtype=np.int64)
    return fold(AlarmStates(), ["p"] * len(levels), times, np.array(levels, dtype=np.int64))


def flagged(*, sensor_fault: list[int] | None = None, novel: list[int] | None = None) -> list[AlarmChange]:
    """What a healthy pump whose flags are these raises."""
    count = len(sensor_fault or novel or [])
    flags = {
        name: np.array(flag, np.bool_)
        for name, flag in (("sensor_fault", sensor_fault), ("novel", novel))
        if flag is not None
    }
    return fold(AlarmStates(), ["p"] * count, np.arange(count), np.zeros(count, np.int64), **flags)


# -- the state of the pump


def test_three_consecutive_warnings_raise_an_alarm_and_two_do_not() -> None:
    assert fold_one([WARNING, WARNING, HEALTHY, WARNING, WARNING]) == []
    assert fold_one([HEALTHY, WARNING, WARNING, WARNING, WARNING]) == [AlarmChange(3, True, 300)]


def test_severity_rises_with_the_state() -> None:
    changes = fold_one([WARNING] * 3 + [FAULTY] * 3 + [BROKEN] * 3)

    assert changes == [AlarmChange(2, True, 300), AlarmChange(5, True, 700), AlarmChange(8, True, 900)]


def test_worse_readings_count_for_the_milder_level_too() -> None:
    assert fold_one([BROKEN, WARNING, FAULTY]) == [AlarmChange(2, True, 300)]


def test_a_pump_that_breaks_at_once_has_one_alarm_of_the_highest_severity() -> None:
    assert fold_one([BROKEN] * 5) == [AlarmChange(2, True, 900)]


def test_ten_consecutive_healthy_readings_clear_it_with_the_severity_it_had() -> None:
    assert fold_one([FAULTY] * 3 + [HEALTHY] * 9 + [WARNING] + [HEALTHY] * 9) == [AlarmChange(2, True, 700)]
    assert fold_one([FAULTY] * 3 + [HEALTHY] * 11) == [AlarmChange(2, True, 700), AlarmChange(12, False, 700)]


def test_a_milder_state_does_not_lower_the_severity() -> None:
    assert fold_one([FAULTY] * 3 + [WARNING] * 20) == [AlarmChange(2, True, 700)]


def test_after_it_was_cleared_it_can_be_raised_again() -> None:
    changes = fold_one([WARNING] * 3 + [HEALTHY] * 10 + [WARNING] * 3)

    assert [change.active for change in changes] == [True, False, True]


# -- the longer a pump was watched


@pytest.mark.parametrize("watched", [0, 100, 500, 1_000, 2_900, 5_000, 20_000])
@pytest.mark.parametrize(("state", "severity", "part"), [(WARNING, 300, 50), (FAULTY, 700, 200), (BROKEN, 900, 200)])
def test_a_pump_watched_longer_needs_a_part_as_many_readings_up_to_sixty(
    state: int, severity: int, part: int, watched: int
) -> None:
    changes = fold_one([HEALTHY] * watched + [state] * 100)

    needed = next(change.row for change in changes if change.severity == severity) - watched + 1
    expected = next(
        count
        for count in range(RAISE_AFTER_READINGS, 100)
        if count >= min((watched + count) // part, LONGEST_CONFIRMATION)
    )
    assert needed == expected
    assert RAISE_AFTER_READINGS <= needed <= LONGEST_CONFIRMATION


def test_a_passing_disturbance_of_a_pump_watched_long_is_no_alarm() -> None:
    assert fold_one([HEALTHY] * 2_000 + [WARNING] * 35 + [HEALTHY] * 100) == []
    assert fold_one([HEALTHY] * 2_000 + [FAULTY] * 9 + [HEALTHY] * 100) == []


def test_what_took_long_to_raise_takes_as_long_to_clear() -> None:
    changes = fold_one([HEALTHY] * 5_000 + [WARNING] * 60 + [HEALTHY] * 60)

    assert [(change.row, change.active) for change in changes] == [(5_059, True), (5_119, False)]


def test_a_pump_that_lives_anew_is_confirmed_as_fast_as_a_new_one() -> None:
    levels = np.array([HEALTHY] * 5_000 + [WARNING] * 60 + [HEALTHY] * 20 + [WARNING] * 3, np.int64)
    anew = np.arange(len(levels)) == 5_060

    changes = fold(AlarmStates(), ["p"] * len(levels), np.arange(len(levels)), levels, anew=anew)

    assert [(change.row, change.active) for change in changes] == [(5_059, True), (5_069, False), (5_082, True)]


def test_flags_need_three_readings_however_long_a_pump_was_watched() -> None:
    watched = [0] * 5_000

    changes = flagged(sensor_fault=watched + [1] * 3 + [0] * CLEAR_AFTER_READINGS)

    assert [(change.row, change.active) for change in changes] == [(5_002, True), (5_012, False)]


# -- sensors, and what is new


@pytest.mark.parametrize(("condition", "severity"), [(SENSOR_FAULT, 200), (NOVELTY, 250)])
def test_a_flag_is_raised_and_cleared_as_a_condition_of_its_own(condition: str, severity: int) -> None:
    flag = [0, 1, 1, 0, 1, 1, 1, 1] + [0] * 10

    changes = flagged(**{"sensor_fault" if condition == SENSOR_FAULT else "novel": flag})

    assert changes == [AlarmChange(6, True, severity, condition), AlarmChange(17, False, severity, condition)]


def test_conditions_do_not_disturb_each_other() -> None:
    levels = np.array([FAULTY] * 3 + [HEALTHY] * 12, np.int64)
    lies, novel = np.zeros(15, np.bool_), np.ones(15, np.bool_)
    lies[5:9] = True

    changes = fold(AlarmStates(), ["p"] * 15, np.arange(15), levels, sensor_fault=lies, novel=novel)

    assert [(change.row, change.condition, change.active) for change in changes] == [
        (2, NOVELTY, True),
        (2, CONDITION, True),
        (7, SENSOR_FAULT, True),
        (12, CONDITION, False),
    ]


# -- order, lateness, batches


def test_late_and_redelivered_readings_do_not_count() -> None:
    assert fold_one([WARNING, WARNING, WARNING, WARNING], [5, 5, 4, 6]) == []


def test_changes_come_in_the_order_of_the_batch_and_name_their_rows() -> None:
    devices = ["a", "b"] * 3
    levels = np.array([WARNING, BROKEN] * 3, dtype=np.int64)

    changes = fold(AlarmStates(), devices, np.arange(6), levels)

    assert changes == [AlarmChange(4, True, 300), AlarmChange(5, True, 900)]


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="1 states, but 2 times"):
        fold(AlarmStates(), ["a", "b"], np.arange(2), np.zeros(1, np.int64))


@settings(deadline=None)
@given(
    readings=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(-1, 3), st.booleans(), st.booleans()),
        max_size=80,
    ),
    cuts=st.lists(st.integers(0, 80), max_size=6),
)
def test_batching_never_shows(readings: list[tuple[str, int, int, bool, bool]], cuts: list[int]) -> None:
    devices = [reading[0] for reading in readings]
    levels = np.array([reading[1] for reading in readings], dtype=np.int64)
    time_ns = np.cumsum([reading[2] for reading in readings]).astype(np.int64)
    lies, novel = (np.array([reading[place] for reading in readings], np.bool_) for place in (3, 4))
    whole = fold(AlarmStates(), devices, time_ns, levels, sensor_fault=lies, novel=novel)

    states, parts, bounds = AlarmStates(), [], sorted(min(cut, len(readings)) for cut in cuts)
    for start, stop in zip([0, *bounds], [*bounds, len(readings)], strict=True):
        now = slice(start, stop)
        found = fold(states, devices[now], time_ns[now], levels[now], sensor_fault=lies[now], novel=novel[now])
        parts += [change._replace(row=change.row + start) for change in found]
        states = AlarmStates.from_arrays(states.to_arrays())

    assert sorted(parts) == whole
    assert {change.condition for change in whole} <= set(CONDITIONS)
