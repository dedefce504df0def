"""The served models: what they answer, and which files they refuse."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pdm_platform.core.features import FEATURE_NAMES
from pdm_platform.core.serving import ModelError, ServingModel
from pdm_platform.core.training import Lives


def restamped(model: bytes, contract: str) -> bytes:
    proto = onnx.load_from_string(model)
    proto.metadata_props[0].value = contract
    return bytes(proto.SerializeToString())


def test_states_and_health_of_unseen_pumps_are_mostly_right(served: ServingModel, sides: tuple[Lives, Lives]) -> None:
    output = served.predict(sides[1].features)

    assert (output.state_index == sides[1].state_index).mean() > 0.8
    assert np.abs(output.health_percent - sides[1].health_percent).mean() < 8.0


@given(
    features=arrays(
        np.float64,
        (3, len(FEATURE_NAMES)),
        elements=st.floats(allow_nan=True, allow_infinity=True),
    )
)
def test_whatever_comes_in_the_answer_keeps_the_contract(served: ServingModel, features: np.ndarray) -> None:
    output = served.predict(features)

    assert (output.probabilities >= 0.0).all()
    assert (output.probabilities <= 1.0).all()
    assert output.probabilities.sum(axis=1) == pytest.approx(1.0)
    assert ((output.health_percent >= 0.0) & (output.health_percent <= 100.0)).all()


def test_a_batch_is_answered_as_its_single_readings_are(served: ServingModel, sides: tuple[Lives, Lives]) -> None:
    features = sides[1].features[:200]

    together = served.predict(features)
    alone = [served.predict(features[row : row + 1]) for row in range(200)]

    assert np.concatenate([each.probabilities for each in alone]) == pytest.approx(together.probabilities, abs=1e-6)
    assert np.concatenate([each.health_percent for each in alone]) == pytest.approx(together.health_percent, abs=1e-4)


def test_an_empty_batch_has_an_empty_answer(served: ServingModel) -> None:
    output = served.predict(np.empty((0, len(FEATURE_NAMES))))

    assert output.probabilities.shape == (0, 4)
    assert output.state_index.shape == output.health_percent.shape == (0,)


def test_features_of_another_width_are_refused(served: ServingModel) -> None:
    with pytest.raises(ValueError, match=r"expected \(n, 41\)"):
        served.predict(np.zeros((1, 3)))


def test_a_file_that_is_no_model_is_refused_naming_which(onnx_files: dict[str, bytes]) -> None:
    with pytest.raises(ModelError, match="the health model cannot be served: ONNX Runtime cannot load it"):
        ServingModel.from_bytes(onnx_files["state.onnx"], b"no model")


def test_a_model_for_other_features_is_refused(onnx_files: dict[str, bytes]) -> None:
    other = restamped(onnx_files["state.onnx"], "f" * 64)

    with pytest.raises(ModelError, match="the state model cannot be served: it was made for feature contract ffff"):
        ServingModel.from_bytes(other, onnx_files["health.onnx"])


def test_models_in_each_others_place_are_refused(onnx_files: dict[str, bytes]) -> None:
    with pytest.raises(ModelError, match="the state model cannot be served: it maps"):
        ServingModel.from_bytes(onnx_files["health.onnx"], onnx_files["state.onnx"])
