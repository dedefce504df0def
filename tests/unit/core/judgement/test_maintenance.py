"""Warnings as a maintenance person counts them."""

import numpy as np
import pytest

from pdm_platform.core.alarms import AlarmChange
from pdm_platform.core.judgement.maintenance import InTime, LifeOutcome, judge_lives, summarise, warnings_of
from pdm_platform.core.judgement.verdicts import Verdicts
from tests.unit.core.judgement.builders import BROKEN, FAULTY, HEALTHY, WARNING, changed, life, together, told_as

# 101 readings an hour apart: WARNING from 25, FAULTY from 65, BROKEN and so failed at 90


def judge_one(verdicts: Verdicts, rule: InTime | None = None) -> LifeOutcome:
    (outcome,) = judge_lives(verdicts, rule or InTime())
    return outcome


def told(*spans: tuple[int, int]) -> Verdicts:
    """101 readings of a life, told as (state, readings) after one another."""
    return told_as(life(readings=101), np.repeat([state for state, _ in spans], [count for _, count in spans]))


def test_a_failure_warned_of_knows_its_lead_and_its_mode() -> None:
    outcome = judge_one(told((HEALTHY, 70), (FAULTY, 31)))

    assert (outcome.failed, outcome.warned, outcome.in_time, outcome.missed) == (True, True, True, False)
    assert outcome.lead_hours == pytest.approx(18.0)  # raised by the third reading, 72
    assert outcome.lead_share == pytest.approx(0.2)
    assert (outcome.mode, outcome.mode_named, outcome.false_alarms) == ("bearing_wear", "bearing_wear", 0)


@pytest.mark.parametrize("spans", [((HEALTHY, 101),), ((HEALTHY, 70), (WARNING, 31)), ((HEALTHY, 90), (BROKEN, 11))])
def test_no_alarm_a_mild_one_and_one_after_the_failure_announce_nothing(spans: tuple[tuple[int, int], ...]) -> None:
    outcome = judge_one(told(*spans))

    assert outcome.missed
    assert not outcome.warned
    assert np.isnan(outcome.lead_hours)


def test_an_alarm_that_was_over_before_the_failure_announces_nothing() -> None:
    outcome = judge_one(told((HEALTHY, 65), (FAULTY, 5), (HEALTHY, 31)))

    assert (outcome.missed, outcome.warnings, outcome.false_alarms) == (True, 1, 0)


def test_an_alarm_too_late_to_act_on_is_a_warning_and_a_miss() -> None:
    verdicts = told((HEALTHY, 85), (FAULTY, 16))  # raised at 87, 3.3 % left

    outcome = judge_one(verdicts)

    assert (outcome.warned, outcome.in_time, outcome.missed) == (True, False, True)
    assert judge_one(verdicts, InTime(repair_lead_hours=3.0)).in_time
    assert not judge_one(verdicts, InTime(repair_lead_hours=3.1)).in_time


def test_a_warning_with_more_than_half_the_life_left_is_false_even_where_it_lasts() -> None:
    outcome = judge_one(told((HEALTHY, 20), (FAULTY, 81)))

    assert (outcome.false_alarms, outcome.in_time) == (1, True)


def test_a_warning_just_below_half_is_not_false() -> None:
    assert judge_one(told((HEALTHY, 43), (FAULTY, 58))).false_alarms == 0  # raised at 45 of 90
    assert judge_one(told((HEALTHY, 42), (FAULTY, 59))).false_alarms == 1


def test_every_warning_of_a_pump_that_does_not_wear_is_false() -> None:
    wavering = np.tile(np.repeat([FAULTY, HEALTHY], [4, 11]), 4)

    outcome = judge_one(told_as(life(readings=60, wearing=False), wavering))

    assert (outcome.failed, outcome.warnings, outcome.false_alarms, outcome.mode) == (False, 4, 4, "none")


def test_where_the_length_of_a_life_is_not_known_a_warning_while_healthy_is_false() -> None:
    unknown = changed(life(readings=101), truth={"health_percent": np.full(101, 80.0)})
    states = np.repeat([HEALTHY, WARNING], [50, 51])
    unknown = changed(unknown, truth={"state_index": states, "rul_hours": np.full(101, np.nan)})

    assert judge_one(told_as(unknown, np.repeat([FAULTY], 101))).false_alarms == 1
    assert judge_one(told_as(unknown, np.repeat([HEALTHY, FAULTY], [60, 41]))).false_alarms == 0


def test_a_worse_alarm_is_no_second_warning() -> None:
    (warned,) = warnings_of(told((HEALTHY, 65), (FAULTY, 20), (BROKEN, 16)))[0]

    assert (warned.row, warned.until) == (67, 101)


def test_an_alarm_that_only_grew_to_faulty_was_raised_then() -> None:
    (warned,) = warnings_of(told((WARNING, 65), (FAULTY, 36)))[0]

    assert warned.row == 67


def test_an_alarm_from_before_a_repair_warns_of_nothing_after_it() -> None:
    first, second = life("a", readings=101), life("b", readings=101)
    shifted = {"a": second.time_ns - second.time_ns[0] + first.time_ns[-1] + 1}
    both = together(first, second)
    renewed = Verdicts(
        np.full(202, "a"),
        np.concatenate([first.time_ns, shifted["a"]]),
        {"a": "nominal"},
        both.truth,
        both.told,
        (AlarmChange(70, True, 700),),  # never cleared
    )

    outcomes = judge_lives(renewed, InTime())

    assert [(each.name, each.warned) for each in outcomes] == [("a", True), ("a #2", False)]


def test_a_fleet_is_counted_in_lives_hours_and_doubt() -> None:
    lives = together(
        life("a", readings=101),
        told_as(life("b", readings=101), np.zeros(101)),
        told_as(life("c", readings=101, wearing=False), np.repeat([FAULTY, HEALTHY], [5, 96])),
    )

    found = summarise(judge_lives(lives, InTime()))

    assert (found.lives, found.failures, found.failures_warned, found.failures_in_time, found.missed) == (3, 2, 1, 1, 1)
    assert (found.warned_share, found.false_alarms, found.false_idle) == (0.5, 1, 1)
    assert found.false_per_100_lives == pytest.approx(100 / 3)
    assert found.false_per_pump_month == pytest.approx(730.5 / 300)
    assert found.warned_share_bounds[0] < 0.5 < found.warned_share_bounds[1]
    assert found.mode_named_share == 1.0


def test_a_mode_that_is_not_known_cannot_be_named_right_or_wrong() -> None:
    unknown = changed(life("b", readings=101), truth={"mode_index": np.full(101, -1)})
    wrong = changed(life("c", readings=101), told={"mode_probabilities": np.eye(9)[np.full(101, 4)]})

    found = summarise(judge_lives(together(life("a", readings=101), unknown, wrong), InTime()))

    assert found.failures_warned == 3
    assert found.mode_named_share == 0.5


def test_without_a_failure_nothing_is_known_of_warnings() -> None:
    found = summarise(judge_lives(life(wearing=False), InTime()))

    assert np.isnan([found.warned_share, found.median_lead_hours, found.mode_named_share]).all()
    assert found.false_per_100_lives == 0.0
