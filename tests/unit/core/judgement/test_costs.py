"""What policies cost, on lives one can reckon by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.core.judgement.costs import (
    Ages,
    Costs,
    CostTable,
    best_interval,
    courses_of,
    fixed_interval,
    judge_costs,
    run_to_failure,
)
from pdm_platform.core.judgement.maintenance import InTime
from pdm_platform.core.judgement.verdicts import Verdicts
from tests.unit.core.judgement.builders import FAULTY, HEALTHY, life, told_as, training

# planned 100, failure 500, a mean life of 90 h is two years
TABLE = CostTable(100.0, 500.0, 10.0, 0.0, 0.0, 0.0, 2.0)
MEAN = {"nominal": 90.0}


def told(*spans: tuple[int, int], wearing: bool = True) -> Verdicts:
    states = np.repeat([state for state, _ in spans], [count for _, count in spans])
    return told_as(life(readings=101, wearing=wearing), states)


def cost(verdicts: Verdicts) -> Costs:
    return judge_costs(verdicts, training().ages, MEAN, TABLE, InTime())


def test_a_failure_nobody_was_warned_of_costs_what_running_to_failure_does() -> None:
    found = cost(told((HEALTHY, 101)))

    assert found.predictive == found.run_to_failure == pytest.approx(250.0)
    assert found.perfect == pytest.approx(50.0)


def test_a_warning_in_time_costs_a_planned_repair_and_the_life_not_used() -> None:
    found = cost(told((HEALTHY, 70), (FAULTY, 31)))  # raised at 72 of 90 hours, repaired at 85 %

    assert found.predictive == pytest.approx(100.0 / (0.85 * 2.0))


def test_a_warning_too_late_costs_the_failure() -> None:
    assert cost(told((HEALTHY, 85), (FAULTY, 16))).predictive == pytest.approx(250.0)


def test_a_warning_that_goes_away_costs_an_inspection_and_then_the_failure() -> None:
    brief = told((HEALTHY, 50), (FAULTY, 3), (HEALTHY, 48))  # on from 52 to 62, the repair would be at 72

    found = judge_costs(brief, training().ages, MEAN, TABLE, InTime(repair_lead_hours=20.0))

    assert found.predictive == pytest.approx(510.0 / 2.0)


def test_a_false_alarm_that_stays_is_inspected_and_the_repair_planned_at_half_the_life() -> None:
    found = cost(told((FAULTY, 101)))

    assert found.predictive == pytest.approx(110.0 / (0.55 * 2.0))


def test_false_alarms_of_a_pump_that_does_not_wear_cost_inspections() -> None:
    verdicts = told((FAULTY, 3), (HEALTHY, 20), (FAULTY, 3), (HEALTHY, 75), wearing=False)

    (course,) = courses_of(verdicts, MEAN, InTime())

    assert (course.planned, course.failures, course.inspections) == (0, 0, 2)
    assert course.age == pytest.approx(100 / 90)


def test_age_replacement_is_chosen_where_it_costs_least() -> None:
    alike = Ages(np.array([0.98, 1.0, 1.02]), np.ones(3))
    scattered = Ages(np.random.default_rng(1).exponential(1.0, 2_000), np.ones(2_000))

    assert best_interval(alike, TABLE) == pytest.approx(0.97)
    assert fixed_interval(alike, 0.97, TABLE) == pytest.approx(100 / (0.97 * 2))
    # lives without wear: replacing early gains nothing
    assert best_interval(scattered, replace(TABLE, planned_repair=450.0)) == np.inf
    assert fixed_interval(scattered, np.inf, TABLE) == pytest.approx(run_to_failure(scattered, TABLE))
    assert np.isnan(best_interval(Ages(np.zeros(0), np.zeros(0)), TABLE))


def test_a_fixed_interval_repairs_pumps_that_do_not_wear_too() -> None:
    idle = Ages(np.array([2.0]), np.zeros(1))

    assert fixed_interval(idle, 0.5, TABLE) == pytest.approx(4 * 100 / 4)
    assert run_to_failure(idle, TABLE) == 0.0


def test_the_dearer_a_failure_the_more_a_missed_one_costs() -> None:
    missed, warned = cost(told((HEALTHY, 101))), cost(told((HEALTHY, 70), (FAULTY, 31)))

    assert missed.ratios == warned.ratios == tuple(float(times) for times in range(2, 21))
    assert np.diff(missed.predictive_by_ratio) == pytest.approx(50.0)
    assert np.diff(warned.predictive_by_ratio) == pytest.approx(0.0)
    assert missed.run_to_failure_by_ratio[3] == pytest.approx(250.0)


def test_downtime_is_part_of_the_cost() -> None:
    table = CostTable()

    assert table.planned == 3_000.0 + 4.0 * 250.0
    assert table.failure == 9_000.0 + 24.0 * 250.0
    assert table.at_ratio(7.0).failure == 7.0 * table.planned


def test_a_table_takes_the_figures_of_the_plant_and_refuses_what_it_does_not_know() -> None:
    assert CostTable.of({"inspection": 50}).inspection == 50.0
    assert CostTable.of({}) == CostTable()
    with pytest.raises(ValueError, match="inspecton"):
        CostTable.of({"inspecton": 50})
    with pytest.raises(ValueError, match="numbers from 0 on"):
        CostTable.of({"inspection": float("nan")})


def test_lives_of_a_speed_that_was_never_trained_on_are_left_out() -> None:
    found = judge_costs(life(), training().ages, {"stress": 1.0}, TABLE, InTime())

    assert np.isnan([found.predictive, found.run_to_failure, found.fixed_interval]).all()


@given(st.lists(st.integers(0, 3), min_size=101, max_size=101), st.booleans())
def test_no_model_is_cheaper_than_perfect_and_none_dearer_than_failing_with_all_inspected(
    states: list[int], wearing: bool
) -> None:
    verdicts = told_as(life(readings=101, wearing=wearing), states)
    (course,) = courses_of(verdicts, MEAN, InTime())

    found = cost(verdicts)

    assert course.planned + course.failures == wearing
    assert found.perfect - 1e-9 <= found.predictive
    assert course.age >= 0.5
