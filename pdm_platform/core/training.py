"""From features of whole life cycles to two models: which state a pump is in, and how much health it has left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.errors import TrainingError
from pdm_platform.contract.states import STATES
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES
from pdm_platform.core.serving import CONTRACT_KEY

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TextArray = NDArray[np.str_]
SPEEDS: Final = ("stress", "accelerated", "nominal")
OPSET: Final = {"": 18, "ai.onnx.ml": 3}
# Halfway between the sampling intervals of the speeds: 1, 2 and 10 s.
_STRESS_UP_TO_S, _ACCELERATED_UP_TO_S = 1.5, 5.0
# Small trees, many readings a leaf: readings of one life are alike, and a leaf must not learn a single life by heart.
_TREES: Final[dict[str, Any]] = {
    "max_iter": 60,
    "learning_rate": 0.15,
    # weighted binning costs more than the trees: 255 bins take 9 s for 32,000 readings, 127 take 5 s, F1 is the same
    "max_bins": 127,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    # the library's own early stopping would hold out random readings, which have siblings of the same life in training
    "early_stopping": False,
}


@dataclass(frozen=True, slots=True)
class Lives:
    """Labelled readings of whole lives: n rows, a life's rows in the order of time.

    features: (n, F) as FEATURE_NAMES; state_index: (n,) into STATES; health_percent: (n,) 0 to 100; rul_hours: (n,)
    hours, NaN where unknown; time_ns: (n,) int64 ns UTC; device_ids: (n,) text.
    """

    features: FloatArray
    state_index: IntArray
    health_percent: FloatArray
    rul_hours: FloatArray
    time_ns: IntArray
    device_ids: TextArray

    def __len__(self) -> int:
        return len(self.time_ns)

    def of(self, devices: Sequence[str]) -> "Lives":
        """The rows of these devices only, in the same order."""
        return self.rows(np.flatnonzero(np.isin(self.device_ids, np.asarray(devices, dtype=np.str_))))

    def rows(self, index: IntArray) -> "Lives":
        """The rows at these positions."""
        return Lives(
            self.features[index],
            self.state_index[index],
            self.health_percent[index],
            self.rul_hours[index],
            self.time_ns[index],
            self.device_ids[index],
        )


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """Two scikit-learn estimators: `state` tells the index into STATES, `health` percent."""

    state: Any
    health: Any
    feature_names: tuple[str, ...] = FEATURE_NAMES
    feature_contract: str = FEATURE_CONTRACT


def speed_of(time_ns: IntArray) -> str:
    """Speed of one life by its median sampling interval: stress (to 1.5 s), accelerated (to 5 s), nominal.

    A single reading has no interval and counts as nominal.
    """
    if len(time_ns) < 2:
        return SPEEDS[2]
    interval_s = float(np.median(np.diff(np.sort(time_ns)))) / NS_PER_S
    return SPEEDS[(interval_s > _STRESS_UP_TO_S) + (interval_s > _ACCELERATED_UP_TO_S)]


def speeds_of(device_ids: TextArray, time_ns: IntArray) -> dict[str, str]:
    """Speed of each device's life, by device id in alphabetical order."""
    devices, owner = np.unique(np.asarray(device_ids, dtype=np.str_), return_inverse=True)
    by_owner = np.split(time_ns[np.argsort(owner, kind="stable")], np.cumsum(np.bincount(owner))[:-1])
    return {str(device): speed_of(times) for device, times in zip(devices, by_owner, strict=False)}


def split_by_pump(
    device_ids: TextArray, time_ns: IntArray, *, unseen_share: float = 0.3, seed: int
) -> tuple[list[str], list[str]]:
    """Divide pumps, never readings, into those to train on and those the model must not have seen.

    Drawn within each speed, so that both sides have a pump of every speed that has at least two; a speed's only pump
    is trained on. Returns both lists sorted. Raises TrainingError where no pump would be left on one side.
    """
    speeds = speeds_of(device_ids, time_ns)
    draw = np.random.default_rng(seed)
    train: list[str] = []
    unseen: list[str] = []
    for speed in SPEEDS:
        pumps = draw.permutation([device for device, found in speeds.items() if found == speed]).tolist()
        held = min(max(round(len(pumps) * unseen_share), 1), len(pumps) - 1) if pumps else 0
        unseen += pumps[:held]
        train += pumps[held:]
    if not train or not unseen:
        raise TrainingError(
            f"{len(speeds)} pump(s) cannot be divided into some to train on and some to judge by",
            hint="At least two life cycles of one speed are needed: `pdmctl simulate training` publishes more.",
        )
    return sorted(train), sorted(unseen)


