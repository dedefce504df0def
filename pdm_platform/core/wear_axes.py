"""Few wear axes for many quantities: a machine wears along few directions, so its sensors repeat each other.

What the fold remembers of each quantity is looked at in nine ways, and every way is projected on the same axes: the
main directions in which quantities leave their healthy baseline. Trees on the axes err less than trees on all
quantities: noise averages out before they see it. A projection is linear, so it is served as ONNX like everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from pdm_platform.core.signal_memory import BASELINE_READINGS
from pdm_platform.core.signals import AGE_HOURS, INTERVAL_S, LAGS_HOURS, SignalSpec

FloatArray = NDArray[np.float64]
# d_: less the healthy baseline. rate_: per hour, from short to medium, medium to long, short to baseline.
VIEWS: Final = (
    *("short", "medium", "long", "d_short", "d_medium", "d_long"),
    *("rate_short", "rate_medium", "rate_baseline"),
)
_LEVELS: Final = ("level", "medium", "long", "baseline")
_S_PER_HOUR: Final = 3_600.0
# Closer together than so many readings, two levels share most of their noise, and their slope says nothing.
_LEAST_SLOPE_READINGS: Final = 3.0


@dataclass(frozen=True, slots=True)
class FleetScale:
    """What is usual in a fleet: mean and standard deviation of each quantity, shapes (Q,), in the quantity's unit."""

    quantities: tuple[str, ...]
    mean: FloatArray
    sd: FloatArray


def fleet_scale(features: NDArray[np.floating[Any]], spec: SignalSpec, quantities: Sequence[str]) -> FleetScale:
    """Mean and standard deviation over feature rows (n, F) of `fold`; of the readings themselves where they are there.

    A quantity that never varies gets 1: it stays 0 when standardised. Raises ValueError for an unknown quantity.
    """
    if unknown := [name for name in quantities if name not in spec.quantities]:
        raise ValueError(f"{unknown} are no quantities; there are {spec.quantities}")
    names = [name if name in spec.channels else f"{name}_level" for name in quantities]
    values = _columns(features, spec, names)
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / count
    sd = np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / count)
    return FleetScale(tuple(quantities), mean, np.where(sd > 0.0, sd, 1.0))


def wear_views(features: NDArray[np.floating[Any]], spec: SignalSpec, scale: FleetScale) -> NDArray[np.float32]:
    """The views of feature rows, (n, F) of `fold`, standardised: shape (n, 9 Q + 1), view after view, last the age.

    Rates are per hour, the age is in hours. What was never measured counts as the fleet's mean.
    """
    short, medium, long, baseline = (
        (_columns(features, spec, [f"{name}_{level}" for name in scale.quantities]) - scale.mean) / scale.sd
        for level in _LEVELS
    )
    age_h, interval_s, seen, *lags_h = _columns(features, spec, [AGE_HOURS, INTERVAL_S, "readings_seen", *LAGS_HOURS]).T
    short_h, medium_h, long_h = lags_h
    interval_h = np.maximum(interval_s / _S_PER_HOUR, 1e-9)
    # the baseline's readings lie, on average, in the middle of the first 30
    baseline_h = age_h - (np.minimum(seen, BASELINE_READINGS) - 1.0) / 2.0 * interval_h
    told = long_h - medium_h >= _LEAST_SLOPE_READINGS * interval_h
    views = (
        *(short, medium, long, short - baseline, medium - baseline, long - baseline),
        (short - medium) / np.maximum(medium_h - short_h, interval_h)[:, None],
        np.where(told[:, None], (medium - long) / np.where(told, long_h - medium_h, 1.0)[:, None], 0.0),
        (short - baseline) / np.maximum(baseline_h - short_h, interval_h)[:, None],
    )
    return np.asarray(np.nan_to_num(np.column_stack([*views, age_h])), np.float32)


def _columns(features: NDArray[np.floating[Any]], spec: SignalSpec, names: Sequence[str]) -> FloatArray:
    place = {name: index for index, name in enumerate(spec.feature_names)}
    return np.asarray(features[:, [place[name] for name in names]], np.float64)


class OnWearAxes:
    """A regressor that sees wear views through a few axes, found when it is fitted.

    axes: how many, at most one a quantity. regressor: unfitted, with scikit-learn's fit and predict. Learned:
    components, shape (axes, Q), rows of unit length: principal components of the view `d_short`.
    """

    components: FloatArray

    def __init__(self, axes: int, regressor: Any) -> None:
        self.axes, self.regressor = axes, regressor

    def fit(self, views: NDArray[np.float32], target: FloatArray, sample_weight: FloatArray | None = None) -> Self:
        """views: (n, 9 Q + 1) of `wear_views`; target, sample_weight: (n,)."""
        quantities = (views.shape[1] - 1) // len(VIEWS)
        start = VIEWS.index("d_short") * quantities
        left = views[:, start : start + quantities].astype(np.float64)
        covariance = np.cov(left, rowvar=False).reshape(quantities, quantities)
        _, vectors = np.linalg.eigh(covariance)  # ascending
        components = vectors[:, ::-1].T[: self.axes]
        # an axis has no direction of its own: its largest part points up, so that the same data give the same trees
        largest = np.abs(components).argmax(axis=1)[:, None]
        self.components = components * np.sign(np.take_along_axis(components, largest, axis=1))
        weighted = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.regressor.fit(self.project(views), target, **weighted)
        return self

    def project(self, views: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 9 Q + 1) to (n, 9 axes + 1): each view on the same axes, the age as it is."""
        by_view = views[:, :-1].astype(np.float64).reshape(len(views), len(VIEWS), -1)
        on_axes = np.einsum("nvq,aq->nva", by_view, self.components).reshape(len(views), -1)
        return np.column_stack([on_axes, views[:, -1]]).astype(np.float32)

    def predict(self, views: NDArray[np.float32]) -> FloatArray:
        """Shape (n,)."""
        return np.asarray(self.regressor.predict(self.project(views)), np.float64)

    def exportable(self) -> Any:
        """The same as a pipeline that skl2onnx knows: a block-diagonal TruncatedSVD, then the regressor."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.pipeline import make_pipeline

        axes, quantities = self.components.shape
        blocks = np.zeros((len(VIEWS) * axes + 1, len(VIEWS) * quantities + 1))
        blocks[:-1, :-1] = np.kron(np.eye(len(VIEWS)), self.components)
        blocks[-1, -1] = 1.0
        projection = TruncatedSVD(len(blocks))
        projection.components_, projection.n_features_in_ = blocks, blocks.shape[1]
        return make_pipeline(projection, self.regressor)
