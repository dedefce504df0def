"""Intervals made honest: how far quantile models must be widened so that they hold the truth as often as they say.

Source: Romano, Patterson, Candès, Conformalized quantile regression, NeurIPS 2019; by group: Vovk, Gammerman, Shafer,
Algorithmic learning in a random world, 2005, 4.5 (Mondrian); scores out of fold: Barber et al., Predictive inference
with the jackknife+, Ann. Statist. 49, 2021.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
COVERAGE: Final = 0.9
# A group with fewer lives borrows from all lives: a quantile of so few scores would be their maximum.
_OWN_LIVES: Final = 10.0


def scores(lower: FloatArray, upper: FloatArray, truth: FloatArray) -> FloatArray:
    """How far the truth lies outside its interval, shape (n,); negative inside: the distance to the nearer bound."""
    return np.maximum(lower - truth, truth - upper)


def life_weights(life: NDArray[np.generic]) -> FloatArray:
    """Weight of each row, shape (n,), so that every life counts 1 in all: rows of one life are alike."""
    _, owner, counts = np.unique(life, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[owner], np.float64)


def correction(score: FloatArray, life: NDArray[np.generic], *, coverage: float = COVERAGE) -> float:
    """What both bounds are moved outward by (inward where negative): the quantile of the scores, lives weighted alike.

    score: (n,) of rows that the models were not fitted on; life: (n,) to which life each belongs. The level is raised
    by one life, (L + 1) / L, as a finite sample demands; inf where L lives are too few for it. Raises ValueError where
    there is no row.
    """
    if not len(score):
        raise ValueError("an interval cannot be calibrated without a life")
    weight = life_weights(life)
    lives = weight.sum()
    order = np.argsort(score, kind="stable")
    cumulated = np.cumsum(weight[order])
    place = np.searchsorted(cumulated, coverage * (lives + 1.0) - 1e-9)
    return float(score[order[place]]) if place < len(order) else float("inf")


def corrections(
    score: FloatArray, life: NDArray[np.generic], group: IntArray, groups: int, *, coverage: float = COVERAGE
) -> FloatArray:
    """One correction a group, shape (groups,), each drawn towards that of all lives the fewer lives the group has.

    group: (n,) index of each row's group. A group without lives gets that of all.
    """
    pooled = correction(score, life, coverage=coverage)
    found = np.full(groups, pooled)
    for index in range(groups):
        rows = group == index
        if rows.any():
            lives = len(np.unique(life[rows]))
            own = correction(score[rows], life[rows], coverage=coverage)
            own = own if np.isfinite(own) else float(score[rows].max())
            share = lives / (lives + _OWN_LIVES)
            found[index] = share * own + (1.0 - share) * pooled
    return found
