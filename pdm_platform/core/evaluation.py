"""How good a model is on pumps it has not seen, at each speed of life, and against rules that need no model."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import TrainingError
from pdm_platform.contract.states import STATES
from pdm_platform.core.evaluation_report import confusion_png, render_html
from pdm_platform.core.outcomes import LifeOutcome, judge_lives
from pdm_platform.core.scores import (
    FloatArray,
    IntArray,
    confusion,
    f1_per_state,
    fitted_limits,
    limit_states,
    macro_f1,
)
from pdm_platform.core.serving import ServingOutput
from pdm_platform.core.training import SPEEDS, Lives

__all__ = ["Baseline", "Evaluation", "Margin", "SpeedScore", "confusion_png", "evaluate", "render_html"]
_VIBRATION_RMS: Final = CHANNEL_NAMES.index("vibration_rms")


@dataclass(frozen=True, slots=True)
class SpeedScore:
    """Figures of the unseen pumps of one speed. Medians are over lives; NaN where no life has the figure."""

    pumps: int
    readings: int
    macro_f1: float
    health_mae_percent: float
    failures: int
    failures_warned: int
    false_alarms: int
    median_warning_hours: float
    median_warning_share: float
    rul_known_share: float
    rul_relative_error: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """A rule without a model, judged on the same readings."""

    name: str
    description: str
    macro_f1: float


class Margin(NamedTuple):
    """By how much the model's macro F1 is above that of a baseline, and on how many pumps."""

    name: str
    margin: float
    pumps: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures over unseen pumps. confusion: counts, rows true, columns predicted, both in the order of STATES."""

    pumps: int
    readings: int
    trained_pumps: int
    macro_f1: float
    f1: dict[str, float]
    confusion: list[list[int]]
    health_mae_percent: float
    overall: SpeedScore
    speeds: dict[str, SpeedScore]
    baselines: list[Baseline]
    lives: list[LifeOutcome]

    def smallest_margin(self) -> Margin:
        """The baseline that comes closest to the model, or that beats it by most (a negative margin)."""
        best = max(self.baselines, key=lambda baseline: baseline.macro_f1)
        return Margin(best.name, self.macro_f1 - best.macro_f1, self.pumps)

    def metrics(self) -> dict[str, float]:
        """The figures a manifest keeps and the promotion reads. One that is not known is left out."""
        named = {
            "macro_f1": self.macro_f1,
            "baseline_macro_f1": max(baseline.macro_f1 for baseline in self.baselines),
            "health_mae_percent": self.health_mae_percent,
            "unseen_pumps": self.pumps,
            "failures": self.overall.failures,
            "failures_warned": self.overall.failures_warned,
            "false_alarms": self.overall.false_alarms,
            "median_warning_share": self.overall.median_warning_share,
            "rul_relative_error": self.overall.rul_relative_error,
            **{f"macro_f1_{speed}": score.macro_f1 for speed, score in self.speeds.items()},
        }
        return {name: float(value) for name, value in named.items() if not np.isnan(value)}

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, text and numbers, None for what is not known; the margin and baselines included."""
        plain = _plain({**asdict(self), "smallest_margin": self.smallest_margin()._asdict()})
        assert isinstance(plain, dict)
        return plain


def evaluate(lives: Lives, output: ServingOutput, rul_hours: FloatArray, *, train_lives: Lives) -> Evaluation:
    """Judge predictions for lives the model has not seen.

    lives: whole unseen lives, n readings; output, rul_hours: what serving and prognosis told of each, shape (n, ...).
    train_lives: what the model was trained on, for the majority rule.
    Raises TrainingError where there is nothing to judge, or where a pump is on both sides.
    """
    both = sorted(set(lives.device_ids.tolist()) & set(train_lives.device_ids.tolist()))
    if both:
        raise TrainingError(f"the model was trained on pumps it is to be judged by: {', '.join(both[:5])}")
    if not len(lives) or not len(train_lives):
        raise TrainingError(
            f"nothing to judge: {len(lives)} unseen readings, {len(train_lives)} trained on",
            hint="More lives are needed: `pdmctl simulate training` publishes them.",
        )
    outcomes = judge_lives(lives, output, rul_hours)
    counts = confusion(lives.state_index, output.state_index)
    f1 = f1_per_state(counts).tolist()
    owner_speed = {outcome.device_id: outcome.speed for outcome in outcomes}
    speed_of_row = np.array([owner_speed[device] for device in lives.device_ids.tolist()])
    overall = _score(lives, output, outcomes, np.arange(len(lives)))
    return Evaluation(
        pumps=len(outcomes),
        readings=len(lives),
        trained_pumps=len(np.unique(train_lives.device_ids)),
        macro_f1=macro_f1(counts),
        f1={str(state): value for state, value in zip(STATES, f1, strict=True)},
        confusion=counts.tolist(),
        health_mae_percent=overall.health_mae_percent,
        overall=overall,
        speeds={
            speed: _score(lives, output, [each for each in outcomes if each.speed == speed], rows)
            for speed in SPEEDS
            if len(rows := np.flatnonzero(speed_of_row == speed))
        },
        baselines=_baselines(lives, train_lives),
        lives=outcomes,
    )


def _score(lives: Lives, output: ServingOutput, outcomes: Sequence[LifeOutcome], rows: IntArray) -> SpeedScore:
    return SpeedScore(
        pumps=len(outcomes),
        readings=len(rows),
        macro_f1=macro_f1(confusion(lives.state_index[rows], output.state_index[rows])),
        health_mae_percent=float(np.mean([outcome.health_mae_percent for outcome in outcomes])),
        failures=sum(outcome.failed for outcome in outcomes),
        failures_warned=sum(outcome.warned for outcome in outcomes),
        false_alarms=sum(outcome.false_alarms for outcome in outcomes),
        median_warning_hours=_median([outcome.warning_hours for outcome in outcomes]),
        median_warning_share=_median([outcome.warning_share for outcome in outcomes]),
        rul_known_share=_median([outcome.rul_known_share for outcome in outcomes]),
        rul_relative_error=_median([outcome.rul_relative_error for outcome in outcomes]),
    )


def _baselines(lives: Lives, train_lives: Lives) -> list[Baseline]:
    majority = int(np.argmax(np.bincount(train_lives.state_index, minlength=len(STATES))))
    vibration = lives.features[:, _VIBRATION_RMS]
    fitted = fitted_limits(train_lives.features[:, _VIBRATION_RMS], train_lives.state_index)
    shown = ", ".join(f"{limit:.2f}" for limit in fitted)
    rules = (
        ("majority", f"always {STATES[majority]}, the most frequent in training", np.full(len(lives), majority)),
        ("iso_10816_7", "vibration_rms in zones A to D of ISO 10816-7, category II", limit_states(vibration)),
        (
            "fitted_limits",
            f"vibration_rms above {shown} mm/s, set in training",
            limit_states(vibration, fitted),
        ),
    )
    return [Baseline(name, text, macro_f1(confusion(lives.state_index, told))) for name, text, told in rules]


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else float("nan")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and np.isnan(value) else value
