"""The promotion decision: what a version's own evidence must show, and that it is no worse than what serves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pdm_platform.contract.errors import PromotionRefusedError

MIN_MARGIN_OVER_BASELINE = 0.05
MIN_UNSEEN_PUMPS = 3
MAX_HEALTH_MAE_PERCENT = 15.0
# Below, intervals of 90 % are too narrow to trust; above, they are wider than they need be and tell too little.
MIN_RUL_COVERAGE, MAX_RUL_COVERAGE = 0.85, 0.97
# Aimed at are 2 and 0.05; with 50 unseen lives a single false alarm more makes 2, so a gate at the aim would be a
# lottery.
MAX_FALSE_ALARMS_PER_100_LIVES = 10.0
MAX_MISSED_SHARE = 0.15
# A model that has seen one way to fail calls every failure that.
MIN_MODES_TRAINED = 3
# Tolerances of a candidate against what serves: less than the unseen pumps can tell apart.
COST_TOLERANCE = 0.02
FALSE_ALARMS_TOLERANCE_PER_100_LIVES = 1.0
MISSED_SHARE_TOLERANCE = 0.02
MACRO_F1_TOLERANCE = 0.05
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: what was observed in the evidence, what is expected, whether it holds."""

    name: str
    observed: float | None
    expected: str
    passed: bool


def gates(metrics: Mapping[str, float]) -> list[Gate]:
    """Judge the metrics of one version's manifest. A metric that is missing or NaN fails its gate."""
    macro_f1, baseline = metrics.get("macro_f1"), metrics.get("baseline_macro_f1")
    margin = None if macro_f1 is None or baseline is None else macro_f1 - baseline
    return [
        _at_least("beats_every_baseline", margin, MIN_MARGIN_OVER_BASELINE),
        _at_least("enough_unseen_pumps", metrics.get("unseen_pumps"), MIN_UNSEEN_PUMPS),
        _at_most("health_error", metrics.get("health_mae_percent"), MAX_HEALTH_MAE_PERCENT),
        _within("remaining_life_coverage", metrics.get("rul_coverage"), MIN_RUL_COVERAGE, MAX_RUL_COVERAGE),
        _at_most("few_false_alarms", metrics.get("false_alarms_per_100_lives"), MAX_FALSE_ALARMS_PER_100_LIVES),
        _at_most("few_missed_failures", metrics.get("missed_share"), MAX_MISSED_SHARE),
        _at_least("enough_modes_trained", metrics.get("modes_trained"), MIN_MODES_TRAINED),
        _none("every_mode_trained", metrics.get("modes_without_training")),
        _none("no_leak", metrics.get("split_leak")),
    ]


def compare(candidate: Mapping[str, float], production: Mapping[str, float], *, measured_on: str) -> list[Gate]:
    """Judge a candidate beside the version that serves, both measured on the same pumps.

    measured_on: `unseen_pumps`, `live_window`, part of the gates' names; call once for each. Both must have been judged
    on as many lives, readings and failures, else no figure says anything. What counts is what maintenance costs, its
    false alarms and missed failures (where there were failures); macro F1 only must not fall far. A metric that is
    missing or NaN on either side fails its gate.
    """
    both = [(candidate.get(name), production.get(name)) for name in ("unseen_lives", "unseen_readings", "failures")]
    differences = [abs(one - other) if one is not None and other is not None else math.nan for one, other in both]
    cost = production.get("cost_per_pump_year")
    limits = [
        ("cost", "cost_per_pump_year", None if cost is None else COST_TOLERANCE * abs(cost), 1.0),
        ("false_alarms", "false_alarms_per_100_lives", FALSE_ALARMS_TOLERANCE_PER_100_LIVES, 1.0),
        ("missed_failures", "missed_share", MISSED_SHARE_TOLERANCE, 1.0),
        ("macro_f1", "macro_f1", MACRO_F1_TOLERANCE, -1.0),
    ]
    no_failures = candidate.get("failures") == production.get("failures") == 0.0
    return [
        _none(f"same_lives_on_{measured_on}", sum(differences)),
        *(
            _no_worse(f"{gate}_no_worse_on_{measured_on}", candidate.get(name), production.get(name), tolerance, sign)
            for gate, name, tolerance, sign in limits
            if not (no_failures and name == "missed_share")
        ),
    ]


def require(judged: list[Gate]) -> None:
    """Raise PromotionRefusedError naming each of these gates that does not hold, with observed and expected."""
    failed = [gate for gate in judged if not gate.passed]
    if failed:
        raise PromotionRefusedError(
            "; ".join(f"{gate.name}: observed {gate.observed}, expected {gate.expected}" for gate in failed),
            hint="The version stays in the registry; the one in production goes on serving.",
        )


# NaN fails each comparison below, and None is asked for first.


def _at_least(name: str, observed: float | None, least: float) -> Gate:
    return Gate(name, observed, f">= {least}", observed is not None and observed >= least)


def _at_most(name: str, observed: float | None, most: float) -> Gate:
    return Gate(name, observed, f"<= {most}", observed is not None and observed <= most)


def _within(name: str, observed: float | None, least: float, most: float) -> Gate:
    return Gate(name, observed, f"{least} to {most}", observed is not None and least <= observed <= most)


def _none(name: str, observed: float | None) -> Gate:
    return Gate(name, observed, "0", observed is not None and observed == 0.0)


def _no_worse(name: str, new: float | None, old: float | None, tolerance: float | None, sign: float) -> Gate:
    """sign: 1 where less is better, -1 where more is."""
    if old is None or tolerance is None:
        return Gate(name, new, "known of the version in production", False)
    limit = old + sign * tolerance
    expected = f"{'<=' if sign > 0 else '>='} {limit:.6g} (production {old:.6g})"
    return Gate(name, new, expected, new is not None and sign * (new - limit) <= _ROUNDING)
