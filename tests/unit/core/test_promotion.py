"""The promotion decision: evidence that is missing or not a number is no evidence."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.errors import PromotionRefusedError
from pdm_platform.core.promotion import (
    MAX_HEALTH_MAE_PERCENT,
    MIN_MARGIN_OVER_BASELINE,
    MIN_UNSEEN_PUMPS,
    gates,
    require_promotable,
)

GOOD = {"macro_f1": 0.9, "baseline_macro_f1": 0.5, "health_mae_percent": 5.0, "unseen_pumps": 8.0}
GATE_OF = {
    "macro_f1": "beats_every_baseline",
    "baseline_macro_f1": "beats_every_baseline",
    "health_mae_percent": "health_error",
    "unseen_pumps": "enough_unseen_pumps",
}


def failed(metrics: dict[str, float]) -> list[str]:
    return [gate.name for gate in gates(metrics) if not gate.passed]


def test_good_evidence_passes_every_gate_and_says_what_was_observed() -> None:
    found = gates(GOOD)

    require_promotable(GOOD)
    assert all(gate.passed for gate in found)
    assert {gate.name: gate.observed for gate in found} == {
        "beats_every_baseline": pytest.approx(0.4),
        "enough_unseen_pumps": 8.0,
        "health_error": 5.0,
    }


@pytest.mark.parametrize("metric", GOOD)
@pytest.mark.parametrize("value", [None, math.nan])
def test_a_metric_that_is_missing_or_not_a_number_fails_its_own_gate(metric: str, value: float | None) -> None:
    metrics = {**GOOD, metric: value} if value is not None else {name: GOOD[name] for name in GOOD if name != metric}

    assert failed({name: found for name, found in metrics.items() if found is not None}) == [GATE_OF[metric]]


@pytest.mark.parametrize(
    ("metric", "just_enough", "not_enough"),
    [
        ("macro_f1", 0.5 + MIN_MARGIN_OVER_BASELINE + 1e-9, 0.5 + MIN_MARGIN_OVER_BASELINE - 1e-9),
        ("unseen_pumps", float(MIN_UNSEEN_PUMPS), MIN_UNSEEN_PUMPS - 1.0),
        ("health_mae_percent", MAX_HEALTH_MAE_PERCENT, MAX_HEALTH_MAE_PERCENT + 1e-9),
    ],
)
def test_each_gate_stands_where_it_says(metric: str, just_enough: float, not_enough: float) -> None:
    assert failed({**GOOD, metric: just_enough}) == []
    assert failed({**GOOD, metric: not_enough}) == [GATE_OF[metric]]


def test_a_refusal_names_each_gate_that_fails_with_observed_and_expected() -> None:
    with pytest.raises(PromotionRefusedError) as refused:
        require_promotable({"macro_f1": 0.4, "baseline_macro_f1": 0.4, "health_mae_percent": 20.0})

    assert "beats_every_baseline: observed 0.0, expected >= 0.05" in refused.value.what
    assert "enough_unseen_pumps: observed None, expected >= 3" in refused.value.what
    assert "health_error: observed 20.0, expected <= 15.0" in refused.value.what
    assert "goes on serving" in refused.value.hint


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.floats(allow_nan=True, allow_infinity=True)))
def test_what_is_promotable_is_exactly_what_passes_every_gate(metrics: dict[str, float]) -> None:
    if failed(metrics):
        with pytest.raises(PromotionRefusedError):
            require_promotable(metrics)
    else:
        require_promotable(metrics)
        assert metrics["macro_f1"] > metrics["baseline_macro_f1"]


def test_no_evidence_at_all_fails_every_gate() -> None:
    assert failed({}) == ["beats_every_baseline", "enough_unseen_pumps", "health_error"]