def row_weights(lives: Lives) -> FloatArray:
    """Weight of each row, shape (n,), mean 1: every state counts the same, and within it every life.

    Else a life of 10,000 readings would drown fifty short ones, and the healthy majority the failures.
    """
    _, life = np.unique(lives.device_ids, return_inverse=True)
    cell = life * len(STATES) + lives.state_index
    weight = 1.0 / np.bincount(cell)[cell]
    lives_in_state = np.bincount(lives.state_index, weights=weight, minlength=len(STATES))
    weight /= lives_in_state[lives.state_index]
    return np.asarray(weight * (len(weight) / weight.sum()), np.float64)


def train(lives: Lives, *, seed: int, progress: Callable[[str], None]) -> TrainedModel:
    """Fit the state classifier and the health regressor. The same rows and seed give the same model.

    Raises TrainingError where there are no rows, or where one of the four states does not occur.
    """
    # 1 s, for those who train only
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits  # scikit-learn requires it

    _require_all_states(lives)
    weight = row_weights(lives)
    features = _trainable(lives.features)
    # a second thread saves little, and beside other busy processes the two wait for each other: 5 s become 20 s
    with threadpool_limits(1):
        progress(f"state classifier: {len(lives)} readings of {len(np.unique(lives.device_ids))} pumps")
        state = HistGradientBoostingClassifier(random_state=seed, **_TREES).fit(features, lives.state_index, weight)
        progress("health regressor")
        health = HistGradientBoostingRegressor(random_state=seed, **_TREES).fit(features, lives.health_percent, weight)
    return TrainedModel(state, health)


def _trainable(features: FloatArray) -> NDArray[np.float32]:
    """As served, so that thresholds fall between float32 values; a column that is never known becomes constant.

    scikit-learn 1.9 cannot bin a column of NaN alone. No tree splits on a constant, so serving never asks for it.
    """
    narrow = features.astype(np.float32)
    narrow[:, np.isnan(narrow).all(axis=0)] = 0.0
    return narrow


def _require_all_states(lives: Lives) -> None:
    rows = np.bincount(lives.state_index, minlength=len(STATES))
    if rows.min() == 0:
        found = ", ".join(f"{count} {state}" for state, count in zip(STATES, rows, strict=True) if count)
        raise TrainingError(
            f"the training readings hold {found or 'no row at all'}, but all of {', '.join(STATES)} are needed",
            hint="Widen the training window, or publish lives that run to the end: `pdmctl simulate training`.",
        )


def to_onnx(model: TrainedModel) -> dict[str, bytes]:
    """Both models as ONNX, as "state.onnx" and "health.onnx", stamped with the feature contract.

    Input `features`, float32 (n, F); outputs `probabilities` (n, 4) and `variable` (n, 1, percent).
    """
    return {"state.onnx": _converted("state", model), "health.onnx": _converted("health", model)}


def _converted(name: str, model: TrainedModel) -> bytes:
    from skl2onnx import to_onnx as convert
    from skl2onnx.common.data_types import FloatTensorType

    estimator = getattr(model, name)
    proto = convert(
        estimator,
        name=name,
        initial_types=[("features", FloatTensorType([None, len(model.feature_names)]))],
        options={id(estimator): {"zipmap": False}} if name == "state" else None,
        target_opset=dict(OPSET),
    )
    stamp = proto.metadata_props.add()
    stamp.key, stamp.value = CONTRACT_KEY, model.feature_contract
    return bytes(proto.SerializeToString())
