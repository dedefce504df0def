"""Is a reading like anything that was seen on healthy pumps? What no model was trained on must not pass for known."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.errors import TrainingError
from pdm_platform.contract.states import STATES, State
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
# ONNX conversion of 100 trees of 256 readings takes 8 s, of these 1 s
_TREES: Final = 50
_ROWS_OF_A_TREE: Final = 128
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
