"""F1, confusion, changes of mind and probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, f1_score, precision_score, recall_score

from pdm_platform.core.judgement.calibration import calibrate, reliability
from pdm_platform.core.judgement.classes import STATE_NAMES, count_flips, score, score_modes, score_states
from pdm_platform.core.judgement.weights import life_weights, per_life_mean, runs, wilson
from tests.unit.core.judgement.builders import FAULTY, HEALTHY, WARNING, changed, life, together, told_as


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=60))
def test_figures_are_those_of_scikit_learn_with_each_life_weighing_the_same(rows: list[tuple[int, int, int]]) -> None:
    true, told, owner = np.array(sorted(rows, key=lambda row: row[2])).T
    owner = np.unique(owner, return_inverse=True)[1]
    weight, every = life_weights(owner), np.ones(len(rows), np.bool_)

    found = score(true, told, owner, every, STATE_NAMES)

    labels = sorted(set(true.tolist()) | set(told.tolist()))
    options = {"average": "macro", "labels": labels, "zero_division": 0.0}
    assert found.macro_f1 == pytest.approx(f1_score(true, told, sample_weight=weight, **options))
    assert found.macro_f1_readings == pytest.approx(f1_score(true, told, **options))
    assert np.nansum(found.precision) == pytest.approx(
        precision_score(true, told, sample_weight=weight, average=None, labels=range(4), zero_division=0.0).sum()
    )
    assert np.nansum(found.recall) == pytest.approx(
        recall_score(true, told, sample_weight=weight, average=None, labels=range(4), zero_division=0.0).sum()
    )
    assert np.sum(found.confusion) == len(rows)


def test_a_long_life_counts_no_more_than_a_short_one() -> None:
    wrong_and_long = told_as(life("a", readings=1_000), np.zeros(1_000))
    right = together(wrong_and_long, life("b", readings=50))

    found = score_states(right)

    assert found.recall[FAULTY] == pytest.approx(0.5, abs=0.02)
    assert found.macro_f1 > found.macro_f1_readings
    assert found.macro_f1_low < found.macro_f1 < found.macro_f1_high
    assert found.lives == [2, 2, 2, 2]


def test_one_life_leaves_no_doubt_to_tell() -> None:
    assert np.isnan(score_states(life()).macro_f1_low)


def test_the_mode_of_a_pump_as_good_as_new_is_not_asked_for() -> None:
    lives = together(life("a", mode=2), life("b", wearing=False))
    modes = lives.told.mode_probabilities.copy()
    modes[(lives.truth.state_index == HEALTHY) & lives.truth.wearing] = np.eye(9)[5]

    found = score_modes(changed(lives, told={"mode_probabilities": modes}))

    assert found.macro_f1 == 1.0
    assert found.lives[:3] == [1, 0, 1]


def test_modes_that_are_not_told_or_not_known_have_no_score() -> None:
    silent = changed(life(), told={"mode_probabilities": np.full((100, 9), np.nan)})
    unknown = changed(life(), truth={"mode_index": np.full(100, -1)})

    assert np.isnan(score_modes(silent).macro_f1)
    assert np.isnan(score_modes(unknown).macro_f1)


def test_flips_are_counted_within_lives_and_told_by_day() -> None:
    wavering = [HEALTHY, WARNING] * 24 + [WARNING]
    lives = together(told_as(life("a", readings=49), wavering), life("b", readings=49))

    found = count_flips(lives)

    assert (found.flips, found.true_changes) == (47 + 3, 6)
    assert found.per_pump_day == pytest.approx(50 / 4)
    assert found.per_1000_readings == pytest.approx(1_000 * 50 / 98)


def test_probabilities_that_are_right_as_often_as_they_say_have_no_error() -> None:
    draw = np.random.default_rng(1)
    probability = draw.uniform(size=200_000)

    honest = reliability(probability, draw.uniform(size=200_000) < probability, np.ones(200_000))
    boasting = reliability(np.full(100, 0.95), np.arange(100) < 60, np.ones(100))

    assert honest.ece < 0.01
    assert boasting.ece == pytest.approx(0.35)
    (only,) = boasting.bins
    assert only.told == pytest.approx(0.95)
    assert (only.happened, only.share) == (0.6, 1.0)
    assert np.isnan(reliability(np.zeros(3), np.zeros(3, np.bool_), np.zeros(3)).ece)


def test_the_brier_score_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(1)
    told = draw.dirichlet(np.ones(4), 100)
    found = calibrate(changed(life(), told={"state_probabilities": told}))

    truth = life().truth.state_index
    expected = sum(brier_score_loss(truth == state, told[:, state]) for state in range(4))
    assert found.brier == pytest.approx(expected)
    assert found.severe.ece > 0.0


def test_a_perfect_model_is_calibrated() -> None:
    found = calibrate(life())

    assert (found.state.ece, found.severe.ece, found.mode.ece, found.brier) == (0.0, 0.0, 0.0, 0.0)


def test_where_the_mode_is_not_known_its_probability_is_not_judged() -> None:
    modes = np.full(100, -1)
    modes[:50] = 1
    half = changed(life(), truth={"mode_index": modes})

    assert calibrate(half).mode.ece == 0.0
    assert np.isnan(calibrate(changed(life(), truth={"mode_index": np.full(100, -1)})).mode.ece)


def test_means_over_lives_pass_over_what_is_not_known() -> None:
    owner = np.array([0, 0, 0, 1, 2])

    assert per_life_mean(np.array([1.0, 1.0, np.nan, 3.0, np.nan]), owner) == 2.0
    assert np.isnan(per_life_mean(np.full(5, np.nan), owner))
    assert np.isnan(per_life_mean(np.ones(5), owner, np.zeros(5, np.bool_)))


def test_runs_end_with_their_life() -> None:
    marked = np.array([True, True, True, False, True])

    assert runs(marked, np.array([0, 0, 1, 1, 1])) == [(0, 2), (2, 3), (4, 5)]
    assert runs(np.zeros(0, np.bool_), np.zeros(0, np.int64)) == []


def test_a_share_of_few_pumps_leaves_much_open() -> None:
    low, high = wilson(10, 10)

    assert low == pytest.approx(0.787, abs=0.001)
    assert high == 1.0
    assert np.isnan(wilson(0, 0)[0])
