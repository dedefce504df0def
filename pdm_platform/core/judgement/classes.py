"""How well states and failure modes were told: confusion, F1 with the doubt that few pumps leave, changes of mind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.contract.states import STATES
from pdm_platform.core.judgement.verdicts import (
    HEALTHY,
    BoolArray,
    FloatArray,
    IntArray,
    Verdicts,
)
from pdm_platform.core.judgement.weights import life_weights, ratio

_RESAMPLES: Final = 500
_HOURS_PER_DAY: Final = 24.0
STATE_NAMES: Final = tuple(str(state) for state in STATES)
MODE_NAMES: Final = tuple(str(mode) for mode in MODE_CLASSES)


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Figures in which each life counts the same, by class in the order of `names`; NaN for a class without a case.

    confusion: counts of readings, rows true, columns told. lives: in how many a class occurs. macro_f1_low, _high:
    between them lie 90 % of the F1 when lives are drawn anew. macro_f1_readings: each reading counts the same.
    """

    names: tuple[str, ...]
    confusion: list[list[int]]
    lives: list[int]
    precision: list[float]
    recall: list[float]
    f1: list[float]
    macro_f1: float
    macro_f1_low: float
    macro_f1_high: float
    macro_f1_readings: float


def score_states(verdicts: Verdicts, speed: str | None = None) -> ClassScores:
    """The told state against the true one, over all readings or those of the lives of one speed."""
    chosen = np.array([speed is None or life.speed == speed for life in verdicts.lives], np.bool_)[verdicts.owner]
    return score(verdicts.truth.state_index, verdicts.told.state_index, verdicts.owner, chosen, STATE_NAMES)


def score_modes(verdicts: Verdicts) -> ClassScores:
    """The told mode against the true one, where there is one to tell: worse than HEALTHY, or a pump that does not wear.

    What wears a pump that is as good as new cannot be seen, and nobody asks.
    """
    truth = verdicts.truth
    asked = ((truth.state_index > HEALTHY) | ~truth.wearing) & (truth.mode_index >= 0) & (verdicts.told.mode_index >= 0)
    return score(truth.mode_index, verdicts.told.mode_index, verdicts.owner, asked, MODE_NAMES)


def score(true: IntArray, told: IntArray, owner: IntArray, where: BoolArray, names: Sequence[str]) -> ClassScores:
    """true, told: (n,) index into names. owner: (n,) index of each row's life. where: (n,) the rows that count."""
    size = len(names)
    lives = int(owner.max(initial=-1)) + 1
    cells = (owner[where] * size + true[where]) * size + told[where]
    by_life = _tensor(np.bincount(cells, minlength=lives * size * size), size)
    weighted = np.bincount(cells, weights=life_weights(owner, where)[where], minlength=lives * size * size)
    shares: FloatArray = _tensor(weighted, size)
    counts, total = by_life.sum(axis=0), shares.sum(axis=0)
    hits = np.diag(total)
    f1 = _f1(total)
    low, high = _redrawn(shares)
    return ClassScores(
        names=tuple(names),
        confusion=counts.astype(np.int64).tolist(),
        lives=(by_life.sum(axis=2) > 0).sum(axis=0).tolist(),
        precision=_divided(hits, total.sum(axis=0)).tolist(),
        recall=_divided(hits, total.sum(axis=1)).tolist(),
        f1=f1.tolist(),
        macro_f1=_mean(f1),
        macro_f1_low=low,
        macro_f1_high=high,
        macro_f1_readings=_mean(_f1(counts)),
    )


def _tensor(cells: Any, size: int) -> FloatArray:
    """One confusion matrix a life."""
    return np.asarray(cells, np.float64).reshape(-1, size, size)


def _f1(counts: FloatArray) -> FloatArray:
    """Of confusion matrices (..., k, k), shape (..., k)."""
    hits: FloatArray = np.diagonal(counts, axis1=-2, axis2=-1)
    return _divided(2.0 * hits, counts.sum(axis=-1) + counts.sum(axis=-2))


def _divided(part: FloatArray, whole: FloatArray) -> FloatArray:
    share: FloatArray = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0.0)
    return share


def _mean(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _redrawn(shares: FloatArray) -> tuple[float, float]:
    """Bounds of 90 % of the macro F1 over draws of as many lives, with replacement (Efron's bootstrap)."""
    lives = np.flatnonzero(shares.sum(axis=(1, 2)) > 0.0)
    if len(lives) < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(0).multinomial(len(lives), np.full(len(lives), 1.0 / len(lives)), size=_RESAMPLES)
    f1 = _f1(np.tensordot(drawn.astype(np.float64), shares[lives], axes=1))
    low, high = np.quantile(np.nanmean(f1, axis=1), [0.05, 0.95])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Flips:
    """Changes of the told state, and how many there truly were."""

    flips: int
    true_changes: int
    per_pump_day: float
    per_1000_readings: float


def count_flips(verdicts: Verdicts) -> Flips:
    """How often the told state changes from one reading of a life to its next."""
    within = np.diff(verdicts.owner) == 0
    told, true = (np.diff(side.state_index) != 0 for side in (verdicts.told, verdicts.truth))
    flips = int((told & within).sum())
    return Flips(
        flips=flips,
        true_changes=int((true & within).sum()),
        per_pump_day=ratio(flips, verdicts.pump_hours / _HOURS_PER_DAY),
        per_1000_readings=ratio(1_000.0 * flips, len(verdicts)),
    )
