import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.states import STATES, State, state_index, state_of


@pytest.mark.parametrize(
    ("health_percent", "state"),
    [
        (100.0, State.HEALTHY),
        (75.000001, State.HEALTHY),
        (75.0, State.WARNING),
        (35.000001, State.WARNING),
        (35.0, State.FAULTY),
        (10.000001, State.FAULTY),
        (10.0, State.BROKEN),
        (0.0, State.BROKEN),
    ],
)
def test_a_bound_belongs_to_the_worse_state(health_percent: float, state: State) -> None:
    assert state_of(health_percent) is state


@given(st.lists(st.floats(0, 100), min_size=1))
def test_a_state_never_gets_better_as_health_falls(health: list[float]) -> None:
    falling = np.sort(np.array(health))[::-1]

    assert np.all(np.diff(state_index(falling)) >= 0)


@given(st.lists(st.floats(0, 100), max_size=20))
def test_many_values_have_the_states_of_each_alone(health: list[float]) -> None:
    indices = state_index(np.array(health, dtype=np.float64))

    assert [STATES[int(index)] for index in indices] == [state_of(value) for value in health]


def test_nan_has_no_state() -> None:
    with pytest.raises(ValueError, match="NaN"):
        state_index(np.array([50.0, np.nan]))


def test_states_are_in_the_order_of_wear() -> None:
    assert [state.value for state in STATES] == ["HEALTHY", "WARNING", "FAULTY", "BROKEN"]
