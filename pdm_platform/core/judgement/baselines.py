"""What a model must beat: rules that need none, and the forest on raw channels that everybody would try first.

Each tells states for the same unseen rows, so that it is judged, alarms and costs included, like the model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.contract.states import STATES
from pdm_platform.core.judgement.verdicts import FloatArray, IntArray, Told
from pdm_platform.core.scores import limit_states

FOREST_ROWS: Final = 15_000
_TREES: Final = 100
_LEAF: Final = 5


@dataclass(frozen=True)
class Baseline:
    """What a rule told of the unseen rows, and what it cost: seconds to fit, microseconds a row to tell."""

    name: str
    description: str
    told: Told
    fit_s: float
    predict_us: float


def majority(train_state_index: IntArray, rows: int, train_mode_index: IntArray | None = None) -> Baseline:
    """Always the most frequent state of the training rows, and the most frequent mode where modes are given."""
    state = int(np.argmax(np.bincount(train_state_index, minlength=len(STATES))))
    told = Told.of_states(np.full(rows, state))
    if train_mode_index is not None and (known := train_mode_index[train_mode_index >= 0]).size:
        mode = int(np.argmax(np.bincount(known, minlength=len(MODE_CLASSES))))
        told = Told.of(told.state_probabilities, mode_probabilities=np.eye(len(MODE_CLASSES))[np.full(rows, mode)])
    return Baseline("majority", f"always {STATES[state]}, the most frequent in training", told, 0.0, 0.0)


def iso_zones(vibration_rms_mm_s: FloatArray, *, clock: Callable[[], float]) -> Baseline:
    """vibration_rms_mm_s: (n,) of the unseen rows. clock: seconds, such as time.perf_counter."""
    started_s = clock()
    told = Told.of_states(limit_states(vibration_rms_mm_s))
    text = "vibration_rms in zones A to D of ISO 10816-7, category II"
    return Baseline("iso_10816_7", text, told, 0.0, _us_per_row(clock() - started_s, len(vibration_rms_mm_s)))


def random_forest(
    train_channels: FloatArray,
    train_state_index: IntArray,
    unseen_channels: FloatArray,
    *,
    train_mode_index: IntArray | None = None,
    seed: int = 0,
    clock: Callable[[], float],
) -> Baseline:
    """StandardScaler and RandomForest on the eight raw channels, with at most 15,000 training rows drawn at random.

    train_channels, unseen_channels: (n, 8) and (m, 8), NaN where nothing was measured. With modes a second forest is
    fitted; rows of unknown mode (-1) do not teach it. Raises ValueError where there is no training row.
    """
    from threadpoolctl import threadpool_limits

    rows = np.random.default_rng(seed).permutation(len(train_channels))[:FOREST_ROWS]
    with threadpool_limits(1):
        started_s = clock()
        state = _forest(train_channels[rows], train_state_index[rows], seed)
        fit_s = clock() - started_s
        started_s = clock()
        told = Told.of(_probabilities(state, unseen_channels, len(STATES)))
        predict_us = _us_per_row(clock() - started_s, len(unseen_channels))
        if train_mode_index is not None and (known := rows[train_mode_index[rows] >= 0]).size:
            mode = _forest(train_channels[known], train_mode_index[known], seed)
            modes = _probabilities(mode, unseen_channels, len(MODE_CLASSES))
            told = Told.of(told.state_probabilities, mode_probabilities=modes)
    text = f"standardised raw channels, {_TREES} trees, {len(rows)} readings; costs of the state's forest"
    return Baseline("random_forest", text, told, fit_s, predict_us)


def _forest(channels: FloatArray, classes: IntArray, seed: int) -> Any:
    # 1 s, for those who judge only
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    forest = RandomForestClassifier(_TREES, min_samples_leaf=_LEAF, random_state=seed, n_jobs=1)
    return make_pipeline(StandardScaler(), forest).fit(channels, classes)


def _probabilities(model: Any, channels: FloatArray, classes: int) -> FloatArray:
    found = np.zeros((len(channels), classes))
    found[:, model.classes_.astype(np.int64)] = model.predict_proba(channels)
    return found


def _us_per_row(seconds: float, rows: int) -> float:
    return 1e6 * seconds / rows if rows else float("nan")
