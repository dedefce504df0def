"""Training: the same bytes for a seed, what it refuses, what each model learns from, and ONNX that says the same."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import TrainingError
from pdm_platform.contract.failure_modes import MODE_CLASSES, FailureMode
from pdm_platform.contract.states import HEALTHY_ABOVE_PERCENT
from pdm_platform.core import novelty, training
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES
from pdm_platform.core.lives import Lives, speed_index
from pdm_platform.core.novelty import NOVELTY_COLUMNS
from pdm_platform.core.sensor_faults import channel_rows
from pdm_platform.core.serving import ServingModel
from pdm_platform.core.serving_files import SERVING_FILE, ServingFacts
from pdm_platform.core.signal_memory import BASELINE_READINGS
from pdm_platform.core.training import RAW_COLUMNS, WEAR_COLUMNS, Progress, TrainedModels, mode_target, to_files, train
from pdm_platform.core.trees import TreeSettings
from tests.small_fleet import steady_lives, wearing_lives

FEWEST = TreeSettings(max_iter=3, min_samples_leaf=5)
AGE, INTERVAL, SEEN = (FEATURE_NAMES.index(name) for name in ("age_hours", "interval_s", "readings_seen"))
# a threshold of a tree lies between two float32; where a feature is as near to it, ONNX may take the other branch
MOSTLY = 0.99


def trained(lives: Lives, progress: Progress = lambda _: None) -> TrainedModels:
    """All models with few trees: what is tested does not depend on how many."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training, "_LIFE_TREES", FEWEST)
        patched.setattr(novelty, "_TREES", 3)
        return train(lives, seed=1, progress=progress, settings=FEWEST)


@pytest.fixture(scope="module")
def sound() -> dict[str, bytes]:
    """Models of a fleet that has no sensor of pressure, and no sensor that ever lied."""
    lives = without_pressure(few_lives())
    nothing = np.full(len(lives), "")
    return to_files(trained(replace(lives, sensor_fault=nothing, disturbance=nothing)))


def few_lives() -> Lives:
    return wearing_lives(plan={"stress": (1, 80, 4)})


def without_pressure(lives: Lives) -> Lives:
    features = lives.features.copy()
    features[:, [place for place, name in enumerate(FEATURE_NAMES) if "pressure" in name or "head" in name]] = np.nan
    return replace(lives, features=features)


def silent(_: str) -> None:
    return None


def test_the_same_rows_and_seed_give_the_same_bytes() -> None:
    lives = few_lives()

    one, again = (to_files(trained(lives)) for _ in range(2))

    assert one == again


def test_training_says_what_it_does() -> None:
    said: list[str] = []

    trained(few_lives(), said.append)

    assert said[0].startswith("state: ")
    assert said[0].endswith(" readings of 4 pumps")
    assert said[1:5] == ["health", "failure mode", "sensor faults", "state and health from raw channels"]
    assert said[-1] == "novelty"
    assert any("remaining life" in text for text in said)


def test_readings_of_one_state_only_are_refused_naming_it(lives: Lives) -> None:
    healthy = lives.rows(np.flatnonzero(lives.state_index == 0))

    with pytest.raises(TrainingError, match=f"hold {len(healthy)} HEALTHY, but all of HEALTHY, WARNING"):
        train(healthy, seed=1, progress=silent)


def test_no_reading_is_refused(lives: Lives) -> None:
    with pytest.raises(TrainingError, match="hold no row at all"):
        train(lives.of([]), seed=1, progress=silent)


@pytest.mark.parametrize("telling", [0, 1])
def test_fewer_than_two_lives_that_tell_their_remaining_hours_are_refused(telling: int) -> None:
    lives = few_lives()
    untold = np.isin(lives.device_ids, [f"life-stress-{number}" for number in range(telling, 4)])

    with pytest.raises(TrainingError, match="fewer than two lives tell their remaining hours"):
        trained(replace(lives, rul_hours=np.where(untold, np.nan, lives.rul_hours)))


def test_a_fleet_whose_sensors_never_lied_has_no_model_of_them(sound: dict[str, bytes]) -> None:
    output = ServingModel.from_files(sound).predict(few_lives().features)

    assert "sensor.onnx" not in sound
    assert (output.sensor_probabilities == 0.0).all()
    assert not output.sensor_lies.any()


def test_a_sensor_that_no_pump_has_does_not_matter_at_serving(sound: dict[str, bytes]) -> None:
    model, lives = ServingModel.from_files(sound), few_lives()

    with_sensor, without = (model.predict(each.features) for each in (lives, without_pressure(lives)))

    assert np.array_equal(with_sensor.probabilities, without.probabilities)
    assert np.array_equal(with_sensor.health_percent, without.health_percent)


def test_no_model_of_wear_sees_how_old_a_pump_is_or_how_fast_it_lives() -> None:
    names = {FEATURE_NAMES[place] for place in WEAR_COLUMNS}

    assert not names & {"age_hours", "interval_s", "gap_ratio", "lag_short_hours", "lag_medium_hours", "lag_long_hours"}
    assert {"vibration_rms_change", "temperature_z", "readings_seen"} <= names


