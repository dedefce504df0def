"""Is a reading like anything that was seen on healthy pumps? What no model was trained on must not pass for known."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.errors import TrainingError
from pdm_platform.contract.states import STATES, State
from pdm_platform.core import trees
from pdm_platform.core.features import FEATURE_NAMES, PUMP_SPEC
from pdm_platform.core.lives import Lives, evenly
from pdm_platform.core.signal_memory import BASELINE_READINGS

FloatArray = NDArray[np.float64]
# How far a pump is from its own healthy baseline; levels themselves differ between pumps.
# A drive that asks for another speed changes the first by half, and the second is temperature and current once more:
# with them worn pumps stand out less from healthy ones.
_LEFT_OUT: Final = ("slip_per_current", "temperature_beyond_load")
NOVELTY_COLUMNS: Final = tuple(
    FEATURE_NAMES.index(f"{name}_{what}")
    for name in PUMP_SPEC.quantities
    if name not in _LEFT_OUT
    for what in ("change", "spread_ratio")
)
_SEEN, _RUNNING = FEATURE_NAMES.index("readings_seen"), FEATURE_NAMES.index("running")
_ROWS_OF_A_LIFE: Final = 80
_TREES: Final = 50
_ROWS_OF_A_TREE: Final = 128
# of the ONNX file, as old as opset 18
_IR_VERSION: Final = 8
# one healthy reading in two hundred may look new
_HEALTHY_SHARE: Final = 0.995


@dataclass(frozen=True, slots=True)
class NoveltyModel:
    """An isolation forest of healthy operation, and the score above which a reading is novel."""

    forest: Any
    limit: float


def fit_novelty(lives: Lives, *, seed: int) -> NoveltyModel:
    """Learn healthy operation from pumps that are HEALTHY, run, are not disturbed, and whose sensors do not lie.

    Raises TrainingError where there is no such reading. Source: Liu, Ting, Zhou, Isolation forest, ICDM 2008.
    """
    from sklearn.ensemble import IsolationForest

    healthy = np.flatnonzero(
        (lives.state_index == STATES.index(State.HEALTHY))
        & (lives.sensor_fault == "")
        & (lives.disturbance == "")
        & (lives.features[:, _SEEN] >= BASELINE_READINGS)
        & (lives.features[:, _RUNNING] > 0.0)
    )
    if not len(healthy):
        raise TrainingError(
            f"no pump is healthy, runs and is undisturbed after its first {BASELINE_READINGS} readings",
            hint="Publish lives that start healthy: `pdmctl simulate training`.",
        )
    life = np.unique(lives.device_ids[healthy], return_inverse=True)[1]
    rows = np.nan_to_num(lives.features[healthy[evenly(life, _ROWS_OF_A_LIFE)]][:, NOVELTY_COLUMNS])
    forest = IsolationForest(n_estimators=_TREES, max_samples=_ROWS_OF_A_TREE, random_state=seed).fit(rows)
    return NoveltyModel(forest, float(np.quantile(-forest.score_samples(rows), _HEALTHY_SHARE)))


def forest_to_onnx(forest: Any, metadata: dict[str, str]) -> bytes:
    """A fitted IsolationForest as one ensemble of trees: input `features` (n, F), output `scores` (n, 1).

    `scores` is scikit-learn's decision_function: -2^(-depth / expected depth) - offset_, depth the sum over the trees
    of the edges to a reading's leaf and the expected depth of the training readings in it (Liu, Ting, Zhou 2008, 2).
    skl2onnx writes a graph of some thirty nodes for each tree: 0.7 s to load instead of 0.01, and 0.5 ms for a reading.
    """
    from onnx import TensorProto, helper, numpy_helper

    trees_of = [estimator.tree_ for estimator in forest.estimators_]
    expected = len(trees_of) * float(_expected_depth(np.array([forest.max_samples_]))[0])
    constants = {"per_depth": -1.0 / expected, "two": 2.0, "offset": float(forest.offset_)}
    graph = helper.make_graph(
        [
            _ensemble([(tree, _leaf_depths(tree)) for tree in trees_of]),
            helper.make_node("Mul", ["depth", "per_depth"], ["exponent"]),
            helper.make_node("Pow", ["two", "exponent"], ["score"]),
            helper.make_node("Neg", ["score"], ["score_samples"]),
            helper.make_node("Sub", ["score_samples", "offset"], ["scores"]),
        ],
        "novelty",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, forest.n_features_in_])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(np.array([value], np.float32), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in trees.OPSET.items()]
    return trees.stamped(helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION), metadata)


def _expected_depth(readings: NDArray[np.int64]) -> FloatArray:
    """Mean depth of a leaf in a random tree of so many readings, shape (n,). Source: as above, equation 1."""
    n = np.maximum(readings, 2).astype(np.float64)
    depth = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return np.where(readings > 2, depth, (readings == 2).astype(np.float64))


def _leaf_depths(tree: Any) -> FloatArray:
    """Of each node: edges from the root, and the expected depth of what fell into it. Only leaves are asked."""
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # a parent stands before its children
        for child in (tree.children_left[node], tree.children_right[node]):
            if child >= 0:
                depth[child] = depth[node] + 1.0
    return np.asarray(depth + _expected_depth(tree.n_node_samples), np.float64)


def _ensemble(found: list[tuple[Any, FloatArray]]) -> Any:
    """TreeEnsembleRegressor that sums the leaves' depths into `depth`, shape (n, 1)."""
    from onnx import helper

    tree_ids = np.concatenate([np.full(tree.node_count, number) for number, (tree, _) in enumerate(found)])
    node_ids = np.concatenate([np.arange(tree.node_count) for tree, _ in found])
    left, right = (
        np.concatenate([getattr(tree, side) for tree, _ in found]) for side in ("children_left", "children_right")
    )
    leaf = left < 0
    exact = np.concatenate([tree.threshold for tree, _ in found])
    thresholds = exact.astype(np.float32)
    # rounded down: a float32 that is not above the exact threshold must not be above the narrow one either
    thresholds = np.where(thresholds > exact, np.nextafter(thresholds, np.float32(-np.inf)), thresholds)
    weights = np.concatenate([depths for _, depths in found])[leaf]
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["features"],
        ["depth"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=tree_ids.tolist(),
        nodes_nodeids=node_ids.tolist(),
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_featureids=np.where(leaf, 0, np.concatenate([tree.feature for tree, _ in found])).tolist(),
        nodes_values=np.where(leaf, 0.0, thresholds).tolist(),
        nodes_truenodeids=np.where(leaf, 0, left).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, right).tolist(),
        target_treeids=tree_ids[leaf].tolist(),
        target_nodeids=node_ids[leaf].tolist(),
        target_ids=[0] * int(leaf.sum()),
        target_weights=weights.tolist(),
    )
