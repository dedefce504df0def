"""Remaining life of NASA's turbofan engines (C-MAPSS) with the platform's own features and code: how good is it?

How it is judged. Training engines run to failure. Every test engine is judged once, at its last reading, against the
true remaining cycles as they are given, not capped as in many publications. All settings are chosen by cross-validation
by training engine; test engines take no part in it.

The cut law. Cross-validation and the interval need to know when a test engine is looked at: here at any reading after
the 30th with up to 0.75 median training lives left, all alike, each engine weighing the same. That horizon is an
assumption about how test engines are cut, and was made knowing that none of FD001's has more than 145 cycles left, 0.73
median lives. It bears on the choice of the cap and on the width of the interval, not on the features or the trees.
`cv_rmse_whole_life` tells the error without it: readings from a quarter of the life on.

Other run-to-failure files of this format work too. Thinning, cap, horizon and averaging go by the median life.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdm_platform.benchmark.cmapss_files import BenchmarkFileError, Conditions, Readings, read_readings, read_remaining
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core import conformal, remaining_life, trees, wear_axes
from pdm_platform.core.conformal import Honesty
from pdm_platform.core.remaining_life import Candidate, LifeRows, Selection, phm08
from pdm_platform.core.signal_memory import BASELINE_READINGS
from pdm_platform.core.signals import SignalSpec, SignalStates, columns_of, fold
from pdm_platform.core.states_table import FloatArray, IntArray
from pdm_platform.core.trees import TreeSettings
from pdm_platform.core.wear_axes import OnWearAxes

Progress = Callable[[str], None]
LEAST_ENGINES: Final = 5
_LEAST_CYCLES: Final = 10
HORIZON_LIVES: Final = 0.75
AXES: Final = (2, 3)
CAP_LIVES: Final = (0.60, 0.65, 0.70)
_BOOSTING_CAP_LIVES: Final = 0.65
# The fold looks back over few readings; of longer lives, cycles are averaged until a life has about so many.
_READINGS_OF_A_LIFE: Final = 200
_LEARNED_OF_A_LIFE: Final = 40
_FIRST_LEARNED_LIVES: Final = 0.05
_FIRST_JUDGED_LIVES: Final = 0.15
_TREES: Final = 100
_BOOSTING: Final = TreeSettings(
    max_iter=80, learning_rate=0.08, max_leaf_nodes=12, min_samples_leaf=30, l2_regularization=10.0, max_features=0.3
)
_RESAMPLES: Final = 2_000


class Fleet(NamedTuple):
    """What the fold made of the engines of a file.

    engine: (n,). seen: (n,) readings of the engine so far. left: (n,) cycles until its last one. views: (n, 9 C + 1).
    """

    engine: IntArray
    seen: IntArray
    left: FloatArray
    views: NDArray[np.float32]

    def rows(self, median_cycles: float, horizon_cycles: float) -> LifeRows:
        """Which rows are learned from and which are judged, as the cut law says."""
        median = median_cycles / _stride(median_cycles)
        every = max(1, round(median / _LEARNED_OF_A_LIFE))
        learn = (self.seen >= round(_FIRST_LEARNED_LIVES * median)) & (self.seen % every == 0)
        first = min(BASELINE_READINGS, round(_FIRST_JUDGED_LIVES * median))
        judge = (self.seen >= first) & (self.left >= 1) & (self.left <= horizon_cycles)
        return LifeRows(self.views, self.left, self.engine, learn, judge, weigh=True)

    def grown(self) -> NDArray[np.bool_]:
        """Which readings come after a quarter of their engine's life, shape (n,)."""
        most = np.zeros(self.engine.max() + 1, np.int64)
        np.maximum.at(most, self.engine, self.seen)
        return np.asarray(self.seen >= 0.25 * most[self.engine])


