"""F1 and the vibration limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from pdm_platform.core.scores import confusion, f1_per_state, fitted_limits, limit_states, macro_f1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_macro_f1_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    true, told = np.array(pairs).T

    assert macro_f1(confusion(true, told)) == pytest.approx(f1_score(true, told, average="macro", zero_division=0))


def test_no_reading_has_no_score() -> None:
    nothing = np.array([], dtype=np.int64)

    assert np.isnan(macro_f1(confusion(nothing, nothing)))
    assert np.isnan(f1_per_state(confusion(nothing, nothing))).all()


def test_rows_of_the_confusion_are_true_states_and_columns_predicted_ones() -> None:
    counts = confusion(np.array([0, 0, 3]), np.array([1, 1, 2]))

    assert counts[0, 1] == 2
    assert counts[3, 2] == 1
    assert counts.sum() == 3


def test_zones_of_iso_10816_7_are_states_and_a_bound_belongs_to_the_better() -> None:
    vibration = np.array([0.0, 3.2, 3.21, 5.1, 5.11, 8.5, 8.51, 100.0, np.nan])

    assert limit_states(vibration).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 0]


def test_fitted_limits_lie_between_the_states_and_never_descend() -> None:
    vibration = np.array([1.0, 1.0, 3.0, np.nan, 2.0, 9.0])
    states = np.array([0, 0, 1, 1, 2, 3])

    assert fitted_limits(vibration, states) == (2.0, 2.5, 5.5)
    assert fitted_limits(np.array([4.0, 3.0, 2.0, 1.0]), np.arange(4)) == (3.5, 3.5, 3.5)
