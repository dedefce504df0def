"""Holes in a device's sequence numbers."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors_bridge.gaps import Gaps


def follow(gaps: Gaps, *numbers: int, device_id: str = "pump-001", redelivered: bool = False) -> list[bool]:
    return [gaps.follow("pump_telemetry", device_id, number, redelivered=redelivered) for number in numbers]


def begun(first: int, *, stored_to: int = -1) -> Gaps:
    """Of a process that has seen one number of the device, and has asked the store how far an earlier one came."""
    gaps = Gaps()
    follow(gaps, first)
    gaps.learn("pump_telemetry", "pump-001", stored_to)
    return gaps


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([5, 6, 7], 0),
        ([5, 8], 2),
        ([5, 8, 6], 1),
        ([5, 8, 7, 6], 0),
        ([5, 6, 5, 6, 7], 0),
        ([40, 41, 0, 1, 2], 0),
        ([40, 41, 0, 3], 2),
        ([90_000, 7, 8], 0),
        ([0, 2**62], 2**62 - 1),
    ],
)
def test_missing_numbers_are_counted_until_they_arrive(numbers: list[int], missing: int) -> None:
    gaps = Gaps()

    follow(gaps, *numbers)

    assert gaps.missing.get("pump-001", 0) == missing


def test_devices_are_followed_apart_and_over_batches() -> None:
    gaps = Gaps()
    follow(gaps, 1, 2)
    follow(gaps, 1, 2, device_id="pump-002")

    follow(gaps, 5)
    follow(gaps, 3, device_id="pump-002")

    assert gaps.changes() == {"pump-001": 2}
    assert gaps.changes() == {}
    assert gaps.missing == {"pump-001": 2}


def test_a_redelivered_first_reading_is_no_restart() -> None:
    gaps = Gaps()
    follow(gaps, 0, 1, 2)
    follow(gaps, 0, redelivered=True)

    follow(gaps, 3)

    assert gaps.missing == {}


def test_a_number_that_was_counted_may_have_come_before_and_a_late_one_has_not() -> None:
    assert follow(begun(1), 2, 5, 2, 4, 4, 6) == [False, False, True, False, True, False]


def test_what_an_earlier_process_may_have_stored_may_have_come_before() -> None:
    gaps = Gaps()

    before_the_store_was_asked = follow(gaps, 7, 9)
    gaps.learn("pump_telemetry", "pump-001", 10)

    assert before_the_store_was_asked == [True, True]
    assert follow(gaps, 8, 10, 12, 11) == [True, True, False, False]


def test_a_device_that_counts_anew_far_below_what_is_stored_sends_new_readings() -> None:
    assert follow(begun(1, stored_to=5_000), 2, 3) == [False, False]


def test_a_device_s_first_readings_sent_again_are_no_new_ones() -> None:
    assert follow(begun(0), 1, 2, 0, 1, 2, 3) == [False, False, True, True, True, False]


@pytest.mark.parametrize("stored_to", [-1, 30, 5_000])
def test_a_device_s_first_readings_sent_again_are_no_new_ones_also_where_the_store_is_asked_in_their_midst(
    stored_to: int,
) -> None:
    gaps = Gaps()
    follow(gaps, *range(51), *range(21), *range(11))
    gaps.learn("pump_telemetry", "pump-001", stored_to)

    assert follow(gaps, *range(11, 53)) == [True] * 40 + [False] * 2


def test_of_many_holes_the_newest_hundred_are_remembered_and_the_oldest_are_given_up() -> None:
    gaps = begun(0)
    follow(gaps, *range(2, 204, 2))  # 1, 3, 5 to 201 are missing: 101 holes

    assert follow(gaps, 201, 3, 1) == [False, False, True]
    assert gaps.missing["pump-001"] == 101 - 2


def test_of_a_hole_that_late_readings_split_again_and_again_the_newest_parts_are_remembered() -> None:
    gaps = begun(0)
    follow(gaps, 2**62, *range(2, 204, 2))  # 1, 3, 5 to 201 and all above are missing: 102 holes

    assert follow(gaps, 201, 5, 3) == [False, False, True]


def test_a_hole_of_any_width_is_one_hole() -> None:
    gaps = begun(0)
    follow(gaps, 10_000)

    assert follow(gaps, 1, 9_999, 5_000, 5_000) == [False, False, False, True]
    assert gaps.missing["pump-001"] == 9_999 - 3


def test_a_late_reading_in_the_middle_leaves_a_hole_on_either_side() -> None:
    gaps = begun(0)
    follow(gaps, 6, 3)

    assert follow(gaps, 2, 4, 1, 5, 3) == [False, False, False, False, True]
    assert gaps.missing["pump-001"] == 0


def test_a_reading_from_the_past_does_not_begin_to_count_anew() -> None:
    gaps = begun(5_000)
    gaps.follow("pump_telemetry", "pump-001", 5_001, redelivered=False, time_ns=200)

    gaps.follow("pump_telemetry", "pump-001", 17, redelivered=False, time_ns=100)
    gaps.follow("pump_telemetry", "pump-001", 5_002, redelivered=False, time_ns=300)

    assert gaps.missing == {}


@given(st.sets(st.integers(1, 99)), st.integers(0, 2**32))
def test_in_any_order_what_never_arrives_is_what_is_missing(lost: set[int], seed: int) -> None:
    arrived = [number for number in range(1, 201) if number not in lost]
    Random(seed).shuffle(arrived)
    gaps = Gaps()
    follow(gaps, 1_000_000, 0)  # 0: the device has just begun to count

    follow(gaps, *arrived, 201)

    assert gaps.missing.get("pump-001", 0) == len(lost)
