"""Work in processes beside this one."""

import numpy as np
import pytest

from simulators.workers import in_order


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items_and_stay_as_they_are(workers: int) -> None:
    results = list(in_order(np.arange, range(1, 40), workers))

    assert [result.tolist() for result in results] == [list(range(count)) for count in range(1, 40)]


def test_arrays_are_the_receivers_own() -> None:
    (result,) = in_order(np.arange, [5], 2)

    result += 1

    assert result.tolist() == [1, 2, 3, 4, 5]


def test_text_comes_as_bytes() -> None:
    assert list(in_order(str.encode, ["a", "", "häufig"], 2)) == [b"a", b"", "häufig".encode()]


def test_a_result_that_does_not_fit_its_place_comes_all_the_same() -> None:
    count = 2**21

    (result,) = in_order(np.arange, [count], 2)

    assert np.array_equal(result, np.arange(count))


def test_what_goes_wrong_in_a_worker_is_raised_here() -> None:
    results = in_order(int, ["1", "2", "x", "4"], 2)

    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ValueError, match="'x'"):
        next(results)


def test_items_are_taken_only_as_results_are_fetched() -> None:
    taken = iter(range(1, 1_000))
    results = in_order(np.arange, taken, 2)

    assert len(next(results)) == 1
    del results

    # two for each worker, and the one that there was room for
    assert next(taken) == 6
