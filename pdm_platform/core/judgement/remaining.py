"""How well the remaining life was told: do 90 % intervals hold the truth, how wide, and how early are they right."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.core.judgement.verdicts import BoolArray, FloatArray, Verdicts
from pdm_platform.core.judgement.weights import per_life_mean

ALPHA: Final = 0.2
LAMBDAS: Final = (0.5, 0.75, 0.9)
# The band of the horizon is as wide at the end as at the start; a fifth of a life would be right at the end by itself.
HORIZON_ALPHA: Final = 0.1
PHASES: Final = ("first_third", "second_third", "last_third")
_THIRDS: Final = (0.0, 1.0 / 3.0, 2.0 / 3.0, np.inf)


@dataclass(frozen=True, slots=True)
class Interval:
    """Of the readings of some lives that have a failure ahead: each life counts the same.

    told_share: with a remaining life told. coverage: of those, with the truth inside. relative_width: mean width over
    the length of the life; width_hours: the mean width.
    """

    lives: int
    readings: int
    told_share: float
    coverage: float
    relative_width: float
    width_hours: float


@dataclass(frozen=True, slots=True)
class Remaining:
    """overall, by mode, speed and third of life; alpha_lambda: share of lives by lambda, horizon_share: of the life.

    relative_error: median over lives of each life's median error, relative to the truth, in the last third.
    rmse_percent, phm08: of the difference in percent of the life, each life counting the same, see `phm08`.
    told_idle_share: readings of pumps that do not wear for which an end was told all the same.
    """

    overall: Interval
    modes: dict[str, Interval]
    speeds: dict[str, Interval]
    phases: dict[str, Interval]
    alpha_lambda: dict[float, float]
    horizon_share: float
    relative_error: float
    rmse_percent: float
    phm08: float
    told_idle_share: float


def phm08(differences: FloatArray) -> float:
    """Score of told minus true remaining life, 0 is perfect. Too late costs more: exp(d/10) - 1 against exp(-d/13) - 1.

    differences: in cycles for C-MAPSS, one a unit; in percent of the life for pumps. NaN where there is none.
    Source: Saxena et al. (2008), Damage propagation modeling for aircraft engine run-to-failure simulation, PHM08.
    """
    return float(_phm08(differences).sum()) if len(differences) else float("nan")


def _phm08(differences: FloatArray) -> FloatArray:
    return np.where(differences < 0.0, np.expm1(-differences / 13.0), np.expm1(differences / 10.0))


def judge_remaining(verdicts: Verdicts) -> Remaining:
    """Readings count that have a failure ahead at a known time."""
    truth, told, owner = verdicts.truth, verdicts.told, verdicts.owner
    ahead, length = _ahead(verdicts), _length_hours(verdicts)
    lived = verdicts.elapsed_hours / length
    # told a whole life wrong is as wrong as it gets: the score grows without bound
    off = np.clip(100.0 * (told.rul_median - truth.rul_hours) / length, -100.0, 100.0)
    speed = np.array([verdicts.lives[life].speed for life in owner.tolist()])
    idle = ~truth.wearing
    return Remaining(
        overall=_interval(verdicts, ahead),
        modes={
            str(mode): _interval(verdicts, rows)
            for index, mode in enumerate(MODE_CLASSES)
            if (rows := ahead & (truth.mode_index == index)).any()
        },
        speeds={
            str(each): _interval(verdicts, rows) for each in np.unique(speed) if (rows := ahead & (speed == each)).any()
        },
        phases={
            name: _interval(verdicts, ahead & (lived >= low) & (lived < high))
            for name, (low, high) in zip(PHASES, pairwise(_THIRDS), strict=True)
        },
        alpha_lambda=_alpha_lambda(verdicts, lived),
        horizon_share=_horizon_share(verdicts, lived, off),
        relative_error=_relative_error(verdicts, lived),
        rmse_percent=float(np.sqrt(per_life_mean(off**2, owner))),
        phm08=per_life_mean(_phm08(off), owner),
        told_idle_share=per_life_mean((~np.isnan(told.rul_median)).astype(np.float64), owner, idle),
    )


def _ahead(verdicts: Verdicts) -> BoolArray:
    return np.isfinite(verdicts.truth.rul_hours) & (verdicts.truth.rul_hours > 0.0)


def _length_hours(verdicts: Verdicts) -> FloatArray:
    """Of each row, the whole length of its life as its own remaining life says; NaN where no failure is ahead."""
    return np.where(_ahead(verdicts), verdicts.elapsed_hours + verdicts.truth.rul_hours, np.nan)


def _interval(verdicts: Verdicts, where: BoolArray) -> Interval:
    truth, told, owner = verdicts.truth, verdicts.told, verdicts.owner
    known = ~np.isnan(told.rul_lower + told.rul_upper)
    held = (told.rul_lower <= truth.rul_hours) & (truth.rul_hours <= told.rul_upper)
    width = told.rul_upper - told.rul_lower
    return Interval(
        lives=len(np.unique(owner[where])),
        readings=int(where.sum()),
        told_share=per_life_mean(known.astype(np.float64), owner, where),
        coverage=per_life_mean(held.astype(np.float64), owner, where & known),
        relative_width=per_life_mean(width / _length_hours(verdicts), owner, where & known),
        width_hours=per_life_mean(width, owner, where & known),
    )


def _alpha_lambda(verdicts: Verdicts, lived: FloatArray) -> dict[float, float]:
    """Share of lives whose told median lies within alpha of the truth when lambda of the life is over.

    At the first reading from there on; nothing told is a miss. Source: Saxena et al. (2010), Metrics for offline
    evaluation of prognostic performance, IJPHM 1(1), with lambda counted from the life's first reading.
    """
    truth, told = verdicts.truth.rul_hours, verdicts.told.rul_median
    found: dict[float, float] = {}
    for share in LAMBDAS:
        hits = []
        for life in verdicts.lives:
            there = np.flatnonzero(lived[life.start : life.stop] >= share)
            if len(there) and (lived[life.start : life.stop] < share).any():
                row = life.start + int(there[0])
                hits.append(bool(abs(told[row] - truth[row]) <= ALPHA * truth[row]))
        found[share] = float(np.mean(hits)) if hits else float("nan")
    return found


def _horizon_share(verdicts: Verdicts, lived: FloatArray, off: FloatArray) -> float:
    """Mean share of life left from which on every told median lies within 10 % of the life of the truth; 0 is never.

    Lives count whose end was seen. Source: prognostic horizon, Saxena et al. (2010).
    """
    shares = []
    for life in verdicts.lives:
        rows = np.flatnonzero(~np.isnan(lived[life.start : life.stop])) + life.start
        if life.failure is None or not len(rows):
            continue
        outside = np.flatnonzero(~(np.abs(off[rows]) <= 100.0 * HORIZON_ALPHA))
        first = int(outside[-1]) + 1 if len(outside) else 0
        shares.append(1.0 - float(lived[rows[first]]) if first < len(rows) else 0.0)
    return float(np.mean(shares)) if shares else float("nan")


def _relative_error(verdicts: Verdicts, lived: FloatArray) -> float:
    truth = np.where(verdicts.truth.rul_hours > 0.0, verdicts.truth.rul_hours, np.nan)
    errors = np.where(lived >= _THIRDS[2], np.abs(verdicts.told.rul_median - truth) / truth, np.nan)
    known = [found[~np.isnan(found)] for life in verdicts.lives if len(found := errors[life.start : life.stop])]
    medians = [float(np.median(found)) for found in known if len(found)]
    return float(np.median(medians)) if medians else float("nan")
