"""The served models: what they answer, and which files they refuse."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.core.features import FEATURE_NAMES
from pdm_platform.core.lives import Lives
from pdm_platform.core.serving import TOLD_FROM_SHARE, ServingModel
from pdm_platform.core.serving_files import SERVING_FILE, ModelError
from pdm_platform.core.signal_memory import BASELINE_READINGS
from pdm_platform.core.training import RAW_COLUMNS

SEEN, AGE = FEATURE_NAMES.index("readings_seen"), FEATURE_NAMES.index("age_hours")
MODELS = ("state", "health", "mode", "life", "novelty")
RAW = ("raw_state", "raw_health")
Files = dict[str, bytes]


def restamped(model: bytes, contract: str) -> bytes:
    proto = onnx.load_from_string(model)
    proto.metadata_props[0].value = contract
    return bytes(proto.SerializeToString())


def other_facts(files: Files, **changes: Any) -> Files:
    """The same files, their facts changed."""
    facts = {**msgspec.json.decode(files[SERVING_FILE]), **changes}
    return {**files, SERVING_FILE: msgspec.json.encode(facts)}


# -- what they answer


def test_states_modes_and_health_of_unseen_pumps_are_mostly_right(served: ServingModel, unseen: Lives) -> None:
    output = served.predict(unseen.features)

    worn = unseen.health_percent < 60.0
    assert (output.state_index == unseen.state_index).mean() > 0.8
    assert (output.mode_index == unseen.mode_index)[worn].mean() > 0.9
    assert np.abs(output.health_percent - unseen.health_percent).mean() < 8.0


def test_the_interval_holds_most_true_remaining_lives(served: ServingModel, unseen: Lives) -> None:
    output = served.predict(unseen.features)

    told = np.isfinite(output.rul_hours)
    lower, upper = output.rul_lower_hours[told], output.rul_upper_hours[told]
    assert ((lower <= output.rul_hours[told]) & (output.rul_hours[told] <= upper)).all()
    assert ((lower <= unseen.rul_hours[told]) & (unseen.rul_hours[told] <= upper)).mean() > 0.8


def test_remaining_life_is_told_of_known_pumps_that_wear_and_of_no_other(served: ServingModel, unseen: Lives) -> None:
    output = served.predict(unseen.features)

    known = unseen.features[:, SEEN] >= BASELINE_READINGS
    told = np.isfinite(output.rul_hours)
    assert (output.provisional == ~known).all()
    assert not told[~known | (unseen.health_percent > 90.0)].any()
    assert told[known & (unseen.health_percent < 30.0)].all()
    assert (output.consumed_share[told] >= TOLD_FROM_SHARE).all()
    for values in (output.rul_lower_hours, output.rul_upper_hours, output.consumed_share):
        assert (np.isfinite(values) == told).all()


def test_a_lying_sensor_is_named(served: ServingModel, unseen: Lives) -> None:
    output = served.predict(unseen.features)

    lies = np.array(["pressure" in text for text in unseen.sensor_fault])
    named = [CHANNEL_NAMES[index] for index in output.faulty_channel[lies & output.sensor_lies]]
    assert output.sensor_lies[lies].mean() > 0.7
    assert set(named) == {"pressure"}
    assert output.sensor_lies[unseen.sensor_fault == ""].mean() < 0.05


def test_a_worn_pump_is_novel_and_a_healthy_one_hardly_ever(served: ServingModel, unseen: Lives) -> None:
    output = served.predict(unseen.features)

    calm = (unseen.state_index == 0) & (unseen.disturbance == "") & ~output.provisional
    assert output.novel[calm].mean() < 0.1
    assert output.novel[unseen.health_percent < 20.0].mean() > 0.5


@settings(deadline=None, max_examples=40)
@given(
    features=arrays(np.float64, (3, len(FEATURE_NAMES)), elements=st.floats(allow_nan=True, allow_infinity=True)),
    known=st.booleans(),
)
def test_whatever_comes_in_the_answer_keeps_the_contract(
    served: ServingModel, features: np.ndarray, known: bool
) -> None:
    features[:, AGE] = np.abs(np.nan_to_num(features[:, AGE], posinf=1e30, neginf=1e30))
    if known:
        features[:, SEEN] = BASELINE_READINGS

    output = served.predict(features)

    for shares, width in ((output.probabilities, 4), (output.mode_probabilities, len(MODE_CLASSES))):
        assert shares.shape == (3, width)
        assert ((shares >= 0.0) & (shares <= 1.0)).all()
        assert shares.sum(axis=1) == pytest.approx(1.0)
    assert ((output.sensor_probabilities >= 0.0) & (output.sensor_probabilities <= 1.0)).all()
    assert ((output.health_percent >= 0.0) & (output.health_percent <= 100.0)).all()
    assert (output.novelty >= 0.0).all()
    told = np.isfinite(output.rul_hours)
    assert (output.rul_lower_hours[told] >= 0.0).all()
    assert (output.rul_hours[told] <= output.rul_upper_hours[told]).all()


def test_a_batch_is_answered_as_its_single_readings_are(served: ServingModel, unseen: Lives) -> None:
    features = unseen.features[::20]

    together = served.predict(features)
    alone = [served.predict(features[row : row + 1]) for row in range(len(features))]

    for place, values in enumerate(together):
        single = np.concatenate([each[place] for each in alone])
        np.testing.assert_allclose(single.astype(float), values.astype(float), atol=1e-4)


def test_raw_channels_alone_tell_most_states_and_much_of_the_health(served: ServingModel, unseen: Lives) -> None:
    shares, health = served.predict_raw(unseen.features[:, RAW_COLUMNS])

    assert (shares.argmax(axis=1) == unseen.state_index).mean() > 0.7
    assert np.abs(health - unseen.health_percent).mean() < 12.0


@settings(deadline=None, max_examples=40)
@given(channels=arrays(np.float64, (3, 8), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_whatever_the_channels_are_the_answer_from_them_keeps_the_contract(
    served: ServingModel, channels: np.ndarray
) -> None:
    shares, health = served.predict_raw(channels)

    assert shares.shape == (3, 4)
    assert ((shares >= 0.0) & (shares <= 1.0)).all()
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert ((health >= 0.0) & (health <= 100.0)).all()


def test_no_channels_have_an_empty_answer(served: ServingModel) -> None:
    shares, health = served.predict_raw(np.empty((0, 8)))

    assert (shares.shape, health.shape) == ((0, 4), (0,))


def test_an_empty_batch_has_an_empty_answer(served: ServingModel) -> None:
    output = served.predict(np.empty((0, len(FEATURE_NAMES))))

    assert output.probabilities.shape == (0, 4)
    assert output.mode_probabilities.shape == (0, len(MODE_CLASSES))
    assert output.state_index.shape == output.rul_hours.shape == output.novel.shape == output.faulty_channel.shape
    assert output.health_percent.shape == output.provisional.shape == (0,)


def test_some_rows_of_an_answer_are_those_rows(served: ServingModel, unseen: Lives) -> None:
    output = served.predict(unseen.features[:50])

    some = output.rows(np.array([7, 3]))

    assert some.health_percent.tolist() == output.health_percent[[7, 3]].tolist()
    assert some.mode_probabilities.shape == (2, len(MODE_CLASSES))


def test_features_of_another_width_are_refused(served: ServingModel) -> None:
    with pytest.raises(ValueError, match=rf"expected \(n, {len(FEATURE_NAMES)}\)"):
        served.predict(np.zeros((1, 3)))


# -- which files they refuse


@pytest.mark.parametrize("name", MODELS)
def test_a_version_that_lacks_a_model_is_refused_naming_it(small_model: Files, name: str) -> None:
    files = {file: content for file, content in small_model.items() if file != f"{name}.onnx"}

    with pytest.raises(ModelError, match=f"the {name} model cannot be served: it is missing"):
        ServingModel.from_files(files)


def test_the_model_of_sensors_may_be_left_out(small_model: Files, unseen: Lives) -> None:
    files = {file: content for file, content in small_model.items() if file != "sensor.onnx"}

    assert not ServingModel.from_files(files).predict(unseen.features).sensor_lies.any()


@pytest.mark.parametrize("name", RAW)
def test_a_version_without_models_of_raw_channels_serves_all_but_those(
    small_model: Files, unseen: Lives, name: str
) -> None:
    model = ServingModel.from_files({file: each for file, each in small_model.items() if file != f"{name}.onnx"})

    assert len(model.predict(unseen.features[:3]).health_percent) == 3
    with pytest.raises(ModelError, match=f"the {name} model cannot be served: this version has none"):
        model.predict_raw(unseen.features[:3, RAW_COLUMNS])


@pytest.mark.parametrize("name", [*MODELS, "sensor", *RAW])
def test_a_file_that_is_no_model_is_refused_naming_which(small_model: Files, name: str) -> None:
    with pytest.raises(ModelError, match=f"the {name} model cannot be served: ONNX Runtime cannot load it"):
        ServingModel.from_files({**small_model, f"{name}.onnx": b"no model"})


@pytest.mark.parametrize("name", [*MODELS, "sensor", *RAW])
def test_a_model_for_other_features_is_refused(small_model: Files, name: str) -> None:
    other = restamped(small_model[f"{name}.onnx"], "f" * 64)

    with pytest.raises(ModelError, match=f"the {name} model cannot be served: it was made for feature contract ffff"):
        ServingModel.from_files({**small_model, f"{name}.onnx": other})


@pytest.mark.parametrize(
    ("name", "other"), [("state", "health"), ("health", "state"), ("novelty", "life"), ("raw_state", "state")]
)
def test_a_model_in_anothers_place_is_refused(small_model: Files, name: str, other: str) -> None:
    with pytest.raises(ModelError, match=f"the {name} model cannot be served: it maps"):
        ServingModel.from_files({**small_model, f"{name}.onnx": small_model[f"{other}.onnx"]})


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff\xfe", b'{"feature_contract": 1}'])
def test_facts_that_are_missing_or_cannot_be_read_are_refused(small_model: Files, content: bytes | None) -> None:
    files = {file: each for file, each in small_model.items() if file != SERVING_FILE}

    with pytest.raises(ModelError, match=r"the serving\.json model cannot be served"):
        ServingModel.from_files(files if content is None else {**files, SERVING_FILE: content})


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda each: {key: value for key, value in each.items() if key != name}


@pytest.mark.parametrize(
    ("field", "change", "named"),
    [
        ("feature_contract", lambda _: "f" * 64, "made for feature contract ffff"),
        ("columns", without("state"), "the state model cannot be served"),
        ("columns", lambda each: {**each, "health": each["health"][:-1]}, "the health model cannot be served"),
        ("columns", lambda each: {**each, "life": ["wind", *each["life"][1:]]}, r"features that do not exist: \['wind"),
        ("classes", without("mode"), r"the mode model cannot be served: it tells classes \[\]"),
        ("classes", lambda each: {**each, "state": [0, 1, 2, 4]}, r"tells classes \[0, 1, 2, 4\], expected some of 0"),
        ("classes", lambda each: {**each, "state": [0, 1, 1, 2]}, r"tells classes \[0, 1, 1, 2\]"),
        ("classes", lambda each: {**each, "state": [0, 1, 2]}, "the state model cannot be served: it maps"),
        ("classes", without("raw_state"), r"the raw_state model cannot be served: it tells classes \[\]"),
        ("columns", without("raw_health"), "the raw_health model cannot be served"),
        ("life_offsets", lambda each: each[:-1], "life_offsets have shape"),
        ("life_offsets", lambda each: [group[:-1] for group in each], "life_offsets have shape"),
        ("life_edges", lambda each: each[:-1], "life_offsets have shape"),
        ("life_offsets", lambda each: [each[0][:-1], *each[1:]], "life_offsets"),
        ("novelty_limit", lambda _: 0.0, "novelty_limit"),
    ],
)
def test_facts_that_do_not_fit_the_models_are_refused_by_name(
    small_model: Files, field: str, change: Callable[[Any], Any], named: str
) -> None:
    facts = msgspec.json.decode(small_model[SERVING_FILE])

    with pytest.raises(ModelError, match=named):
        ServingModel.from_files(other_facts(small_model, **{field: change(facts[field])}))
