"""Judging predictions on unseen lives: failures announced, false alarms, baselines, the report."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pdm_platform.contract.errors import TrainingError
from pdm_platform.contract.states import STATES, State, state_index
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core.evaluation import Evaluation, confusion_png, evaluate, render_html
from pdm_platform.core.outcomes import LifeOutcome, judge_lives
from pdm_platform.core.serving import ServingOutput
from pdm_platform.core.training import Lives

BROKEN = STATES.index(State.BROKEN)


def told(states: np.ndarray, health: np.ndarray) -> ServingOutput:
    return ServingOutput(np.eye(4)[states], health)


def truth_told(lives: Lives) -> ServingOutput:
    return told(lives.state_index, lives.health_percent)


def hours_to_broken(lives: Lives) -> np.ndarray:
    """Of each reading, the hours to the first BROKEN one of its life; below 0 after it."""
    broken = lives.state_index == BROKEN
    first_ns = {device: lives.time_ns[broken & (lives.device_ids == device)].min() for device in lives.device_ids}
    return (np.array([first_ns[device] for device in lives.device_ids]) - lives.time_ns) / NS_PER_HOUR


def evaluated(lives_builder: Callable[[int], Lives]) -> Evaluation:
    unseen, trained_on = lives_builder(2), renamed(lives_builder(1))
    return evaluate(unseen, truth_told(unseen), hours_to_broken(unseen), train_lives=trained_on)


def renamed(lives: Lives) -> Lives:
    return replace(lives, device_ids=np.char.add("other-", lives.device_ids))


def judge_one(lives: Lives, states: Sequence[int], true_health: np.ndarray) -> LifeOutcome:
    """One life of readings a second apart, told as `states`."""
    count = len(true_health)
    life = replace(
        lives.rows(np.arange(count)),
        health_percent=true_health,
        state_index=state_index(true_health),
        time_ns=np.arange(count) * 10**9,
        rul_hours=np.arange(count)[::-1] / 3_600,
        device_ids=np.array(["pump"] * count),
    )
    return judge_lives(life, told(np.array(states), true_health), life.rul_hours)[0]


def test_perfect_predictions_score_one_and_announce_every_failure(lives_builder: Callable[[int], Lives]) -> None:
    evaluation = evaluated(lives_builder)

    assert evaluation.macro_f1 == 1.0
    assert evaluation.health_mae_percent == evaluation.overall.rul_relative_error == 0.0
    assert evaluation.overall.failures == evaluation.overall.failures_warned == evaluation.pumps == 14
    assert evaluation.overall.false_alarms == 0
    assert set(evaluation.f1.values()) == {1.0}
    assert {speed: score.pumps for speed, score in evaluation.speeds.items()} == {
        "stress": 8,
        "accelerated": 4,
        "nominal": 2,
    }


def test_the_margin_is_against_the_best_rule_without_a_model(lives_builder: Callable[[int], Lives]) -> None:
    evaluation = evaluated(lives_builder)

    worst = evaluation.smallest_margin()

    best = max(evaluation.baselines, key=lambda baseline: baseline.macro_f1)
    assert [baseline.name for baseline in evaluation.baselines] == ["majority", "iso_10816_7", "fitted_limits"]
    assert worst == (best.name, 1.0 - best.macro_f1, 14)
    assert 0.0 < worst.margin < 1.0


def test_warning_time_runs_from_the_alarm_to_the_first_broken_reading(lives: Lives) -> None:
    health = np.repeat([90.0, 60.0, 5.0], 20)

    outcome = judge_one(lives, [0] * 20 + [1] * 10 + [2] * 10 + [3] * 20, health)

    assert outcome.warned
    assert outcome.warning_hours == pytest.approx(8 / 3_600)  # raised by the third of ten FAULTY ones
    assert outcome.warning_share == pytest.approx(8 / 40)


def test_an_alarm_of_severity_warning_alone_announces_nothing(lives: Lives) -> None:
    outcome = judge_one(lives, [0] * 20 + [1] * 20 + [3] * 20, np.repeat([90.0, 60.0, 5.0], 20))

    assert outcome.failed
    assert not outcome.warned


def test_a_failure_without_an_alarm_is_a_miss(lives: Lives) -> None:
    outcome = judge_one(lives, [0] * 60, np.repeat([90.0, 60.0, 5.0], 20))

    assert outcome.failed
    assert not outcome.warned
    assert np.isnan(outcome.warning_hours)


def test_an_alarm_after_the_failure_announces_nothing(lives: Lives) -> None:
    outcome = judge_one(lives, [0] * 41 + [3] * 19, np.repeat([90.0, 60.0, 5.0], 20))

    assert not outcome.warned


def test_an_alarm_that_was_over_before_the_failure_announces_nothing(lives: Lives) -> None:
    outcome = judge_one(lives, [0] * 20 + [2] * 5 + [0] * 35, np.repeat([90.0, 60.0, 5.0], 20))

    assert not outcome.warned
    assert outcome.false_alarms == 0


@pytest.mark.parametrize("end", [[0] * 40, [2] * 40])
def test_an_alarm_while_the_pump_is_healthy_is_false(lives: Lives, end: list[int]) -> None:
    outcome = judge_one(lives, [0] * 10 + [2] * 10 + end, np.full(60, 95.0))

    assert outcome.false_alarms == 1
    assert not outcome.failed


def test_an_early_alarm_is_false_even_where_it_lasts_to_the_failure(lives: Lives) -> None:
    outcome = judge_one(lives, [2] * 60, np.repeat([90.0, 60.0, 5.0], 20))

    assert outcome.false_alarms == 1
    assert outcome.warned


@pytest.mark.parametrize(("state", "health"), [(1, 95.0), (2, 60.0)])
def test_an_alarm_below_faulty_or_of_a_worn_pump_is_not_false(lives: Lives, state: int, health: float) -> None:
    outcome = judge_one(lives, [0] * 10 + [state] * 50, np.full(60, health))

    assert outcome.false_alarms == 0


def test_remaining_life_is_judged_against_the_time_to_the_first_broken_reading(lives: Lives) -> None:
    told_hours = hours_to_broken(lives) * 1.5
    told_hours[np.arange(len(lives)) % 2 == 0] = np.nan

    outcomes = judge_lives(lives, truth_told(lives), told_hours)

    assert [outcome.rul_relative_error for outcome in outcomes] == pytest.approx([0.5] * 14)
    assert all(0.45 < outcome.rul_known_share < 0.55 for outcome in outcomes)


def test_remaining_life_counts_in_the_last_third_before_the_failure_only(lives: Lives) -> None:
    life = lives.of(["life-stress-0"])
    failure = int(np.argmax(life.state_index == BROKEN))
    told_hours = hours_to_broken(life)
    told_hours[: 2 * failure // 3] = 1_000.0
    told_hours[failure:] = 1_000.0

    outcome = judge_lives(life, truth_told(life), told_hours)[0]

    assert outcome.rul_known_share == 1.0
    assert outcome.rul_relative_error == 0.0


def test_remaining_life_does_not_depend_on_the_label(lives: Lives) -> None:
    unlabelled = replace(lives, rul_hours=np.full(len(lives), np.nan))

    outcomes = judge_lives(unlabelled, truth_told(lives), hours_to_broken(lives))

    assert [outcome.rul_relative_error for outcome in outcomes] == [0.0] * 14


def test_a_life_that_never_broke_has_no_error_of_remaining_life(lives: Lives) -> None:
    intact = lives.rows(np.flatnonzero(lives.state_index != BROKEN))

    outcomes = judge_lives(intact, truth_told(intact), intact.rul_hours)

    assert not any(outcome.failed for outcome in outcomes)
    assert all(np.isnan(outcome.rul_relative_error) for outcome in outcomes)


def test_rows_in_any_order_give_the_same_figures(lives_builder: Callable[[int], Lives]) -> None:
    lives, trained_on = lives_builder(2), renamed(lives_builder(1))
    mixed = np.random.default_rng(1).permutation(len(lives))
    shuffled = lives.rows(mixed)

    straight = evaluate(lives, truth_told(lives), lives.rul_hours, train_lives=trained_on)
    crooked = evaluate(shuffled, truth_told(shuffled), shuffled.rul_hours, train_lives=trained_on)

    assert crooked.to_json() == straight.to_json()


def test_a_pump_on_both_sides_is_refused_by_name(lives: Lives) -> None:
    with pytest.raises(TrainingError, match="life-accelerated-0"):
        evaluate(lives, truth_told(lives), lives.rul_hours, train_lives=lives)


def test_nothing_to_judge_is_refused(lives: Lives) -> None:
    nothing = lives.of([])

    with pytest.raises(TrainingError, match="0 unseen readings"):
        evaluate(nothing, truth_told(nothing), nothing.rul_hours, train_lives=lives)


def test_the_evaluation_is_plain_json_with_null_for_the_unknown(lives_builder: Callable[[int], Lives]) -> None:
    lives, trained_on = lives_builder(2), renamed(lives_builder(1))
    silent = told(np.zeros(len(lives), np.int64), lives.health_percent)
    evaluation = evaluate(lives, silent, np.full(len(lives), np.nan), train_lives=trained_on)

    plain = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))

    assert plain["overall"]["median_warning_hours"] is None
    assert plain["overall"]["failures_warned"] == 0
    assert plain["smallest_margin"]["margin"] < 0
    assert "rul_relative_error" not in evaluation.metrics()
    assert evaluation.metrics()["unseen_pumps"] == 14


def test_the_report_is_one_page_that_loads_nothing_and_is_the_same_each_time(
    lives_builder: Callable[[int], Lives],
) -> None:
    evaluation = evaluated(lives_builder)

    page = render_html(evaluation)

    assert page == render_html(evaluation)
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert page.count("data:image/png;base64,") == 2
    assert all(life.device_id in page for life in evaluation.lives)


def test_the_confusion_plot_is_a_png(lives_builder: Callable[[int], Lives]) -> None:
    assert confusion_png(evaluated(lives_builder)).startswith(b"\x89PNG\r\n")
