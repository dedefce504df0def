"""Intervals made honest: quantiles of what models missed on lives they had not seen, added to what they predict now.

Source: split conformal prediction by group, Vovk, Gammerman, Shafer, Algorithmic learning in a random world, 2005, 4.5
(Mondrian); residuals out of fold: Barber et al., Predictive inference with the jackknife+, Ann. Statist. 49, 2021.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
COVERAGE: Final = 0.9
# Levels of prediction with residuals of their own: near the end of life a model errs less than halfway.
LEVELS: Final = 5
# A group with fewer lives borrows from all lives: a quantile of so few residuals would be their maximum.
_OWN_LIVES: Final = 8.0


@dataclass(frozen=True, slots=True)
class Offsets:
    """What is added to a prediction to get its bounds and its middle.

    edges: (LEVELS - 1,) ascending, levels of the prediction. by_group: (groups, LEVELS, 3): lower, middle, upper.
    """

    edges: FloatArray
    by_group: FloatArray

    def interval(self, predicted: FloatArray, group: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lower bound, middle and upper bound, each (n,). predicted: (n,); group: (n,) index into by_group."""
        offset = self.by_group[group, np.searchsorted(self.edges, predicted, side="right")]
        lower, middle, upper = (predicted + offset[:, column] for column in range(3))
        return lower, middle, upper


def life_weights(life: NDArray[np.generic]) -> FloatArray:
    """Weight of each row, shape (n,), so that every life counts 1 in all: rows of one life are alike."""
    _, owner, counts = np.unique(life, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[owner], np.float64)


def weighted_quantile(values: FloatArray, weights: FloatArray, share: float) -> float:
    """Smallest value at or below which at least `share` of the weight lies; the largest where there is no such value."""
    order = np.argsort(values, kind="stable")
    cumulated = np.cumsum(weights[order])
    place = int(np.searchsorted(cumulated, share * cumulated[-1] - 1e-9))
    return float(values[order[min(place, len(order) - 1)]])


def calibrated(
    predicted: FloatArray,
    truth: FloatArray,
    life: NDArray[np.generic],
    group: IntArray,
    groups: int,
    *,
    coverage: float = COVERAGE,
) -> Offsets:
    """Offsets from predictions of models that had not seen the life they judge.

    predicted, truth: (n,); life: (n,) which life a row belongs to, lives weighted alike; group: (n,) Mondrian group of
    each row, of `groups`. Each level of prediction is calibrated by itself, each group is drawn towards all lives the
    fewer lives it has. The quantiles are those of a finite sample of lives, (L + 1) / L further out. Raises ValueError
    where there is no row.
    """
    if not len(predicted):
        raise ValueError("an interval cannot be calibrated without a life")
    weight = life_weights(life)
    edges = np.array([weighted_quantile(predicted, weight, share) for share in np.arange(1, LEVELS) / LEVELS])
    level = np.searchsorted(edges, predicted, side="right")
    missed = truth - predicted
    by_group = np.empty((groups, LEVELS, 3))
    for index in range(LEVELS):
        rows = level == index
        pooled = _quantiles(missed[rows], life[rows], coverage) if rows.any() else _quantiles(missed, life, coverage)
        for member in range(groups):
            own = rows & (group == member)
            by_group[member, index] = pooled
            if own.any():
                lives = len(np.unique(life[own]))
                share = lives / (lives + _OWN_LIVES)
                by_group[member, index] += share * (_quantiles(missed[own], life[own], coverage) - pooled)
    return Offsets(edges, by_group)


def _quantiles(missed: FloatArray, life: NDArray[np.generic], coverage: float) -> FloatArray:
    weight, lives = life_weights(life), len(np.unique(life))
    tail = (1.0 - coverage) / 2.0
    further = min((1.0 - tail) * (lives + 1) / lives, 1.0)
    return np.array([weighted_quantile(missed, weight, share) for share in (1.0 - further, 0.5, further)])
