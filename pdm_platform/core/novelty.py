"""Has anything like this reading been seen on a healthy pump? What no model was trained on must not pass for known."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.states import STATES, State
from pdm_platform.core.features import FEATURE_NAMES
from pdm_platform.core.lives import Lives
from pdm_platform.core.signal_memory import BASELINE_READINGS

FloatArray = NDArray[np.float64]
NOVELTY_COLUMNS: Final = tuple(
    i for i, name in enumerate(FEATURE_NAMES) if name.endswith(("_change", "_spread_ratio"))
)
_SEEN: Final = FEATURE_NAMES.index("readings_seen")
_ROWS: Final = 20_000
_QUANTILE: Final = 0.999


@dataclass(frozen=True, slots=True)
class NoveltyModel:
    """An isolation forest and the score above which a reading is novel."""

    forest: Any
    limit: float

    def novelty(self, features: NDArray[np.float32]) -> FloatArray:
        """Score over limit, shape (n,): above 1 is novel."""
        return np.asarray(-self.forest.score_samples(features[:, NOVELTY_COLUMNS]) / self.limit, np.float64)


def fit_novelty(lives: Lives, *, seed: int) -> NoveltyModel:
    """Learn healthy operation: rows of pumps that are HEALTHY, run, and whose sensors do not lie."""
    from sklearn.ensemble import IsolationForest

    healthy = np.flatnonzero(
        (lives.state_index == STATES.index(State.HEALTHY))
        & (lives.sensor_fault == "")
        & (lives.disturbance == "")
        & (lives.features[:, _SEEN] >= BASELINE_READINGS)
    )
    rows = np.nan_to_num(lives.features[healthy[:: max(len(healthy) // _ROWS, 1)]][:, NOVELTY_COLUMNS])
    forest = IsolationForest(n_estimators=50, max_samples=128, random_state=seed).fit(rows)
    return NoveltyModel(forest, float(np.quantile(-forest.score_samples(rows), _QUANTILE)))
