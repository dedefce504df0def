"""Gradient-boosted trees: reproducible, in float32 as served, and the same as ONNX."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from pdm_platform.core import trees
from pdm_platform.core.trees import OPSET, TreeSettings

FEW = TreeSettings(max_iter=8, min_samples_leaf=5)


def rows(count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Features, some missing, and what follows from them."""
    draw = np.random.default_rng(1)
    features = draw.standard_normal((count, 4)).astype(np.float32)
    target = features[:, 0] + 0.5 * features[:, 1] + 0.1 * draw.standard_normal(count)
    features[::9, 2] = np.nan
    return features, target


def served(model: bytes, features: np.ndarray, output: str) -> Any:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run([output], {"features": features})[0]


def test_settings_are_taken_in_the_librarys_own_words() -> None:
    found = trees.classifier(TreeSettings(max_iter=7, max_leaf_nodes=5, max_features=0.5), seed=3).get_params()

    assert {name: found[name] for name in ("max_iter", "max_leaf_nodes", "max_features", "random_state")} == {
        "max_iter": 7,
        "max_leaf_nodes": 5,
        "max_features": 0.5,
        "random_state": 3,
    }
    assert found["early_stopping"] is False, "it would hold out readings that have siblings in training"


def test_the_same_seed_gives_the_same_trees() -> None:
    features, target = rows()
    settings = TreeSettings(max_iter=5, max_features=0.5, min_samples_leaf=5)

    one, again = (trees.regressor(settings, 1).fit(features, target).predict(features) for _ in range(2))
    other = trees.regressor(settings, 2).fit(features, target).predict(features)

    assert one.tobytes() == again.tobytes() != other.tobytes()


def test_a_quantile_is_below_or_above_the_mean() -> None:
    features, target = rows()

    low, high = (trees.regressor(FEW, 1, quantile=share).fit(features, target) for share in (0.1, 0.9))

    assert (low.predict(features) < high.predict(features)).mean() > 0.95


def test_a_column_that_is_never_known_becomes_constant_and_the_argument_stays() -> None:
    features, target = rows()
    features[:, 3] = np.nan

    narrow = trees.trainable(features.astype(np.float64))

    assert narrow.dtype == np.float32
    assert (narrow[:, 3] == 0.0).all()
    assert np.isnan(narrow[::9, 2]).all()
    assert np.isnan(features[:, 3]).all()
    trees.regressor(FEW, 1).fit(narrow, target)


def test_within_one_thread_no_library_takes_a_second() -> None:
    from threadpoolctl import threadpool_info

    with trees.one_thread():
        assert {pool["num_threads"] for pool in threadpool_info()} <= {1}


@pytest.mark.parametrize("classes", [2, 3])
def test_a_classifier_says_the_same_as_onnx(classes: int) -> None:
    features, target = rows()
    labels = np.digitize(target, np.linspace(-0.5, 0.5, classes - 1))
    model = trees.classifier(FEW, 1).fit(features, labels)

    found = served(trees.to_onnx("state", model, 4, {}), features, "probabilities")

    assert found.shape == (300, classes)
    assert np.quantile(np.abs(found - model.predict_proba(features)), 0.99) < 1e-5


def test_a_regressor_says_the_same_as_onnx() -> None:
    features, target = rows()
    model = trees.regressor(FEW, 1).fit(features, target)

    found = served(trees.to_onnx("health", model, 4, {}), features, "variable")

    assert found.shape == (300, 1)
    assert np.quantile(np.abs(found[:, 0] - model.predict(features)), 0.99) < 1e-5


def test_a_model_is_stamped_and_of_the_opset_it_says() -> None:
    features, target = rows()
    model = trees.regressor(FEW, 1).fit(features, target)

    proto = onnx.load_from_string(trees.to_onnx("health", model, 4, {"feature_contract": "abc"}))

    assert {each.key: each.value for each in proto.metadata_props} == {"feature_contract": "abc"}
    assert all(each.version <= OPSET[each.domain] for each in proto.opset_import)
    assert proto.graph.name == "health"
