"""Raising, worsening and clearing of a pump's alarm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.core.alarms import AlarmChange, AlarmStates, fold

HEALTHY, WARNING, FAULTY, BROKEN = range(4)


def fold_one(levels: list[int], time_ns: list[int] | None = None) -> list[AlarmChange]:
    times = np.array(range(len(levels)) if time_ns is None else time_ns, dtype=np.int64)
    return fold(AlarmStates(), ["p"] * len(levels), times, np.array(levels, dtype=np.int64))


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


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(-1, 3)), max_size=80),
    st.lists(st.integers(0, 80), max_size=6),
)
def test_batching_never_shows(readings: list[tuple[str, int, int]], cuts: list[int]) -> None:
    devices = [device for device, _, _ in readings]
    levels = np.array([level for _, level, _ in readings], dtype=np.int64)
    time_ns = np.cumsum([step for _, _, step in readings]).astype(np.int64)
    whole = fold(AlarmStates(), devices, time_ns, levels)

    states, parts, bounds = AlarmStates(), [], sorted(min(cut, len(readings)) for cut in cuts)
    for start, stop in zip([0, *bounds], [*bounds, len(readings)], strict=True):
        found = fold(states, devices[start:stop], time_ns[start:stop], levels[start:stop])
        parts += [change._replace(row=change.row + start) for change in found]
        states = AlarmStates.from_arrays(states.to_arrays())

    assert parts == whole
