"""How long a device will last: quantiles of its remaining life, made honest by conformal prediction by pump.

What is learned is the share of its life that a device has consumed, age / (age + remaining life): it has no unit, so
lives of minutes and of months teach each other. The remaining life follows from it and the device's age.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.core import conformal, trees
from pdm_platform.core.trees import TreeSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
QUANTILES: Final = (0.05, 0.5, 0.95)
FOLDS: Final = 5
# A consumed share of less cannot be told from nothing, and would promise a hundred lives more.
_LEAST_SHARE: Final = 0.01
SETTINGS: Final = TreeSettings(max_iter=80, learning_rate=0.08, max_leaf_nodes=8, min_samples_leaf=30, max_features=0.3)


class Interval(tuple[FloatArray, FloatArray, FloatArray]):
    """lower, median, upper, each of shape (n,)."""


def consumed_share(age_hours: FloatArray, rul_hours: FloatArray) -> FloatArray:
    """Share of its life that a device has consumed, shape (n,), 0 to 1; both arguments in hours."""
    return np.asarray(age_hours / np.maximum(age_hours + rul_hours, 1e-12), np.float64)


def remaining_hours(age_hours: FloatArray, share: FloatArray) -> FloatArray:
    """The inverse of consumed_share, hours, shape (n,). A share of 1 or more has 0 hours left."""
    bounded = np.clip(share, _LEAST_SHARE, 1.0)
    return np.asarray(age_hours * (1.0 - bounded) / bounded, np.float64)


@dataclass(frozen=True, slots=True)
class QuantileModel:
    """Three fitted estimators, of QUANTILES in their order, and what the outer two are moved by in each group."""

    estimators: tuple[Any, Any, Any]
    corrections: FloatArray

    def predict(self, features: NDArray[np.float32], group: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lower bound, median, upper bound of the target, each of shape (n,). group: (n,) index into corrections."""
        lower, middle, upper = (estimator.predict(features) for estimator in self.estimators)
        return widened(lower, middle, upper, self.corrections[group])


def widened(
    lower: FloatArray, middle: FloatArray, upper: FloatArray, by: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Bounds moved outward by `by` (n,), never past the median that lies between them."""
    return np.minimum(lower - by, middle), middle, np.maximum(upper + by, middle)


def fit_quantiles(
    features: NDArray[np.float32],
    target: FloatArray,
    life: NDArray[np.generic],
    group: IntArray,
    groups: int,
    *,
    settings: TreeSettings = SETTINGS,
    seed: int,
    progress: Callable[[str], None],
) -> QuantileModel:
    """Fit the three quantiles on all rows, and calibrate them by models that had not seen the life they judge.

    features: (n, F); target: (n,); life: (n,) which life a row belongs to; group: (n,) Mondrian group, of `groups`.
    Needs two lives at least; raises ValueError below.
    """
    from sklearn.model_selection import GroupKFold

    lives = len(np.unique(life))
    score = np.empty(len(target))
    folds = min(FOLDS, lives)
    if folds < 2:
        raise ValueError(f"{lives} life cannot calibrate an interval: two are needed")
    with trees.one_thread():
        splits = GroupKFold(folds, shuffle=True, random_state=seed).split(features, groups=life)
        for number, (seen, held) in enumerate(splits, start=1):
            progress(f"remaining life: fold {number} of {folds}")
            fitted = _fit(features[seen], target[seen], settings, seed)
            score[held] = conformal.scores(
                fitted[0].predict(features[held]), fitted[2].predict(features[held]), target[held]
            )
        progress(f"remaining life: all {len(target)} readings of {lives} lives")
        estimators = _fit(features, target, settings, seed)
    return QuantileModel(estimators, conformal.corrections(score, life, group, groups))


def _fit(
    features: NDArray[np.float32], target: FloatArray, settings: TreeSettings, seed: int
) -> tuple[Any, Any, Any]:
    lower, middle, upper = (
        trees.regressor(settings, seed, quantile=quantile).fit(trees.trainable(features), target)
        for quantile in QUANTILES
    )
    return lower, middle, upper
