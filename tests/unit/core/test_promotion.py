"""The promotion decision: evidence that is missing or not a number is no evidence."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.errors import PromotionRefusedError
from pdm_platform.core.promotion import (
    MAX_FALSE_ALARMS_PER_100_LIVES,
    MAX_HEALTH_MAE_PERCENT,
    MAX_MISSED_SHARE,
    MAX_RUL_COVERAGE,
    MIN_MARGIN_OVER_BASELINE,
    MIN_MODES_TRAINED,
    MIN_RUL_COVERAGE,
    MIN_UNSEEN_PUMPS,
    compare,
    gates,
    require,
)
from tests.good_evidence import GOOD_METRICS, MEASURED

GATE_OF = {
    "macro_f1": "beats_every_baseline",
    "baseline_macro_f1": "beats_every_baseline",
    "health_mae_percent": "health_error",
    "unseen_pumps": "enough_unseen_pumps",
    "rul_coverage": "remaining_life_coverage",
    "false_alarms_per_100_lives": "few_false_alarms",
    "missed_share": "few_missed_failures",
    "modes_trained": "enough_modes_trained",
    "modes_without_training": "every_mode_trained",
    "split_leak": "no_leak",
}


def failed(metrics: dict[str, float]) -> list[str]:
    return [gate.name for gate in gates(metrics) if not gate.passed]


def worse(candidate: dict[str, float], production: dict[str, float] | None = None) -> list[str]:
    judged = compare(candidate, MEASURED if production is None else production, measured_on="unseen_pumps")
    return [gate.name.removesuffix("_on_unseen_pumps") for gate in judged if not gate.passed]


def without(metrics: dict[str, float], name: str) -> dict[str, float]:
    return {each: value for each, value in metrics.items() if each != name}


def test_good_evidence_passes_every_gate_and_says_what_was_observed() -> None:
    found = gates(GOOD_METRICS)

    require(gates(GOOD_METRICS))
    assert all(gate.passed for gate in found)
    observed = {gate.name: gate.observed for gate in found}
    assert observed["beats_every_baseline"] == pytest.approx(0.4)
    assert observed["remaining_life_coverage"] == 0.9
    assert set(observed) == set(GATE_OF.values())


@pytest.mark.parametrize("metric", GOOD_METRICS)
@pytest.mark.parametrize("value", [None, math.nan])
def test_a_metric_that_is_missing_or_not_a_number_fails_its_own_gate(metric: str, value: float | None) -> None:
    metrics = without(GOOD_METRICS, metric) if value is None else {**GOOD_METRICS, metric: value}

    assert failed(metrics) == [GATE_OF[metric]]


@pytest.mark.parametrize(
    ("metric", "just_enough", "not_enough"),
    [
        ("macro_f1", 0.5 + MIN_MARGIN_OVER_BASELINE + 1e-9, 0.5 + MIN_MARGIN_OVER_BASELINE - 1e-9),
        ("unseen_pumps", float(MIN_UNSEEN_PUMPS), MIN_UNSEEN_PUMPS - 1.0),
        ("health_mae_percent", MAX_HEALTH_MAE_PERCENT, MAX_HEALTH_MAE_PERCENT + 1e-9),
        ("rul_coverage", MIN_RUL_COVERAGE, MIN_RUL_COVERAGE - 1e-9),
        ("rul_coverage", MAX_RUL_COVERAGE, MAX_RUL_COVERAGE + 1e-9),
        ("false_alarms_per_100_lives", MAX_FALSE_ALARMS_PER_100_LIVES, MAX_FALSE_ALARMS_PER_100_LIVES + 1e-9),
        ("missed_share", MAX_MISSED_SHARE, MAX_MISSED_SHARE + 1e-9),
        ("modes_trained", float(MIN_MODES_TRAINED), MIN_MODES_TRAINED - 1.0),
        ("modes_without_training", 0.0, 1.0),
        ("split_leak", 0.0, 1.0),
    ],
)
def test_each_gate_stands_where_it_says(metric: str, just_enough: float, not_enough: float) -> None:
    assert failed({**GOOD_METRICS, metric: just_enough}) == []
    assert failed({**GOOD_METRICS, metric: not_enough}) == [GATE_OF[metric]]


def test_a_model_that_was_taught_one_way_to_fail_is_refused() -> None:
    with pytest.raises(PromotionRefusedError, match=r"enough_modes_trained: observed 1\.0, expected >= 3"):
        require(gates({**GOOD_METRICS, "modes_trained": 1.0}))


def test_a_refusal_names_each_gate_that_fails_with_observed_and_expected() -> None:
    metrics = {
        **without(GOOD_METRICS, "unseen_pumps"),
        "macro_f1": 0.4,
        "baseline_macro_f1": 0.4,
        "health_mae_percent": 20.0,
    }

    with pytest.raises(PromotionRefusedError) as refused:
        require(gates(metrics))

    assert "beats_every_baseline: observed 0.0, expected >= 0.05" in refused.value.what
    assert "enough_unseen_pumps: observed None, expected >= 3" in refused.value.what
    assert "health_error: observed 20.0, expected <= 15.0" in refused.value.what
    assert "goes on serving" in refused.value.hint


@given(st.dictionaries(st.sampled_from(sorted(GOOD_METRICS)), st.floats(allow_nan=True, allow_infinity=True)))
def test_what_is_promotable_is_exactly_what_passes_every_gate(metrics: dict[str, float]) -> None:
    if failed(metrics):
        with pytest.raises(PromotionRefusedError):
            require(gates(metrics))
    else:
        require(gates(metrics))
        assert metrics["macro_f1"] > metrics["baseline_macro_f1"]


def test_no_evidence_at_all_fails_every_gate() -> None:
    assert failed({}) == [gate.name for gate in gates({})]


def test_the_version_that_serves_is_no_worse_than_itself() -> None:
    judged = compare(MEASURED, MEASURED, measured_on="live_window")

    require(judged)
    assert [gate.name for gate in judged] == [
        "same_lives_on_live_window",
        "cost_no_worse_on_live_window",
        "false_alarms_no_worse_on_live_window",
        "missed_failures_no_worse_on_live_window",
        "macro_f1_no_worse_on_live_window",
    ]


def test_a_more_accurate_candidate_that_costs_more_is_refused() -> None:
    candidate = {**MEASURED, "macro_f1": 0.95, "cost_per_pump_year": 2_100.0}

    judged = compare(candidate, MEASURED, measured_on="unseen_pumps")

    assert worse(candidate) == ["cost_no_worse"]
    with pytest.raises(PromotionRefusedError, match=r"observed 2100\.0, expected <= 2040 \(production 2000\)"):
        require(judged)


@pytest.mark.parametrize(
    ("metric", "still_good", "too_bad", "gate"),
    [
        ("cost_per_pump_year", 2_040.0, 2_041.0, "cost_no_worse"),
        ("false_alarms_per_100_lives", 3.0, 3.1, "false_alarms_no_worse"),
        ("missed_share", 0.07, 0.071, "missed_failures_no_worse"),
        ("macro_f1", 0.75, 0.749, "macro_f1_no_worse"),
    ],
)
def test_each_tolerance_stands_where_it_says(metric: str, still_good: float, too_bad: float, gate: str) -> None:
    assert worse({**MEASURED, metric: still_good}) == []
    assert worse({**MEASURED, metric: too_bad}) == [gate]


@pytest.mark.parametrize("metric", ["unseen_lives", "unseen_readings", "failures"])
def test_figures_of_other_lives_cannot_be_compared(metric: str) -> None:
    assert worse({**MEASURED, metric: MEASURED[metric] + 1}) == ["same_lives"]


@pytest.mark.parametrize("metric", MEASURED)
@pytest.mark.parametrize("value", [None, math.nan])
def test_a_metric_that_one_side_lacks_fails_its_gate(metric: str, value: float | None) -> None:
    lacking = without(MEASURED, metric) if value is None else {**MEASURED, metric: value}

    assert len(worse(lacking)) == len(worse(MEASURED, lacking)) == 1


def test_where_nothing_failed_no_failure_can_be_missed() -> None:
    quiet = {**without(MEASURED, "missed_share"), "failures": 0.0}

    assert worse(quiet, quiet) == []


def test_nothing_known_of_either_fails_every_gate() -> None:
    assert len(worse({}, {})) == 5
