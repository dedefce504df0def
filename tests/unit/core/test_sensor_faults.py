"""Which sensor lies: rows that look at each channel in turn, and what one channel's fault teaches of the others."""

import numpy as np

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.failure_modes import FailureMode
from pdm_platform.core.features import FEATURE_NAMES
from pdm_platform.core.lives import Lives
from pdm_platform.core.sensor_faults import CHANNELS, SENSOR_INPUTS, channel_rows, fit_sensor
from pdm_platform.core.trees import TreeSettings
from tests.small_fleet import FEW_TREES, folded, one_life, together

RMS, PRESSURE = (CHANNEL_NAMES.index(name) for name in ("vibration_rms", "pressure"))


def lying(*channels: str, seed: int = 1) -> Lives:
    """Lives in which a sensor of these channels freezes for a while, and as many in which none does."""
    draw = np.random.default_rng(seed)
    health = np.linspace(100.0, 20.0, 120)
    parts = [
        one_life(draw, f"{name or 'sound'}-{number}", health, FailureMode.BEARING_WEAR, frozen=name)
        for number, name in enumerate([*channels, *[""] * len(channels)])
    ]
    return folded(together(parts))


def told(lives: Lives, model: object) -> np.ndarray:
    """Probability that each channel's sensor lies, (n, 8)."""
    return np.asarray(model.predict_proba(channel_rows(lives.features))[:, 1].reshape(-1, CHANNELS))  # type: ignore[attr-defined]


def test_a_reading_gives_a_row_a_channel_in_their_order() -> None:
    features = np.arange(2 * len(FEATURE_NAMES), dtype=np.float32).reshape(2, -1)

    rows = channel_rows(features).reshape(2, CHANNELS, SENSOR_INPUTS)

    assert rows[:, :, 0].tolist() == [list(range(CHANNELS))] * 2
    own = [FEATURE_NAMES.index(f"{name}_off") for name in CHANNEL_NAMES]
    assert rows[:, :, 2].tolist() == features[:, own].tolist()


def test_each_row_says_whether_its_own_channel_is_missing_and_what_all_others_do() -> None:
    features = np.zeros((1, len(FEATURE_NAMES)), np.float32)
    features[0, PRESSURE] = np.nan
    features[0, FEATURE_NAMES.index("pressure_z")] = 77.0

    rows = channel_rows(features)

    assert rows[:, 1].tolist() == [float(channel == PRESSURE) for channel in range(CHANNELS)]
    assert (rows == 77.0).sum(axis=1).tolist() == [2 if channel == PRESSURE else 1 for channel in range(CHANNELS)]


def test_no_readings_give_no_rows() -> None:
    assert channel_rows(np.empty((0, len(FEATURE_NAMES)), np.float32)).shape == (0, SENSOR_INPUTS)


def test_where_no_sensor_lied_there_is_nothing_to_learn() -> None:
    assert fit_sensor(lying("", ""), FEW_TREES, seed=1) is None


def test_the_channel_that_lies_is_named_and_no_other() -> None:
    model = fit_sensor(lying("pressure", "vibration_rms", "pressure", "vibration_rms"), FEW_TREES, seed=1)

    unseen = lying("pressure", "vibration_rms", seed=2)
    found = told(unseen, model) >= 0.5
    late = np.arange(len(unseen)) % 120 >= 55  # a frozen sensor shows once it repeated itself
    lies = unseen.faulty_channel[:, None] == 1 + np.arange(CHANNELS)
    assert found[late][lies[late]].mean() > 0.9
    assert found[~lies].mean() < 0.01


def test_a_fault_of_one_channel_teaches_what_it_looks_like_on_another() -> None:
    model = fit_sensor(lying("pressure", "vibration_rms", "temperature", "vibration_x"), FEW_TREES, seed=1)

    unseen = lying("current", seed=3)
    rows = (unseen.sensor_fault != "") & (np.arange(len(unseen)) % 120 >= 55)
    assert np.argmax(told(unseen, model)[rows], axis=1).tolist() == [CHANNEL_NAMES.index("current")] * rows.sum()


def test_the_same_seed_learns_the_same() -> None:
    lives, settings = lying("pressure", "rpm"), TreeSettings(max_iter=5, max_features=0.3)

    one, again = (told(lives, fit_sensor(lives, settings, seed=4)) for _ in range(2))

    assert one.tobytes() == again.tobytes()