def test_a_healthy_pump_has_no_failure_mode_yet(lives: Lives) -> None:
    target = mode_target(lives)

    healthy = lives.health_percent > HEALTHY_ABOVE_PERCENT
    assert (target[healthy] == 0).all()
    assert (target[~healthy] == lives.mode_index[~healthy]).all()
    assert MODE_CLASSES.index(FailureMode.BEARING_WEAR) in target


def test_the_facts_name_columns_classes_and_what_onnx_does_not_hold(
    small_model: dict[str, bytes], small_models: TrainedModels
) -> None:
    facts = msgspec.json.decode(small_model[SERVING_FILE], type=ServingFacts)

    names = ("state", "health", "mode", "life", "novelty", "raw_state", "raw_health")
    assert sorted(small_model) == sorted([*(f"{name}.onnx" for name in names), "sensor.onnx", SERVING_FILE])
    assert sorted(facts.columns) == sorted(names)
    assert facts.feature_contract == FEATURE_CONTRACT
    assert facts.classes["state"] == facts.classes["raw_state"] == [0, 1, 2, 3]
    assert facts.columns["raw_state"] == facts.columns["raw_health"] == list(CHANNEL_NAMES)
    assert set(facts.classes["mode"]) == {0, *(MODE_CLASSES.index(mode) for mode in taught())}
    assert facts.novelty_limit == small_models.novelty.limit


def taught() -> list[FailureMode]:
    return [FailureMode.BEARING_WEAR, FailureMode.IMPELLER_WEAR, FailureMode.WINDING_DEGRADATION]


# -- ONNX says what scikit-learn says


def gappy(lives: Lives) -> np.ndarray:
    features = lives.features.copy()
    features[::7, ::5] = np.nan
    features[:, SEEN] = lives.features[:, SEEN]
    return features


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """How far two answers are apart on nearly every reading."""
    gap = np.abs(one - other)
    return float(np.quantile(gap if gap.ndim == 1 else gap.max(axis=1), MOSTLY))


def test_state_health_and_mode_in_onnx_are_those_of_the_estimators(
    unseen: Lives, small_models: TrainedModels, served: ServingModel
) -> None:
    features = gappy(unseen)
    wear = features[:, WEAR_COLUMNS]

    output = served.predict(features)

    modes = np.zeros((len(unseen), len(MODE_CLASSES)))
    modes[:, small_models.mode.classes_] = small_models.mode.predict_proba(wear)
    plainly_healthy = output.probabilities[:, 0] >= 0.9
    assert apart(output.probabilities, small_models.state.predict_proba(wear)) < 1e-5
    assert apart(output.mode_probabilities[~plainly_healthy], modes[~plainly_healthy]) < 1e-5
    assert (output.mode_probabilities[plainly_healthy] == np.eye(len(MODE_CLASSES))[0]).all()
    assert 0 < plainly_healthy.sum() < len(unseen)
    assert apart(output.health_percent, np.clip(small_models.health.predict(wear), 0.0, 100.0)) < 1e-3


def test_state_and_health_from_raw_channels_in_onnx_are_those_of_the_estimators(
    unseen: Lives, small_models: TrainedModels, served: ServingModel
) -> None:
    channels = gappy(unseen)[:, RAW_COLUMNS]
    assert np.isnan(channels).any()

    shares, health = served.predict_raw(channels)

    assert apart(shares, small_models.raw_state.predict_proba(channels)) < 1e-5
    assert apart(health, np.clip(small_models.raw_health.predict(channels), 0.0, 100.0)) < 1e-3


def test_sensor_faults_in_onnx_are_those_of_the_estimator(
    unseen: Lives, small_models: TrainedModels, served: ServingModel
) -> None:
    features = gappy(unseen)

    found = served.predict(features).sensor_probabilities

    expected = small_models.sensor.predict_proba(channel_rows(features))[:, 1].reshape(-1, 8)
    assert apart(found, expected) < 1e-5


def test_remaining_life_in_onnx_is_that_of_the_estimator_and_its_offsets(
    unseen: Lives, small_models: TrainedModels, served: ServingModel
) -> None:
    output = served.predict(unseen.features)

    told = np.isfinite(output.rul_hours)
    speed = speed_index(unseen.features[told, INTERVAL].astype(np.float64))
    _, share, _ = small_models.life.predict(unseen.features[told][:, WEAR_COLUMNS], speed)
    age = unseen.features[told, AGE].astype(np.float64)
    assert told.mean() > 0.5
    assert apart(output.consumed_share[told], np.clip(share, 0.0, 1.0)) < 1e-5
    assert apart(output.rul_hours[told] / age, 1.0 / np.clip(share, 0.01, 1.0) - 1.0) < 1e-3


def test_novelty_in_onnx_is_the_forests_score_over_its_limit(
    unseen: Lives, small_models: TrainedModels, served: ServingModel
) -> None:
    rows = np.nan_to_num(unseen.features[:, NOVELTY_COLUMNS])

    found = served.predict(unseen.features).novelty

    score = -small_models.novelty.forest.score_samples(rows)
    assert apart(found, score / small_models.novelty.limit) < 1e-3


def test_a_steady_pump_teaches_nothing_of_remaining_life() -> None:
    lives = steady_lives(readings=BASELINE_READINGS + 5)

    with pytest.raises(TrainingError, match="fewer than two lives"):
        trained(lives)
