"""Which algorithm tells states best, judged on pumps each had not seen, within a bounded budget."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.states import STATES
from pdm_platform.core import trees
from pdm_platform.core.lives import IntArray, Lives, evenly
from pdm_platform.core.scores import confusion, fitted_limits, limit_states, macro_f1
from pdm_platform.core.trees import TreeSettings

_FOLDS: Final = 3
# enough to tell algorithms apart; the one that is chosen is fitted on more
_ROWS_OF_A_STATE: Final = 12
_RMS: Final = CHANNEL_NAMES.index("vibration_rms")
# Searched in this order; the first is what is taken where the budget allows no search.
SETTINGS: Final = (
    TreeSettings(),
    TreeSettings(max_iter=120, learning_rate=0.08),
    TreeSettings(max_leaf_nodes=8, min_samples_leaf=80),
    TreeSettings(max_iter=60, learning_rate=0.15, max_features=1.0),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One algorithm on pumps it had not seen. settings: of gradient boosting, None for the others."""

    name: str
    macro_f1: float
    fit_s: float
    predict_us: float
    settings: TreeSettings | None


def compare(
    lives: Lives,
    columns: NDArray[np.integer[Any]],
    *,
    seed: int,
    budget_s: float,
    clock: Callable[[], float],
    progress: Callable[[str], None],
) -> list[Compared]:
    """Judge gradient boosting in some settings, forest, logistic regression and the limits on vibration, best first.

    columns: of the features that a model may look at. Pumps are groups: none is in training and judgement at once.
    After budget_s no further setting is tried, though one of each algorithm always is. clock: seconds.
    """
    life = np.unique(lives.device_ids, return_inverse=True)[1]
    rows = lives.rows(evenly(life * len(STATES) + lives.state_index, _ROWS_OF_A_STATE))
    features, vibration = trees.trainable(rows.features)[:, columns], rows.features[:, _RMS].astype(np.float64)
    folds = _folds(rows, seed)
    started_s = clock()
    found = []
    candidates: list[tuple[str, Callable[[], Any], NDArray[Any], TreeSettings | None]] = [
        ("limits on vibration", _Limits, vibration, None),
        ("logistic regression", lambda: _logistic(seed), features, None),
        ("random forest", lambda: _forest(seed), features, None),
        *(
            (f"gradient boosting {number}", _boosting(one, seed), features, one)
            for number, one in enumerate(SETTINGS, 1)
        ),
    ]
    for name, make, inputs, settings in candidates:
        if settings not in (None, SETTINGS[0]) and clock() - started_s > budget_s:
            progress(f"budget of {budget_s:g} s is used: {name} is not tried")
            continue
        found.append(_judged(name, make, inputs, rows, folds, settings, clock))
        progress(f"{name}: macro F1 {found[-1].macro_f1:.3f}, fitted in {found[-1].fit_s:.1f} s")
    return sorted(found, key=lambda each: -each.macro_f1)


def best_settings(compared: list[Compared]) -> TreeSettings:
    """Settings of the best gradient boosting: the algorithm that is served, whatever else was compared."""
    return next((each.settings for each in compared if each.settings is not None), SETTINGS[0])


def _folds(rows: Lives, seed: int) -> list[tuple[IntArray, IntArray]]:
    from sklearn.model_selection import GroupKFold

    folds = min(_FOLDS, len(np.unique(rows.device_ids)))
    return list(GroupKFold(folds, shuffle=True, random_state=seed).split(rows.features, groups=rows.device_ids))


def _judged(
    name: str,
    make: Callable[[], Any],
    inputs: NDArray[Any],
    rows: Lives,
    folds: list[tuple[IntArray, IntArray]],
    settings: TreeSettings | None,
    clock: Callable[[], float],
) -> Compared:
    told = np.zeros(len(rows), np.int64)
    fit_s = predict_s = 0.0
    with trees.one_thread():
        for seen, held in folds:
            started_s = clock()
            model = make().fit(inputs[seen], rows.state_index[seen])
            fitted_s = clock()
            told[held] = model.predict(inputs[held])
            fit_s += fitted_s - started_s
            predict_s += clock() - fitted_s
    score = macro_f1(confusion(rows.state_index, told))
    return Compared(name, score, fit_s / len(folds), predict_s / len(rows) * 1e6, settings)


class _Limits:
    """Three limits on total vibration, set halfway between the states' medians."""

    def fit(self, vibration: NDArray[Any], state_index: IntArray) -> "_Limits":
        self._limits_mm_s = fitted_limits(vibration, state_index)
        return self

    def predict(self, vibration: NDArray[Any]) -> IntArray:
        return limit_states(vibration, self._limits_mm_s)


def _boosting(settings: TreeSettings, seed: int) -> Callable[[], Any]:
    return lambda: trees.classifier(settings, seed)


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(100, min_samples_leaf=3, max_features="sqrt", random_state=seed)


def _logistic(seed: int) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer

    # quantiles: ratios over a small baseline have tails that a linear model would follow
    scaled = QuantileTransformer(n_quantiles=100, output_distribution="normal", random_state=seed)
    return make_pipeline(SimpleImputer(), scaled, LogisticRegression(C=0.1, tol=0.01, max_iter=300, random_state=seed))
