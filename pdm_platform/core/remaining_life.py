"""How long a device will last: a prediction, and bounds made honest on lives that it was not fitted on.

What is learned of pumps is the share of its life that a device has consumed, age / (age + remaining life): it has no
unit, so lives of minutes and of months teach each other. The remaining life follows from it and the device's age. Of a
fleet whose lives are alike, such as engines, the remaining time itself is learned, cut off at a cap: before wear shows,
nothing tells it. Both go through the same code, and an estimator is chosen by lives held out, never by rows.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.core import conformal, trees
from pdm_platform.core.conformal import Offsets, life_weights

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Progress = Callable[[str], None]
FOLDS: Final = 5
_EQUAL_SHARE: Final = 0.02
# A consumed share of less cannot be told from nothing, and would promise a hundred lives more.
_LEAST_SHARE: Final = 0.01
_PHM08_EARLY, _PHM08_LATE = 13.0, 10.0
_PHM08_FARTHEST: Final = 500.0


def consumed_share(age_hours: FloatArray, rul_hours: FloatArray) -> FloatArray:
    """Share of its life that a device has consumed, shape (n,), 0 to 1; both arguments in hours."""
    return np.asarray(age_hours / np.maximum(age_hours + rul_hours, 1e-12), np.float64)


def remaining_hours(age_hours: FloatArray, share: FloatArray) -> FloatArray:
    """The inverse of consumed_share, hours, shape (n,). A share of 1 or more has 0 hours left."""
    bounded = np.minimum(np.maximum(share, _LEAST_SHARE), 1.0)  # np.clip takes eight times as long for a few values
    return np.asarray(age_hours * (1.0 - bounded) / bounded, np.float64)


def phm08(too_long: FloatArray) -> FloatArray:
    """Penalty of each prediction, shape (n,), that says so many cycles too much (negative: too few). 0 is perfect.

    Source: Saxena, Goebel, Simon, Eklund, Damage propagation modeling for aircraft engine run-to-failure simulation,
    PHM 2008: exp(-d / 13) - 1 where early, exp(d / 10) - 1 where late. Errors count as at most 500 cycles.
    """
    bounded = np.clip(too_long, -_PHM08_FARTHEST, _PHM08_FARTHEST)
    return np.expm1(np.where(bounded < 0.0, -bounded / _PHM08_EARLY, bounded / _PHM08_LATE))


@dataclass(frozen=True, slots=True)
class LifeRows:
    """Rows of many lives, and what they are for.

    features: (n, F). target: (n,), in its own unit, not capped. life: (n,) which life a row belongs to. learn, judge:
    (n,) whether an estimator is fitted on the row, and whether its error and residual there count; in judging, lives
    weigh alike. weigh: whether they do so in fitting, too, however many rows each has.
    """

    features: NDArray[np.float32]
    target: FloatArray
    life: NDArray[np.generic]
    learn: BoolArray
    judge: BoolArray
    weigh: bool = False

    def rmse(self, predicted: FloatArray) -> float:
        """Root mean square error on judged rows, in the target's unit."""
        return float(np.sqrt(self.judged_mean((predicted - self.target) ** 2)))

    def judged_mean(self, values: FloatArray) -> float:
        """Mean of values (n,) over judged rows, every life counting the same."""
        return float(np.average(values[self.judge], weights=life_weights(self.life[self.judge])))


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to learn remaining life. make: an unfitted estimator. cap: the target is learned up to here."""

    name: str
    make: Callable[[], Any]
    cap: float = float("inf")

    def fitted(self, rows: LifeRows, chosen: IntArray | None = None) -> Any:
        """An estimator fitted on those rows to learn from that are chosen; None: on all of them."""
        index = np.flatnonzero(rows.learn) if chosen is None else chosen[rows.learn[chosen]]
        weighted = {}
        if rows.weigh:
            weight = life_weights(rows.life[index])
            weighted = {"sample_weight": weight / weight.mean()}
        return self.make().fit(rows.features[index], np.minimum(rows.target[index], self.cap), **weighted)


@dataclass(frozen=True, slots=True)
class Trial:
    """How a candidate did on lives it had not seen.

    rmse: on judged rows, in the target's unit; phm08: mean penalty of a judged row, lives alike (the unit of the target
    is taken for cycles). fit_s: CPU time of all folds; predict_us: of a row. predicted: (n,), out of fold.
    """

    name: str
    rmse: float
    phm08: float
    fit_s: float
    predict_us: float
    predicted: FloatArray


@dataclass(frozen=True, slots=True)
class Selection:
    """The candidate with the smallest error, its trial, and all trials in the order they were made."""

    chosen: Candidate
    trial: Trial
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class LifeModel:
    """A fitted estimator, and what turns its prediction into an interval."""

    estimator: Any
    offsets: Offsets

    def predict(self, features: NDArray[np.float32], group: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lower bound, middle, upper bound of the target, each (n,). group: (n,) as it was fitted with."""
        return self.offsets.interval(np.asarray(self.estimator.predict(features), np.float64), group)


