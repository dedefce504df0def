"""Intervals, cones and scores of the remaining life."""

import math
from typing import Any

import numpy as np
import pytest

from pdm_platform.core.judgement.remaining import judge_remaining, phm08
from pdm_platform.core.judgement.verdicts import Verdicts
from tests.unit.core.judgement.builders import changed, life, together


def told_rul(verdicts: Verdicts, factor: Any, *, lower: float = 1.0, upper: float = 1.0) -> Verdicts:
    """The median at `factor` times the truth, its bounds at parts of that."""
    median = verdicts.truth.rul_hours * factor
    return changed(verdicts, told={"rul_median": median, "rul_lower": lower * median, "rul_upper": upper * median})


def test_the_truth_told_is_perfect() -> None:
    found = judge_remaining(life())

    assert (found.overall.coverage, found.overall.relative_width, found.overall.told_share) == (1.0, 0.0, 1.0)
    assert found.alpha_lambda == {0.5: 1.0, 0.75: 1.0, 0.9: 1.0}
    assert (found.horizon_share, found.relative_error, found.rmse_percent, found.phm08) == (1.0, 0.0, 0.0, 0.0)


def test_coverage_and_width_are_known_for_a_known_interval() -> None:
    found = judge_remaining(told_rul(life(readings=101), 1.0, lower=0.5, upper=1.5))

    assert found.overall.coverage == 1.0
    assert found.overall.width_hours == pytest.approx(45.5)  # mean of 1..90 hours
    assert found.overall.relative_width == pytest.approx(45.5 / 90.0)
    assert found.overall.readings == 90


def test_an_interval_beside_the_truth_covers_nothing() -> None:
    assert judge_remaining(told_rul(life(), 2.0, lower=0.9, upper=1.1)).overall.coverage == 0.0


def test_a_long_life_counts_no_more_than_a_short_one() -> None:
    lives = together(told_rul(life("a", readings=1_000), 9.0), life("b", readings=50))

    assert judge_remaining(lives).overall.coverage == pytest.approx(0.5)


def test_coverage_is_told_by_speed_mode_and_third_of_life() -> None:
    wrong = told_rul(life("a", mode=3), np.where(np.arange(100) < 30, 9.0, 1.0))
    lives = together(wrong, life("b", mode=4))

    found = judge_remaining(lives)

    assert found.modes["seal_leakage"].coverage == pytest.approx(60 / 90)
    assert found.modes["cavitation"].coverage == 1.0
    assert found.speeds["nominal"].coverage == pytest.approx((60 / 90 + 1.0) / 2)
    assert [found.phases[name].coverage for name in found.phases] == pytest.approx([0.5, 1.0, 1.0])


def test_what_is_not_told_is_not_covered_but_counted() -> None:
    late = np.where(np.arange(100) < 45, np.nan, 1.0)

    found = judge_remaining(told_rul(life(), late))

    assert found.overall.told_share == pytest.approx(0.5)
    assert found.overall.coverage == 1.0
    assert found.phases["first_third"].told_share == 0.0
    assert np.isnan(found.phases["first_third"].coverage)


def test_alpha_lambda_counts_lives_within_a_fifth_and_nothing_told_is_a_miss() -> None:
    lives = together(
        told_rul(life("a"), 1.19), told_rul(life("b"), 1.21), told_rul(life("c"), 0.81), told_rul(life("d"), np.nan)
    )

    assert judge_remaining(lives).alpha_lambda == {0.5: 0.5, 0.75: 0.5, 0.9: 0.5}


def test_a_life_that_was_not_seen_to_half_does_not_count_there() -> None:
    cut = changed(life(readings=40), truth={"rul_hours": 400.0 - np.arange(40.0)})

    found = judge_remaining(cut)

    assert all(np.isnan(value) for value in found.alpha_lambda.values())
    assert found.overall.readings == 40


def test_the_horizon_begins_where_the_last_wrong_prediction_ends() -> None:
    whole = life(readings=101)  # fails at hour 90
    told = whole.truth.rul_hours + np.where(np.arange(101) == 36, 9.5, np.where(np.arange(101) == 70, 8.5, 0.0))

    found = judge_remaining(changed(whole, told={"rul_median": told}))

    assert found.horizon_share == pytest.approx(1.0 - 37 / 90)
    silent_at_the_end = np.where(np.arange(101) == 89, np.nan, whole.truth.rul_hours)
    assert judge_remaining(changed(whole, told={"rul_median": silent_at_the_end})).horizon_share == 0.0


def test_the_error_in_the_last_third_is_relative_to_what_is_left() -> None:
    early = np.where(np.arange(100) < 55, 7.0, 1.5)

    assert judge_remaining(told_rul(life(), early)).relative_error == pytest.approx(0.5)


def test_root_mean_square_is_in_percent_of_the_life_and_bounded() -> None:
    whole = life(readings=101)
    off = changed(whole, told={"rul_median": whole.truth.rul_hours + 9.0})
    mad = changed(whole, told={"rul_median": whole.truth.rul_hours + 1e9})

    assert judge_remaining(off).rmse_percent == pytest.approx(10.0)
    assert judge_remaining(off).phm08 == pytest.approx(math.e - 1)
    assert judge_remaining(mad).rmse_percent == pytest.approx(100.0)


def test_phm08_is_as_published_and_punishes_the_late_more() -> None:
    assert phm08(np.array([0.0])) == 0.0
    assert phm08(np.array([10.0, -13.0])) == pytest.approx(2 * (math.e - 1))
    assert phm08(np.array([20.0])) > phm08(np.array([-20.0]))
    assert np.isnan(phm08(np.array([])))


def test_an_end_told_to_a_pump_that_does_not_wear_is_counted() -> None:
    idle = life("b", wearing=False)
    told = np.where(np.arange(100) < 25, 5.0, np.nan)
    found = judge_remaining(together(life("a"), changed(idle, told={"rul_median": told})))

    assert found.told_idle_share == 0.25
    assert np.isnan(judge_remaining(life()).told_idle_share)


def test_without_a_failure_ahead_nothing_is_known() -> None:
    found = judge_remaining(life(wearing=False))

    assert found.overall.lives == 0
    assert np.isnan([found.overall.coverage, found.horizon_share, found.relative_error, found.rmse_percent]).all()
