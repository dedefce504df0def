"""Gradient-boosted trees as they are fitted here: reproducible, on one thread, as they will be served."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

OPSET: Final = {"": 18, "ai.onnx.ml": 3}


@dataclass(frozen=True, slots=True)
class TreeSettings:
    """Hyper-parameters of HistGradientBoosting, in scikit-learn's own words.

    Small trees, many readings a leaf: readings of one life are alike, and a leaf must not learn a single life by heart.
    """

    max_iter: int = 80
    learning_rate: float = 0.1
    max_leaf_nodes: int = 15
    min_samples_leaf: int = 40
    l2_regularization: float = 1.0
    # binning costs as much as the trees: 12,000 readings take 3.5 s with 127 bins and 2.1 s with 63, F1 is the same
    max_bins: int = 63
    max_features: float = 0.3


def classifier(settings: TreeSettings, seed: int) -> Any:
    """An unfitted HistGradientBoostingClassifier."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # 1 s, for those who train only

    # the library's own early stopping would hold out random readings, which have siblings of the same life in training
    return HistGradientBoostingClassifier(random_state=seed, early_stopping=False, **asdict(settings))


def regressor(settings: TreeSettings, seed: int, *, quantile: float | None = None) -> Any:
    """An unfitted HistGradientBoostingRegressor, of the mean or of a quantile."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    loss = {} if quantile is None else {"loss": "quantile", "quantile": quantile}
    return HistGradientBoostingRegressor(random_state=seed, early_stopping=False, **loss, **asdict(settings))


@contextmanager
def one_thread() -> Iterator[None]:
    """A second thread saves little, and beside other busy processes the two wait for each other: 5 s become 20 s."""
    from threadpoolctl import threadpool_limits  # scikit-learn requires it

    with threadpool_limits(1):
        yield


def trainable(features: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """As served, so that thresholds fall between float32 values; a column that is never known becomes constant.

    scikit-learn 1.9 cannot bin a column of NaN alone. No tree splits on a constant, so serving never asks for it.
    """
    narrow = features.astype(np.float32)
    narrow[:, np.isnan(narrow).all(axis=0)] = 0.0
    return narrow


def to_onnx(name: str, estimator: Any, features: int, metadata: dict[str, str]) -> bytes:
    """A fitted estimator as ONNX: input `features`, float32 (n, features); stamped with the metadata.

    Outputs: `probabilities` (n, classes) of a classifier, `variable` (n, 1) of a regressor.
    """
    from skl2onnx import to_onnx as convert
    from skl2onnx.common.data_types import FloatTensorType

    proto = convert(
        estimator,
        name=name,
        initial_types=[("features", FloatTensorType([None, features]))],
        options={id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None,
        target_opset=dict(OPSET),
    )
    return stamped(proto, metadata)


def stamped(model: Any, metadata: dict[str, str]) -> bytes:
    """An ONNX model with the metadata, as the bytes of its file."""
    for key, value in metadata.items():
        stamp = model.metadata_props.add()
        stamp.key, stamp.value = key, value
    return bytes(model.SerializeToString())
