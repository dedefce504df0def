from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pdm_platform.core import conformal
from pdm_platform.core.conformal import LEVELS, Offsets

FloatArray = conformal.FloatArray
IntArray = conformal.IntArray


def lives(
    count: int, draw: np.random.Generator, *, rows: int = 25, skew: float = 0.0
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Predictions, truths and lives: errors share a part within a life, and grow with the level."""
    life = np.repeat(np.arange(count), rows)
    predicted = draw.uniform(0.0, 1.0, count * rows)
    shared = draw.normal(0.0, 1.0, count)[life]
    own = draw.normal(0.0, 1.0, len(life)) + skew * draw.exponential(1.0, len(life))
    return predicted, predicted + (0.02 + 0.2 * predicted) * (shared + own), life


def none_of(rows: NDArray[Any]) -> IntArray:
    return np.zeros(len(rows), np.int64)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-100.0, 100.0), min_size=1, max_size=30, unique=True),
    st.floats(0.01, 1.0),
)
def test_at_least_the_share_lies_at_or_below_a_quantile_and_no_smaller_value_will_do(
    values: list[float], share: float
) -> None:
    sample = np.array(values)
    quantile = conformal.weighted_quantile(sample, np.ones(len(sample)), share)
    assert (sample <= quantile).mean() >= share - 1e-6
    assert (sample < quantile).mean() < share


def test_with_one_row_a_life_a_bound_is_the_corrected_order_statistic() -> None:
    missed = np.random.default_rng(1).permutation(np.arange(1.0, 100.0))
    offsets = conformal.calibrated(np.zeros(99), missed, np.arange(99), none_of(missed), 1)
    # ceil((99 + 1) 0.95) = 95: the 95th smallest, and the 95th largest
    assert offsets.by_group[0, -1].tolist() == [5.0, 50.0, 95.0]


@pytest.mark.parametrize("skew", [0.0, 2.0])
@pytest.mark.parametrize("count", [30, 80])
def test_the_interval_covers_new_lives_as_often_as_it_says(count: int, skew: float) -> None:
    draw, covered = np.random.default_rng(7), []
    for _ in range(30):
        predicted, truth, life = lives(count, draw, skew=skew)
        offsets = conformal.calibrated(predicted, truth, life, none_of(life), 1)
        fresh, later, _ = lives(200, draw, skew=skew)
        lower, _, upper = offsets.interval(fresh, none_of(fresh))
        covered.append(np.mean((later >= lower) & (later <= upper)))
    # the correction for one more life makes it wider than it need be, the more so the fewer lives there are
    assert 0.89 <= np.mean(covered) <= (0.96 if count == 30 else 0.94)


def test_each_level_and_each_group_is_as_wide_as_it_errs() -> None:
    draw = np.random.default_rng(3)
    predicted, truth, life = lives(200, draw)
    group = (life % 2).astype(np.int64)
    truth = np.where(group == 1, predicted + 4.0 * (truth - predicted), truth)
    width = np.diff(conformal.calibrated(predicted, truth, life, group, 2).by_group[:, :, [0, 2]])[..., 0]
    assert (np.diff(width, axis=1) > 0.0).all()
    assert (width[1] > 2.5 * width[0]).all()


def test_a_group_without_a_life_borrows_from_all() -> None:
    predicted, truth, life = lives(20, np.random.default_rng(4))
    offsets = conformal.calibrated(predicted, truth, life, none_of(life), 2)
    alone = conformal.calibrated(predicted, truth, life, none_of(life), 1)
    assert offsets.by_group[1] == pytest.approx(alone.by_group[0])


def test_a_life_of_many_rows_counts_no_more_than_one_of_few() -> None:
    life = np.repeat([0, 1], [1_000, 1])
    assert conformal.life_weights(life)[life == 0].sum() == pytest.approx(1.0)
    assert conformal.life_weights(life)[life == 1].sum() == pytest.approx(1.0)


def test_the_check_on_held_out_lives_finds_the_coverage_of_new_lives() -> None:
    predicted, truth, life = lives(100, np.random.default_rng(5))
    honesty = conformal.cross_checked(predicted, truth, life, none_of(life), 1, seed=1)
    assert 0.86 <= honesty.coverage <= 0.95
    assert honesty.mean_width > 0.0
    assert honesty == conformal.cross_checked(predicted, truth, life, none_of(life), 1, seed=1)


def test_nothing_cannot_be_calibrated_and_one_life_not_be_checked() -> None:
    nothing = np.empty(0)
    with pytest.raises(ValueError, match="without a life"):
        conformal.calibrated(nothing, nothing, nothing, none_of(nothing), 1)
    with pytest.raises(ValueError, match="1 life"):
        conformal.cross_checked(np.ones(3), np.ones(3), np.zeros(3), none_of(np.ones(3)), 1, seed=0)


def test_a_prediction_on_an_edge_belongs_to_the_level_above() -> None:
    by_group = np.arange(LEVELS * 3, dtype=np.float64).reshape(1, LEVELS, 3)
    offsets = Offsets(np.array([1.0, 2.0, 3.0, 4.0]), by_group)
    lower, middle, upper = offsets.interval(np.array([1.0]), np.array([0]))
    assert (lower[0], middle[0], upper[0]) == (4.0, 5.0, 6.0)
