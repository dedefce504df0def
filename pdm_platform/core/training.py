"""From features of whole lives to the models: state, health, failure mode, sensor faults, remaining life, novelty."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import TrainingError
from pdm_platform.contract.states import HEALTHY_ABOVE_PERCENT, STATES
from pdm_platform.core import remaining_life, trees
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES
from pdm_platform.core.lives import SPEEDS, IntArray, Lives, evenly, speed_index
from pdm_platform.core.novelty import NOVELTY_COLUMNS, NoveltyModel, fit_novelty, forest_to_onnx
from pdm_platform.core.remaining_life import LifeModel, consumed_share
from pdm_platform.core.sensor_faults import SENSOR_INPUTS, fit_sensor
from pdm_platform.core.serving_files import CONTRACT_KEY, SERVING_FILE, ServingFacts
from pdm_platform.core.signal_memory import BASELINE_READINGS
from pdm_platform.core.signals import AGE_HOURS, INTERVAL_S, LAGS_HOURS
from pdm_platform.core.trees import TreeSettings

Progress = Callable[[str], None]
_AGE, _INTERVAL, _SEEN = (FEATURE_NAMES.index(name) for name in (AGE_HOURS, INTERVAL_S, "readings_seen"))
# What a model may look at. Age and interval would tell it the speed of a simulated life, and with it how long lives of
# that speed last: learned by heart, not from wear.
_OF_TIME: Final = (AGE_HOURS, INTERVAL_S, *LAGS_HOURS)
WEAR_COLUMNS: Final = tuple(
    i
    for i, name in enumerate(FEATURE_NAMES)
    if name not in (*_OF_TIME, "gap_ratio") and not name.endswith(("_long", "_baseline"))
)
RAW_COLUMNS: Final = tuple(FEATURE_NAMES.index(name) for name in CHANNEL_NAMES)
# Few trees that learn fast: twice to four times as many, which cost time with every reading, gave on unseen pumps a
# macro F1 of the mode of .60 instead of .59 and intervals of life 2 % narrower, and told no better which sensor lies.
_MODE_TREES: Final = TreeSettings(max_iter=30, learning_rate=0.2)
_SENSOR_TREES: Final = TreeSettings(max_iter=20, learning_rate=0.3)
_LIFE_TREES: Final = TreeSettings(max_iter=75, learning_rate=0.12, max_leaf_nodes=12, min_samples_leaf=30)
# What the raw channels tell is soon told: more trees do not help, and these two are for speed.
_RAW_TREES: Final = TreeSettings(max_iter=30)
# Rows of one life in one state are alike: more of them cost time and teach nothing. Each life gives as many of each
# state, so that a life of 10,000 readings does not drown fifty short ones, and the healthy majority not the failures:
# sampling instead of weights, with which scikit-learn takes twice as long.
_ROWS_OF_A_STATE: Final = 40
_ROWS_OF_A_LIFE: Final = 120
# What passes over a pump without wearing it is rare in a life, and is what state must not be confused by.
_ROWS_OF_A_DISTURBANCE: Final = 40


@dataclass(frozen=True, slots=True)
class TrainedModels:
    """scikit-learn estimators, fitted on columns of the features.

    state: index into STATES. health: percent. mode: index into MODE_CLASSES. sensor: of rows of
    sensor_faults.channel_rows, 1 where that channel's sensor lies; None where none did in training. life: share of life
    consumed. novelty: how far from healthy operation. raw_state, raw_health: the same two from the channels of a single
    reading, for where nothing else is affordable.
    """

    state: Any
    health: Any
    mode: Any
    sensor: Any
    life: LifeModel
    novelty: NoveltyModel
    raw_state: Any
    raw_health: Any


def train(lives: Lives, *, seed: int, progress: Progress, settings: TreeSettings | None = None) -> TrainedModels:
    """Fit all models; settings: of state and health. The same rows and seed give the same models.

    Raises TrainingError where there are no rows, or where one of the four states does not occur.
    """
    _require_all_states(lives)
    chosen = settings or TreeSettings()
    rows = lives.rows(_teaching(lives))
    wear = trees.trainable(rows.features)[:, WEAR_COLUMNS]
    with trees.one_thread():
        progress(f"state: {len(rows)} readings of {len(np.unique(rows.device_ids))} pumps")
        state = trees.classifier(chosen, seed).fit(wear, rows.state_index)
        progress("health")
        health = trees.regressor(chosen, seed).fit(wear, rows.health_percent)
        progress("failure mode")
        mode = trees.classifier(_MODE_TREES, seed).fit(wear, mode_target(rows))
        progress("sensor faults")
        sensor = fit_sensor(lives, _SENSOR_TREES, seed=seed)
        progress("state and health from raw channels")
        channels = trees.trainable(rows.features)[:, RAW_COLUMNS]
        raw_state = trees.classifier(_RAW_TREES, seed).fit(channels, rows.state_index)
        raw_health = trees.regressor(_RAW_TREES, seed).fit(channels, rows.health_percent)
    life = _life(lives, seed, progress)
    progress("novelty")
    novelty = fit_novelty(lives, seed=seed)
    return TrainedModels(state, health, mode, sensor, life, novelty, raw_state, raw_health)


def mode_target(lives: Lives) -> IntArray:
    """Index into MODE_CLASSES, shape (n,): a healthy pump has no failure mode yet."""
    return np.where(lives.health_percent > HEALTHY_ABOVE_PERCENT, 0, lives.mode_index)


def _teaching(lives: Lives) -> IntArray:
    """Rows for the models of wear: of each life and state as many, and some of what is no wear."""
    life = _life_of(lives)
    confusing = np.flatnonzero((lives.sensor_fault != "") | (lives.disturbance != ""))
    every = evenly(life * len(STATES) + lives.state_index, _ROWS_OF_A_STATE)
    return np.concatenate([every, confusing[evenly(life[confusing], _ROWS_OF_A_DISTURBANCE)]])


def _life_of(lives: Lives) -> IntArray:
    return np.unique(lives.device_ids, return_inverse=True)[1]


def _life(lives: Lives, seed: int, progress: Progress) -> LifeModel:
    known = np.flatnonzero(np.isfinite(lives.rul_hours) & (lives.features[:, _SEEN] >= BASELINE_READINGS))
    if len(np.unique(lives.device_ids[known])) < 2:
        raise TrainingError(
            "fewer than two lives tell their remaining hours",
            hint="Labelled readings need rul_hours: `pdmctl simulate training` publishes some.",
        )
    lives = lives.rows(known)
    lives = lives.rows(evenly(_life_of(lives), _ROWS_OF_A_LIFE))
    return remaining_life.fit_life(
        lambda: trees.regressor(_LIFE_TREES, seed),
        trees.trainable(lives.features)[:, WEAR_COLUMNS],
        consumed_share(lives.features[:, _AGE].astype(np.float64), lives.rul_hours),
        lives.device_ids,
        speed_index(lives.features[:, _INTERVAL].astype(np.float64)),
        len(SPEEDS),
        seed=seed,
        progress=progress,
    )


def _require_all_states(lives: Lives) -> None:
    rows = np.bincount(lives.state_index, minlength=len(STATES))
    if rows.min() == 0:
        found = ", ".join(f"{count} {state}" for state, count in zip(STATES, rows, strict=True) if count)
        raise TrainingError(
            f"the training readings hold {found or 'no row at all'}, but all of {', '.join(STATES)} are needed",
            hint="Widen the training window, or publish lives that run to the end: `pdmctl simulate training`.",
        )


def to_files(models: TrainedModels) -> dict[str, bytes]:
    """The models as they are served, by file name: one ONNX each, stamped with the feature contract, and facts."""
    estimators: dict[str, tuple[Any, tuple[int, ...]]] = {
        "state": (models.state, WEAR_COLUMNS),
        "health": (models.health, WEAR_COLUMNS),
        "mode": (models.mode, WEAR_COLUMNS),
        "life": (models.life.estimator, WEAR_COLUMNS),
        "raw_state": (models.raw_state, RAW_COLUMNS),
        "raw_health": (models.raw_health, RAW_COLUMNS),
    }
    columns_of = {**{name: columns for name, (_, columns) in estimators.items()}, "novelty": NOVELTY_COLUMNS}
    facts = ServingFacts(
        feature_contract=FEATURE_CONTRACT,
        columns={name: [FEATURE_NAMES[i] for i in columns] for name, columns in columns_of.items()},
        classes={
            name: [int(index) for index in one.classes_]
            for name, (one, _) in estimators.items()
            if hasattr(one, "predict_proba")
        },
        life_edges=models.life.offsets.edges.tolist(),
        life_offsets=models.life.offsets.by_group.tolist(),
        novelty_offset=float(models.novelty.forest.offset_),
        novelty_limit=models.novelty.limit,
    )
    stamp = {CONTRACT_KEY: FEATURE_CONTRACT}
    files = {
        f"{name}.onnx": trees.to_onnx(name, one, len(columns), stamp) for name, (one, columns) in estimators.items()
    }
    files["novelty.onnx"] = forest_to_onnx(models.novelty.forest, stamp)
    if models.sensor is not None:
        files["sensor.onnx"] = trees.to_onnx("sensor", models.sensor, SENSOR_INPUTS, stamp)
    return {**files, SERVING_FILE: msgspec.json.encode(facts)}