class Judged(NamedTuple):
    """Test engines at their last reading: truth, prediction, bounds of the 90 % interval, each (engines,), cycles."""

    truth: FloatArray
    predicted: FloatArray
    lower: FloatArray
    upper: FloatArray

    def figures(self) -> dict[str, float]:
        """RMSE and its 90 % bootstrap bounds over engines, PHM08 score (a sum), bias, coverage and mean width."""
        truth, predicted, lower, upper = self
        error = predicted - truth
        draws = np.random.default_rng(0).integers(0, len(error), (_RESAMPLES, len(error)))
        low, high = np.quantile(np.sqrt((error[draws] ** 2).mean(axis=1)), (0.05, 0.95))
        return {
            "rmse": float(np.sqrt((error**2).mean())),
            "rmse_low": float(low),
            "rmse_high": float(high),
            "phm08": float(phm08(error).sum()),
            "bias": float(error.mean()),
            "coverage": float(((truth >= lower) & (truth <= upper)).mean()),
            "mean_width": float((upper - lower).mean()),
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out, in cycles. engines: how many were trained on and judged. cv*: of training engines held out."""

    judged: Judged
    selection: Selection
    settings: dict[str, Any]
    engines: dict[str, int]
    cv: Honesty
    cv_rmse_whole_life: float
    seconds: float


def judge_set(folder: Path, name: str, *, seed: int = 0, most: int | None = None, progress: Progress) -> Outcome:
    """Train on `train_NAME.txt`, judge on `test_NAME.txt` and `RUL_NAME.txt` of a folder.

    most: how many candidates to try, None: all. Raises BenchmarkFileError where a file is missing or not what its
    format says, or has too few engines.
    """
    started = time.process_time()
    train, test, truth = _read(folder, name)
    median_cycles = float(np.median(train.lives))
    conditions, stride = Conditions.of(train), _stride(median_cycles)
    if not len(conditions.kept):
        raise BenchmarkFileError(f"{folder}: no sensor in train_{name}.txt varies")
    fleet = folded(train, conditions, stride)
    rows = fleet.rows(median_cycles, HORIZON_LIVES * median_cycles)
    progress(
        f"{name}: {len(train.lives)} engines, {len(conditions.kept)} sensors, {rows.learn.sum()} readings to learn"
    )
    tried = candidates(median_cycles, seed)
    selection = remaining_life.select(tried, rows, seed=seed, most=most, progress=progress)
    chosen, predicted, judge = selection.chosen, selection.trial.predicted, rows.judge
    group = np.zeros(len(judge), np.int64)
    honesty = conformal.cross_checked(
        predicted[judge], rows.target[judge], rows.life[judge], group[judge], 1, seed=seed
    )
    progress(f"{name}: fits {chosen.name} on all engines")
    larger = {one.name: one for one in candidates(median_cycles, seed, count=2 * _TREES)}[chosen.name]
    model = remaining_life.calibrated_model(larger, rows, predicted, group, 1)
    tested = folded(test, conditions, stride)
    return Outcome(
        _judged(model, tested.views[tested.left == 0.0], truth),
        selection,
        _settings(chosen, rows, conditions, median_cycles, seed),
        {"train": len(train.lives), "test": len(test.lives)},
        honesty,
        replace(rows, judge=fleet.grown() & (rows.target >= 1)).rmse(predicted),
        time.process_time() - started,
    )


def candidates(median_cycles: float, seed: int, *, count: int = _TREES) -> list[Candidate]:
    """Extra trees on wear axes with several caps, and boosting, on axes and on the views themselves."""

    def extra_trees() -> Any:
        from sklearn.ensemble import ExtraTreesRegressor

        return ExtraTreesRegressor(count, min_samples_leaf=5, max_features=1.0, random_state=seed)

    def boosting() -> Any:
        return trees.regressor(_BOOSTING, seed)

    def on(axes: int, make: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: OnWearAxes(axes, make())

    caps = {share: round(share * median_cycles) for share in (*CAP_LIVES, _BOOSTING_CAP_LIVES)}
    cap = float(caps[_BOOSTING_CAP_LIVES])
    return [
        *(
            Candidate(f"extra trees, {axes} axes, cap {caps[share]}", on(axes, extra_trees), float(caps[share]))
            for axes in AXES
            for share in CAP_LIVES
        ),
        Candidate(f"boosting, {AXES[0]} axes, cap {cap:.0f}", on(AXES[0], boosting), cap),
        Candidate(f"boosting, plain views, cap {cap:.0f}", boosting, cap),
    ]


def folded(readings: Readings, conditions: Conditions, stride: int) -> Fleet:
    """Features of every reading, by the platform's fold: a cycle is an hour, `stride` cycles averaged are a reading."""
    spec = SignalSpec(tuple(f"sensor_{index + 1}" for index in conditions.kept), version="cmapss-1")
    states = type(
        "EngineStates", (SignalStates,), {"SPEC": spec, "CONTRACT": spec.contract, "COLUMNS": columns_of(spec)}
    )
    values = conditions.standardised(readings)
    first = np.searchsorted(readings.engine, readings.engine)
    position = np.arange(len(values)) - first
    starts = np.flatnonzero(position % stride == 0)
    counts = np.diff(np.append(starts, len(values)))
    means = np.add.reduceat(values, starts) / counts[:, None]
    last = starts + counts - 1
    engine, cycle = readings.engine[last], readings.cycle[last]
    features = fold(states(), [str(number) for number in engine], cycle * NS_PER_HOUR, means)
    # standardised by condition, so what is usual in the fleet is 0 and 1, for engines to be judged as for these
    usual = wear_axes.FleetScale(spec.channels, np.zeros(len(spec.channels)), np.ones(len(spec.channels)))
    lives = readings.lives[np.searchsorted(readings.engine[readings.last], engine)]
    return Fleet(engine, position[starts] // stride + 1, lives - cycle, wear_axes.wear_views(features, spec, usual))


def _stride(median_cycles: float) -> int:
    return max(1, round(median_cycles / _READINGS_OF_A_LIFE))


def _read(folder: Path, name: str) -> tuple[Readings, Readings, FloatArray]:
    """Training engines, test engines, and the cycles left to those, all checked before anything is learned."""
    paths = [folder / f"{what}_{name}.txt" for what in ("train", "test", "RUL")]
    train, test = read_readings(paths[0]), read_readings(paths[1])
    if len(train.lives) < LEAST_ENGINES:
        raise BenchmarkFileError(f"{paths[0]}: {len(train.lives)} engines, needs {LEAST_ENGINES}")
    if (median := np.median(train.lives)) < _LEAST_CYCLES:
        raise BenchmarkFileError(f"{paths[0]}: a median life of {median:g} cycles, needs {_LEAST_CYCLES}")
    if test.sensors.shape[1] != train.sensors.shape[1]:
        raise BenchmarkFileError(
            f"{paths[1]}: {test.sensors.shape[1]} sensors, {paths[0].name} has {train.sensors.shape[1]}"
        )
    return train, test, read_remaining(paths[2], len(test.lives))


def _judged(model: remaining_life.LifeModel, views: NDArray[np.float32], truth: FloatArray) -> Judged:
    lower, _, upper = model.predict(views, np.zeros(len(views), np.int64))
    return Judged(truth, model.estimator.predict(views), np.maximum(lower, 0.0), np.maximum(upper, 0.0))


def _settings(
    chosen: Candidate, rows: LifeRows, conditions: Conditions, median_cycles: float, seed: int
) -> dict[str, Any]:
    return {
        "candidate": chosen.name,
        "cap_cycles": chosen.cap,
        "median_life_cycles": median_cycles,
        "horizon_cycles": HORIZON_LIVES * median_cycles,
        "cycles_a_reading": _stride(median_cycles),
        "rows_learned": int(rows.learn.sum()),
        "conditions": len(conditions.centres),
        "sensors": [int(index) + 1 for index in conditions.kept],
        "folds_by_engine": remaining_life.FOLDS,
        "seed": seed,
    }
