"""Holes in a device's sequence numbers."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors_bridge.gaps import Gaps


def follow(gaps: Gaps, *numbers: int, device_id: str = "pump-001", redelivered: bool = False) -> list[bool]:
    return [gaps.follow("pump_telemetry", device_id, number, redelivered=redelivered) for number in numbers]


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
    assert follow(Gaps(), 1, 2, 5, 2, 4, 4, 6) == [False, False, False, True, False, True, False]


def test_after_a_thousand_holes_new_ones_are_remembered_and_the_oldest_are_given_up() -> None:
    gaps = Gaps()
    follow(gaps, 0, 1_001, 1_004)  # 1 to 1,000 are missing, then 1,002 and 1,003

    assert follow(gaps, 1_003, 1_002, 3, 2) == [False, False, False, True]
    assert gaps.missing["pump-001"] == 1_002 - 3


@given(st.sets(st.integers(1, 200)), st.integers(0, 2**32))
def test_in_any_order_what_never_arrives_is_what_is_missing(lost: set[int], seed: int) -> None:
    arrived = [number for number in range(1, 201) if number not in lost]
    Random(seed).shuffle(arrived)
    gaps = Gaps()
    follow(gaps, 1_000_000, 0)  # 0: the device has just begun to count

    follow(gaps, *arrived, 201)

    assert gaps.missing.get("pump-001", 0) == len(lost)