def fit_life(
    make: Callable[[], Any],
    features: NDArray[np.float32],
    target: FloatArray,
    life: NDArray[np.generic],
    group: IntArray,
    groups: int,
    *,
    seed: int,
    progress: Progress,
) -> LifeModel:
    """Fit on all rows, and calibrate by estimators that had not seen the life they judge.

    make: an unfitted estimator. features: (n, F); target: (n,); life: (n,) which life a row belongs to; group: (n,)
    Mondrian group, of `groups`. Raises ValueError for fewer than two lives.
    """
    everywhere = np.ones(len(target), np.bool_)
    rows, candidate = LifeRows(features, target, life, everywhere, everywhere), Candidate("given", make)
    trial = tried(candidate, rows, seed=seed, progress=progress)
    progress(f"remaining life: all {len(target)} readings of {len(np.unique(life))} lives")
    return calibrated_model(candidate, rows, trial.predicted, group, groups)


def calibrated_model(
    candidate: Candidate, rows: LifeRows, predicted: FloatArray, group: IntArray, groups: int
) -> LifeModel:
    """Fitted on all rows to learn from, its bounds from predictions out of fold, (n,), at the rows to judge."""
    with trees.one_thread():
        estimator = candidate.fitted(rows)
    judge = rows.judge
    offsets = conformal.calibrated(predicted[judge], rows.target[judge], rows.life[judge], group[judge], groups)
    return LifeModel(estimator, offsets)


def select(
    candidates: Sequence[Candidate],
    rows: LifeRows,
    *,
    seed: int,
    progress: Progress,
    most: int | None = None,
    budget_s: float = float("inf"),
    folds: int = FOLDS,
    clock: Callable[[], float] = time.process_time,
) -> Selection:
    """Try candidates in their order on the same folds of lives, and choose the one with the smallest error.

    Candidates within 2 % of the smallest RMSE count as equal, since fewer lives tell no more: of these the one with the
    lowest PHM08 score is chosen, because to tell a life too long costs more than too short. Ends after `most` of them,
    or once the time is spent, whatever is left; the first is always tried. Only the time makes the choice depend on the
    machine. Raises ValueError without a candidate, or for fewer than two lives.
    """
    considered = candidates[:most]
    if not considered:
        raise ValueError("there is no candidate to choose from")
    started, trials = clock(), list[Trial]()
    for number, candidate in enumerate(considered, start=1):
        if trials and clock() - started >= budget_s:
            progress(
                f"remaining life: {budget_s:.0f} s are spent, {len(considered) - len(trials)} candidates not tried"
            )
            break
        trial = tried(candidate, rows, seed=seed, progress=lambda _: None, folds=folds, clock=clock)
        progress(
            f"remaining life: candidate {number} of {len(considered)}, {trial.name}: RMSE {trial.rmse:.4g},"
            f" fitted in {trial.fit_s:.1f} s, {trial.predict_us:.0f} us a row"
        )
        trials.append(trial)
    least = min(trial.rmse for trial in trials)
    equal = [index for index, trial in enumerate(trials) if trial.rmse <= least * (1.0 + _EQUAL_SHARE)]
    best = min(equal, key=lambda index: trials[index].phm08)
    return Selection(considered[best], trials[best], tuple(trials))


def tried(
    candidate: Candidate,
    rows: LifeRows,
    *,
    seed: int,
    progress: Progress,
    folds: int = FOLDS,
    clock: Callable[[], float] = time.process_time,
) -> Trial:
    """A candidate's predictions of every row by an estimator that saw no row of its life, and their error.

    Raises ValueError for fewer than two lives.
    """
    from sklearn.model_selection import GroupKFold

    lives = len(np.unique(rows.life))
    if lives < 2:
        raise ValueError(f"{lives} life cannot calibrate an interval: two are needed")
    folds = min(folds, lives)
    predicted, fit_s, predict_s = np.empty(len(rows.target)), 0.0, 0.0
    with trees.one_thread():
        splits = GroupKFold(folds, shuffle=True, random_state=seed).split(rows.features, groups=rows.life)
        for number, (seen, held) in enumerate(splits, start=1):
            progress(f"remaining life: fold {number} of {folds}")
            started = clock()
            estimator = candidate.fitted(rows, seen)
            fitted = clock()
            predicted[held] = estimator.predict(rows.features[held])
            fit_s, predict_s = fit_s + fitted - started, predict_s + clock() - fitted
    penalty = rows.judged_mean(phm08(predicted - rows.target))
    return Trial(candidate.name, rows.rmse(predicted), penalty, fit_s, 1e6 * predict_s / len(predicted), predicted)
