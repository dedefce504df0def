"""A judgement as data: the flat figures that a manifest keeps and the promotion reads, and all of it as JSON."""

from dataclasses import asdict
from typing import Any

import numpy as np

from pdm_platform.core.judgement.judge import Judgement


def metrics(judged: Judgement) -> dict[str, float]:
    """Name to figure; the names are stable. A figure that is not known, or not finite, is left out."""
    named = {
        **_states(judged),
        **_remaining(judged),
        **_maintenance(judged),
        **_sensors(judged),
        **_evidence(judged),
    }
    return {name: float(value) for name, value in named.items() if value is not None and np.isfinite(value)}


def _states(judged: Judgement) -> dict[str, float | None]:
    best = judged.best_baseline
    return {
        "macro_f1": judged.states.macro_f1,
        "macro_f1_low": judged.states.macro_f1_low,
        "macro_f1_high": judged.states.macro_f1_high,
        "macro_f1_readings": judged.states.macro_f1_readings,
        **{f"macro_f1_{speed}": scores.macro_f1 for speed, scores in judged.speeds.items()},
        "mode_macro_f1": judged.modes.macro_f1,
        "baseline_macro_f1": None if best is None else best.macro_f1,
        **{f"baseline_{each.name}_macro_f1": each.macro_f1 for each in judged.baselines},
        "health_mae_percent": judged.health_mae_percent,
        "flips_per_pump_day": judged.flips.per_pump_day,
        "flips_per_1000_readings": judged.flips.per_1000_readings,
        "ece": judged.calibration.state.ece,
        "mode_ece": judged.calibration.mode.ece,
        "brier": judged.calibration.brier,
        "provisional_share": judged.provisional_share,
    }


def _remaining(judged: Judgement) -> dict[str, float | None]:
    told = judged.remaining
    return {
        "rul_coverage": told.overall.coverage,
        "rul_relative_width": told.overall.relative_width,
        "rul_width_hours": told.overall.width_hours,
        "rul_told_share": told.overall.told_share,
        **{f"rul_coverage_{name}": each.coverage for name, each in {**told.speeds, **told.phases}.items()},
        **{f"rul_relative_width_{name}": each.relative_width for name, each in {**told.speeds, **told.phases}.items()},
        **{f"rul_alpha_lambda_{round(100 * share)}": value for share, value in told.alpha_lambda.items()},
        "rul_horizon_share": told.horizon_share,
        "rul_relative_error": told.relative_error,
        "rul_rmse_percent": told.rmse_percent,
        "rul_phm08": told.phm08,
        "rul_told_idle_share": told.told_idle_share,
    }


def _maintenance(judged: Judgement) -> dict[str, float | None]:
    seen, costs = judged.maintenance, judged.costs
    return {
        "failures": seen.failures,
        "failures_warned": seen.failures_warned,
        "failures_warned_in_time": seen.failures_in_time,
        "warned_share": seen.warned_share,
        "missed_failures": seen.missed,
        "missed_share": seen.missed / seen.failures if seen.failures else None,
        "late_warnings": seen.failures_warned - seen.failures_in_time,
        "median_warning_hours": seen.median_lead_hours,
        "median_warning_share": seen.median_lead_share,
        "false_alarms": seen.false_alarms,
        "false_alarms_per_100_lives": seen.false_per_100_lives,
        "false_alarms_per_pump_month": seen.false_per_pump_month,
        "mode_named_share": seen.mode_named_share,
        "cost_per_pump_year": costs.predictive,
        "cost_run_to_failure": costs.run_to_failure,
        "cost_fixed_interval": costs.fixed_interval,
        "cost_perfect": costs.perfect,
        **{f"baseline_{each.name}_cost_per_pump_year": each.cost_per_pump_year for each in judged.baselines},
    }


def _sensors(judged: Judgement) -> dict[str, float | None]:
    episodes = judged.conditions.all_episodes
    return {
        "sensor_fault_episodes": episodes.episodes,
        "sensor_faults_taken_for_machine_faults": episodes.mistaken_share,
        "sensor_faults_called_share": episodes.called_share,
        "sensor_fault_false_calls_per_pump_day": judged.conditions.false_calls_per_pump_day,
        **{f"state_worse_{each.name}": each.worse for each in judged.conditions.disturbances},
    }


def _evidence(judged: Judgement) -> dict[str, float | None]:
    return {
        "unseen_pumps": judged.pumps,
        "unseen_lives": len(judged.lives),
        "unseen_readings": judged.readings,
        "trained_pumps": judged.training.pumps,
        "modes_trained": len(judged.training.mode_lives),
        "modes_without_training": len(judged.unknown_modes),
        "split_leak": judged.training.leak.total,
    }


def to_json(judged: Judgement) -> dict[str, Any]:
    """Plain dicts, lists, text and numbers, None for what is not known; `metrics` included.

    The keys that readers of evaluation.json know stay: pumps, readings, macro_f1, f1, confusion, health_mae_percent.
    """
    found = _plain({**asdict(judged), "metrics": metrics(judged)})
    assert isinstance(found, dict)
    states = judged.states
    del found["training"]["ages"]  # one number a training life; what follows from them is in the costs
    return {
        **found,
        "trained_pumps": judged.training.pumps,
        "macro_f1": states.macro_f1,
        "f1": _plain(dict(zip(states.names, states.f1, strict=True))),
        "confusion": states.confusion,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value
