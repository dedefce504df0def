"""The whole judgement of one model on unseen pumps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pdm_platform.contract.errors import TrainingError
from pdm_platform.core.judgement.baselines import Baseline
from pdm_platform.core.judgement.calibration import Calibration, calibrate
from pdm_platform.core.judgement.classes import ClassScores, Flips, count_flips, score_modes, score_states
from pdm_platform.core.judgement.conditions import Conditions, judge_conditions
from pdm_platform.core.judgement.costs import Costs, CostTable, judge_costs
from pdm_platform.core.judgement.curves import Curves, curves_of
from pdm_platform.core.judgement.maintenance import InTime, LifeOutcome, Maintenance, judge_lives, summarise
from pdm_platform.core.judgement.remaining import Remaining, judge_remaining
from pdm_platform.core.judgement.training_facts import Training
from pdm_platform.core.judgement.verdicts import Verdicts, retold
from pdm_platform.core.judgement.weights import per_life_mean

_MORE: Final = "More lives are needed: `pdmctl simulate training` publishes them."


@dataclass(frozen=True, slots=True)
class BaselineScore:
    """A baseline on the same rows, its states through the same alarms, its alarms through the same costs."""

    name: str
    description: str
    macro_f1: float
    mode_macro_f1: float
    warned_share: float
    false_per_100_lives: float
    cost_per_pump_year: float
    fit_s: float
    predict_us: float


@dataclass(frozen=True)
class Judgement:
    """Figures over unseen pumps. speeds: states of the pumps of each speed. health_mae_percent: each life the same.

    provisional_share: of the readings, told while too little was known of the pump. unknown_modes: modes of unseen
    lives that no training life showed.
    """

    pumps: int
    readings: int
    training: Training
    states: ClassScores
    modes: ClassScores
    speeds: dict[str, ClassScores]
    flips: Flips
    calibration: Calibration
    health_mae_percent: float
    remaining: Remaining
    rule: InTime
    maintenance: Maintenance
    costs: Costs
    conditions: Conditions
    baselines: list[BaselineScore]
    provisional_share: float
    unknown_modes: list[str]
    lives: list[LifeOutcome]
    curves: Curves

    @property
    def best_baseline(self) -> BaselineScore | None:
        """By macro F1; None where there is none."""
        known = [each for each in self.baselines if not np.isnan(each.macro_f1)]
        return max(known, key=lambda baseline: baseline.macro_f1, default=None)


def judge(
    verdicts: Verdicts,
    *,
    training: Training,
    baselines: Sequence[Baseline] = (),
    costs: CostTable | None = None,
    rule: InTime | None = None,
) -> Judgement:
    """Judge what was told of pumps that the model has not seen. baselines: in the order of the sorted verdicts.

    costs, rule: the assumptions where left out. Raises TrainingError where there is nothing to judge.
    """
    if not len(verdicts):
        raise TrainingError("nothing to judge: there is no unseen reading", hint=_MORE)
    table, in_time = costs or CostTable(), rule or InTime()
    outcomes = judge_lives(verdicts, in_time)
    error = np.abs(verdicts.told.health_percent - verdicts.truth.health_percent)
    return Judgement(
        pumps=len({life.device_id for life in outcomes}),
        readings=len(verdicts),
        training=training,
        states=score_states(verdicts),
        modes=score_modes(verdicts),
        speeds={speed: score_states(verdicts, speed) for speed in sorted({life.speed for life in outcomes})},
        flips=count_flips(verdicts),
        calibration=calibrate(verdicts),
        health_mae_percent=per_life_mean(error, verdicts.owner),
        remaining=judge_remaining(verdicts),
        rule=in_time,
        maintenance=summarise(outcomes),
        costs=judge_costs(verdicts, training.ages, training.mean_hours, table, in_time),
        conditions=judge_conditions(verdicts),
        baselines=[_score(verdicts, each, training, table, in_time) for each in baselines],
        provisional_share=per_life_mean(verdicts.told.provisional.astype(np.float64), verdicts.owner),
        unknown_modes=sorted({life.mode for life in outcomes if life.wearing and life.mode} - set(training.mode_lives)),
        lives=outcomes,
        curves=curves_of(verdicts, outcomes),
    )


def _score(verdicts: Verdicts, baseline: Baseline, training: Training, table: CostTable, rule: InTime) -> BaselineScore:
    other = retold(verdicts, baseline.told)
    found = summarise(judge_lives(other, rule))
    return BaselineScore(
        name=baseline.name,
        description=baseline.description,
        macro_f1=score_states(other).macro_f1,
        mode_macro_f1=score_modes(other).macro_f1,
        warned_share=found.warned_share,
        false_per_100_lives=found.false_per_100_lives,
        cost_per_pump_year=judge_costs(other, training.ages, training.mean_hours, table, rule).predictive,
        fit_s=baseline.fit_s,
        predict_us=baseline.predict_us,
    )
