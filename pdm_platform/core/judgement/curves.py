"""A few lives to look at: those that went worst, and some of each speed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pdm_platform.core.judgement.maintenance import LifeOutcome, warnings_of
from pdm_platform.core.judgement.verdicts import FloatArray, Verdicts

WORST: Final = 6
PER_SPEED: Final = 2
_POINTS: Final = 150


@dataclass(frozen=True, slots=True)
class Curve:
    """One life at up to 150 points. failure_hours: NaN where it did not fail. warned_hours: of each warning."""

    name: str
    speed: str
    hours: list[float]
    true_health: list[float]
    told_health: list[float]
    true_rul: list[float]
    rul_lower: list[float]
    rul_median: list[float]
    rul_upper: list[float]
    failure_hours: float
    warned_hours: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Curves:
    """worst: missed failures first, then the late, then false alarms. typical: the first failed lives of each speed."""

    worst: list[Curve]
    typical: list[Curve]


def curves_of(verdicts: Verdicts, outcomes: Sequence[LifeOutcome]) -> Curves:
    """outcomes: of each life, in the order of the rows."""
    wrong = [index for index, life in enumerate(outcomes) if life.missed or life.false_alarms]
    worst = sorted(wrong, key=lambda index: badness(outcomes[index]), reverse=True)[:WORST]
    typical: list[int] = []
    for speed in sorted({life.speed for life in outcomes}):
        typical += [index for index, life in enumerate(outcomes) if life.speed == speed and life.failed][:PER_SPEED]
    return Curves([_curve(verdicts, index) for index in worst], [_curve(verdicts, index) for index in typical])


def badness(life: LifeOutcome) -> tuple[bool, bool, int, float]:
    """Sorts lives: a failure nobody was warned of, one warned of too late, false alarms, error of health."""
    return life.failed and not life.warned, life.missed, life.false_alarms, np.nan_to_num(life.health_mae_percent)


def _curve(verdicts: Verdicts, index: int) -> Curve:
    life, truth, told = verdicts.lives[index], verdicts.truth, verdicts.told
    count = life.stop - life.start
    rows = life.start + np.unique(np.linspace(0, count - 1, min(count, _POINTS)).astype(np.int64))

    def shown(values: FloatArray) -> list[float]:
        return [float(f"{value:.6g}") for value in values[rows].tolist()]

    hours = verdicts.elapsed_hours
    return Curve(
        name=life.name,
        speed=life.speed,
        hours=shown(hours),
        true_health=shown(truth.health_percent),
        told_health=shown(told.health_percent),
        true_rul=shown(truth.rul_hours),
        rul_lower=shown(told.rul_lower),
        rul_median=shown(told.rul_median),
        rul_upper=shown(told.rul_upper),
        failure_hours=float("nan") if life.failure is None else float(hours[life.failure]),
        warned_hours=[
            (float(hours[warned.row]), float(hours[warned.until - 1])) for warned in warnings_of(verdicts)[index]
        ],
    )
