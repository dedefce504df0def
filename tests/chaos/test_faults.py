"""The schedule of a run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.faults import BROKER_KILLS, EVERYWHERE, What, schedule
from tests.chaos.strikes import ACTIONS, TAKEN_OF


def test_the_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    first, again, other = (schedule(seed, readings=10_000, faults=9, kinds=EVERYWHERE) for seed in (7, 7, 8))

    assert first == again
    assert first != other


@given(seed=st.integers(0, 2**32), faults=st.integers(0, 40), readings=st.integers(1_000, 10**6))
def test_faults_come_in_order_each_within_its_part_of_the_run(seed: int, faults: int, readings: int) -> None:
    moments = [fault.after for fault in schedule(seed, readings=readings, faults=faults, kinds=EVERYWHERE)]

    assert len(moments) == faults
    assert [moment * faults // readings for moment in moments] == list(range(faults))


@given(seed=st.integers(0, 2**32))
def test_no_kind_comes_a_second_time_before_all_came_once(seed: int) -> None:
    kinds = [fault.what for fault in schedule(seed, readings=10**6, faults=3 * len(EVERYWHERE), kinds=EVERYWHERE)]

    for first in range(0, len(kinds), len(EVERYWHERE)):
        assert set(kinds[first : first + len(EVERYWHERE)]) == set(EVERYWHERE)


@pytest.mark.parametrize("longest_s", [1.0, 3.0])
def test_no_fault_lasts_much_longer_than_asked_for(longest_s: float) -> None:
    faults = schedule(1, readings=10**6, faults=100, kinds=EVERYWHERE, longest_s=longest_s)

    assert max(fault.for_s for fault in faults) <= 1.2 * longest_s


def test_every_kind_of_fault_can_be_made_to_happen() -> None:
    assert set(TAKEN_OF) == set(What)
    assert set(ACTIONS) == set(What) - set(BROKER_KILLS)
