"""Fewer rows of long lives, spread over the whole life, whatever the history's parts."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.measurements import DEVICE
from pdm_platform.core.sampling import drawn_evenly, thinned


def history(**rows: int) -> pa.Table:
    """Rows numbered within each device."""
    devices = np.repeat(list(rows), list(rows.values()))
    return pa.table({DEVICE: devices.tolist(), "row": np.concatenate([np.arange(n) for n in rows.values()])})


def rows_of(table: pa.Table, device: str) -> list[int]:
    return [row["row"] for row in table.to_pylist() if row[DEVICE] == device]


def test_short_lives_stay_whole_and_long_ones_are_cut_to_the_limit() -> None:
    found = thinned(history(a=3, b=1_000, c=10), rows_per_device=10, seed=1)

    assert rows_of(found, "a") == [0, 1, 2]
    assert len(rows_of(found, "b")) == 10
    assert rows_of(found, "c") == list(range(10))


def test_each_stretch_of_a_life_gives_one_row() -> None:
    kept = rows_of(thinned(history(a=10_000), rows_per_device=100, seed=1), "a")

    assert [row // 100 for row in kept] == list(range(100))


def test_what_repeats_every_few_readings_is_seen_in_all_its_phases() -> None:
    kept = np.array(rows_of(thinned(history(a=10_000), rows_per_device=500, seed=1), "a"))

    assert set((kept % 20).tolist()) == set(range(20))


def test_the_rows_do_not_depend_on_how_the_history_lies_in_parts() -> None:
    whole = history(a=500, b=700, c=30, d=900)
    parts = [whole.slice(0, 500), whole.slice(500, 730), whole.slice(1_230)]

    together = pa.concat_tables([thinned(part, rows_per_device=50, seed=3) for part in parts])

    assert together.equals(thinned(whole, rows_per_device=50, seed=3))


def test_another_seed_draws_other_rows_and_the_same_the_same() -> None:
    once, again, other = (thinned(history(a=5_000), rows_per_device=50, seed=seed) for seed in (1, 1, 2))

    assert once.equals(again)
    assert not once.equals(other)


@given(st.integers(0, 5_000), st.integers(1, 300), st.integers(0, 9))
def test_positions_ascend_are_distinct_and_never_more_than_allowed(rows: int, most: int, seed: int) -> None:
    kept = drawn_evenly(rows, most, seed=seed, key="a")

    assert len(kept) == min(rows, most)
    assert (np.diff(kept) > 0).all()
    assert not len(kept) or (kept[0] >= 0 and kept[-1] < rows)


def test_no_rows_stay_no_rows() -> None:
    empty = history(a=0)

    assert thinned(empty, rows_per_device=5, seed=1).equals(empty)


def test_nothing_of_each_device_is_refused() -> None:
    with pytest.raises(ValueError, match="rows_per_device is 0"):
        thinned(history(a=3), rows_per_device=0, seed=1)
