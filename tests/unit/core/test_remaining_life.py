from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.core import remaining_life, trees
from pdm_platform.core.remaining_life import Candidate, LifeRows, phm08

FloatArray = remaining_life.FloatArray


def silent(_text: str) -> None:
    pass


def fleet(lives: int = 30, *, seed: int = 1, rows: int = 40) -> LifeRows:
    """Lives of 40 readings with a feature that tells what is left, below 20, through noise."""
    draw = np.random.default_rng(seed)
    left = np.tile(np.arange(rows)[::-1].astype(np.float64), lives)
    life = np.repeat(np.arange(lives), rows)
    told = np.minimum(left, 20.0) + draw.normal(0.0, 2.0, len(left)) + draw.normal(0.0, 1.0, lives)[life]
    features = np.column_stack([told, draw.normal(0.0, 1.0, len(left))]).astype(np.float32)
    return LifeRows(features, left, life, np.ones(len(left), np.bool_), left <= 20.0)


def boosted() -> Any:
    return trees.regressor(trees.TreeSettings(max_iter=20), 0)


class Telling:
    """Says what it learned: the mean target, always."""

    def fit(self, _features: Any, target: FloatArray, sample_weight: FloatArray | None = None) -> Self:
        self.mean = float(np.average(target, weights=sample_weight))
        return self

    def predict(self, features: Any) -> FloatArray:
        return np.full(len(features), self.mean)


def seconds(step: float) -> Callable[[], float]:
    ticks: Iterator[float] = iter(np.arange(1_000) * step)
    return lambda: next(ticks)


@given(st.floats(0.001, 1e5), st.floats(0.0, 1.0))
def test_remaining_hours_undo_the_consumed_share(age_hours: float, lives_left: float) -> None:
    age, left = np.array([age_hours]), np.array([lives_left * age_hours])
    share = remaining_life.consumed_share(age, left)
    assert remaining_life.remaining_hours(age, share) == pytest.approx(left, rel=1e-6, abs=1e-9 * age_hours)


def test_a_share_that_nobody_can_tell_promises_no_more_than_a_hundred_lives() -> None:
    assert remaining_life.remaining_hours(np.ones(2), np.array([0.0, -1.0])) == pytest.approx([99.0, 99.0])
    assert remaining_life.remaining_hours(np.ones(2), np.array([1.0, 1.5])).tolist() == [0.0, 0.0]


def test_the_score_of_2008_punishes_a_late_prediction_more() -> None:
    assert phm08(np.array([-13.0, 0.0, 10.0])) == pytest.approx([np.e - 1.0, 0.0, np.e - 1.0])
    assert np.isfinite(phm08(np.array([-1e9, 1e9]))).all()


def test_every_prediction_out_of_fold_comes_from_other_lives() -> None:
    rows = fleet(lives=4)
    own = replace(rows, target=rows.life.astype(np.float64), judge=rows.learn)
    trial = remaining_life.tried(Candidate("mean", Telling), own, seed=0, progress=silent, folds=4)
    for life in range(4):
        others = [other for other in range(4) if other != life]
        assert trial.predicted[own.life == life] == pytest.approx(np.mean(others))


def test_a_capped_target_is_learned_and_judged_against_the_truth() -> None:
    rows = fleet()
    estimator = Candidate("mean", Telling, cap=5.0).fitted(rows)
    assert estimator.mean == pytest.approx(np.minimum(rows.target, 5.0).mean())
    trial = remaining_life.tried(Candidate("mean", Telling, cap=5.0), rows, seed=0, progress=silent)
    assert trial.rmse == pytest.approx(np.sqrt(((trial.predicted - rows.target)[rows.judge] ** 2).mean()), rel=1e-6)


def test_lives_weigh_alike_in_fitting_where_asked() -> None:
    life = np.repeat([0, 1], [90, 10])
    rows = LifeRows(np.zeros((100, 1), np.float32), life.astype(np.float64), life, life >= 0, life >= 0)
    assert Candidate("mean", Telling).fitted(rows).mean == pytest.approx(0.1)
    assert Candidate("mean", Telling).fitted(replace(rows, weigh=True)).mean == pytest.approx(0.5)


def test_rows_that_are_not_learned_from_leave_no_trace() -> None:
    rows = fleet(lives=3)
    some = replace(rows, learn=rows.target == 7.0)
    assert Candidate("mean", Telling).fitted(some).mean == pytest.approx(7.0)


def test_the_candidate_with_the_smallest_error_is_chosen() -> None:
    rows = fleet()
    candidates = [
        Candidate("mean", Telling),
        Candidate("trees, cap 22", boosted, 22.0),
        Candidate("trees, cap 2", boosted, 2.0),
    ]
    told: list[str] = []
    selection = remaining_life.select(candidates, rows, seed=0, progress=told.append)
    assert selection.chosen.name == "trees, cap 22"
    assert selection.trial.rmse == min(trial.rmse for trial in selection.trials)
    assert [trial.name for trial in selection.trials] == [one.name for one in candidates]
    assert len(told) == 3
    assert "candidate 2 of 3, trees, cap 22" in told[1]


def test_selection_ends_when_its_time_is_spent_but_tries_one() -> None:
    candidates = [Candidate(str(number), Telling) for number in range(3)]
    told: list[str] = []
    selection = remaining_life.select(
        candidates, fleet(lives=3), seed=0, progress=told.append, budget_s=5.0, clock=seconds(10.0)
    )
    assert [trial.name for trial in selection.trials] == ["0"]
    assert "2 candidates not tried" in told[-1]


def test_selection_tries_at_most_so_many() -> None:
    candidates = [Candidate(str(number), Telling) for number in range(3)]
    assert len(remaining_life.select(candidates, fleet(lives=3), seed=0, progress=silent, most=2).trials) == 2


def test_nothing_to_choose_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="no candidate"):
        remaining_life.select([], fleet(), seed=0, progress=silent)


def test_a_life_model_covers_lives_it_never_saw() -> None:
    rows, unseen = fleet(lives=60), fleet(lives=60, seed=2)
    group = np.zeros(len(rows.target), np.int64)
    model = remaining_life.fit_life(boosted, rows.features, rows.target, rows.life, group, 1, seed=0, progress=silent)
    lower, middle, upper = model.predict(unseen.features, group)
    assert 0.86 <= np.mean((unseen.target >= lower) & (unseen.target <= upper)) <= 0.96
    assert np.all((lower <= middle) & (middle <= upper))


def test_the_same_rows_give_the_same_model() -> None:
    rows = fleet()
    group = np.zeros(len(rows.target), np.int64)
    first, second = (
        remaining_life.fit_life(boosted, rows.features, rows.target, rows.life, group, 1, seed=3, progress=silent)
        for _ in range(2)
    )
    assert np.array_equal(first.predict(rows.features, group), second.predict(rows.features, group))


def test_one_life_cannot_be_calibrated() -> None:
    rows = fleet(lives=1)
    group = np.zeros(len(rows.target), np.int64)
    with pytest.raises(ValueError, match="1 life"):
        remaining_life.fit_life(boosted, rows.features, rows.target, rows.life, group, 1, seed=0, progress=silent)
