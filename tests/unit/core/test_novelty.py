"""An isolation forest of healthy operation: what it learns from, and what is new to it."""

from dataclasses import replace

import numpy as np
import pytest

from pdm_platform.contract.errors import TrainingError
from pdm_platform.core.features import FEATURE_NAMES
from pdm_platform.core.lives import Lives
from pdm_platform.core.novelty import NOVELTY_COLUMNS, NoveltyModel, fit_novelty
from pdm_platform.core.signal_memory import BASELINE_READINGS

SEEN, RUNNING = FEATURE_NAMES.index("readings_seen"), FEATURE_NAMES.index("running")


def scores(model: NoveltyModel, lives: Lives) -> np.ndarray:
    return np.asarray(-model.forest.score_samples(np.nan_to_num(lives.features[:, NOVELTY_COLUMNS])) / model.limit)


def teaching(lives: Lives) -> np.ndarray:
    return np.asarray(
        (lives.state_index == 0)
        & (lives.sensor_fault == "")
        & (lives.disturbance == "")
        & (lives.features[:, SEEN] >= BASELINE_READINGS)
        & (lives.features[:, RUNNING] > 0.0)
    )


def test_of_healthy_readings_hardly_any_is_novel_and_worn_pumps_are(lives: Lives, unseen: Lives) -> None:
    model = fit_novelty(lives, seed=1)

    assert (scores(model, lives)[teaching(lives)] > 1.0).mean() < 0.02
    assert (scores(model, unseen)[teaching(unseen)] > 1.0).mean() < 0.1
    assert (scores(model, unseen)[unseen.health_percent < 30.0] > 1.0).mean() > 0.8


def test_only_pumps_that_are_healthy_run_undisturbed_and_are_known_teach_it(lives: Lives) -> None:
    features = lives.features.copy()
    features[~teaching(lives)] *= 1_000.0
    features[:, [SEEN, RUNNING]] = lives.features[:, [SEEN, RUNNING]]

    one, spoiled = (fit_novelty(each, seed=1) for each in (lives, replace(lives, features=features)))

    assert spoiled.limit == one.limit
    assert np.array_equal(scores(spoiled, lives), scores(one, lives))


def test_the_same_seed_learns_the_same_and_another_does_not(lives: Lives) -> None:
    one, again, other = (fit_novelty(lives, seed=seed) for seed in (1, 1, 2))

    assert one.limit == again.limit != other.limit


def test_levels_themselves_are_not_looked_at() -> None:
    names = [FEATURE_NAMES[place] for place in NOVELTY_COLUMNS]

    assert all(name.endswith(("_change", "_spread_ratio")) for name in names)
    assert len(set(names)) == len(names)


def test_without_a_healthy_reading_there_is_nothing_to_learn_from(lives: Lives) -> None:
    with pytest.raises(TrainingError, match="healthy"):
        fit_novelty(lives.rows(np.flatnonzero(~teaching(lives))), seed=1)
