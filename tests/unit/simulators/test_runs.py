"""Runs of equal rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulators.runs import Runs


@given(rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), max_size=40))
def test_what_is_looked_up_once_a_run_is_what_is_looked_up_for_every_row(
    rows: list[tuple[int, int]],
) -> None:
    pump, duty = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    table = np.arange(12).reshape(2, 6)
    place = pump * 2 + duty

    runs = Runs.of(pump, duty)

    assert np.array_equal(runs.spread(table[:, place[runs.first]]), table[:, place])
    assert runs.length.sum() == len(rows)
    assert len(runs.first) == len(rows[:1]) + np.count_nonzero(np.diff(place))
