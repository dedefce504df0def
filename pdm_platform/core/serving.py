"""The models as they are served, in ONNX Runtime: what the evaluation judges is what the inference service runs."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.core import serving_files
from pdm_platform.core.conformal import Offsets
from pdm_platform.core.features import FEATURE_NAMES
from pdm_platform.core.lives import speed_index
from pdm_platform.core.remaining_life import remaining_hours
from pdm_platform.core.sensor_faults import CHANNELS, channel_rows
from pdm_platform.core.serving_files import CLASSES, OUTPUTS, RAW, ServingFacts, refused
from pdm_platform.core.signal_memory import BASELINE_READINGS
from pdm_platform.core.signals import AGE_HOURS, INTERVAL_S

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# Before wear shows there is nothing from which to tell a remaining life: a pump that does not wear would be promised an
# end. Intervals are calibrated by level of prediction, so what is told from here on is as good as it says.
TOLD_FROM_SHARE: Final = 0.4
# From this probability on a sensor is said to lie.
SENSOR_FAULT_FROM: Final = 0.5
# From this probability of HEALTHY on the failure mode is not asked for: training knows none of a healthy pump either.
_PLAINLY_HEALTHY: Final = 0.9
_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)
_SEEN, _AGE, _INTERVAL = (FEATURE_NAMES.index(name) for name in ("readings_seen", AGE_HOURS, INTERVAL_S))


class ServingOutput(NamedTuple):
    """What the models say of n readings.

    probabilities: (n, 4), mode_probabilities: (n, 9) as MODE_CLASSES; rows sum to 1. sensor_probabilities: (n, 8), that
    the sensor of a channel lies. health_percent: (n,), 0 to 100. rul_*_hours: (n,), NaN where no wear is seen from
    which to tell it; consumed_share: (n,) of its life, NaN like them. novelty: (n,), from 0, above 1 is novel.
    provisional: (n,), True while the baseline forms.
    """

    probabilities: FloatArray
    health_percent: FloatArray
    mode_probabilities: FloatArray
    sensor_probabilities: FloatArray
    rul_lower_hours: FloatArray
    rul_hours: FloatArray
    rul_upper_hours: FloatArray
    consumed_share: FloatArray
    novelty: FloatArray
    provisional: NDArray[np.bool_]

    @property
    def state_index(self) -> IntArray:
        """Index into STATES of the most probable state, shape (n,)."""
        return np.asarray(np.argmax(self.probabilities, axis=1), np.int64)

    @property
    def mode_index(self) -> IntArray:
        """Index into MODE_CLASSES of the most probable failure mode, shape (n,)."""
        return np.asarray(np.argmax(self.mode_probabilities, axis=1), np.int64)

    @property
    def sensor_fault_probability(self) -> FloatArray:
        """Probability that some sensor lies, shape (n,)."""
        return np.asarray(self.sensor_probabilities.max(axis=1), np.float64)

    @property
    def sensor_lies(self) -> NDArray[np.bool_]:
        """Whether a sensor is said to lie, shape (n,)."""
        return np.asarray(self.sensor_fault_probability >= SENSOR_FAULT_FROM)

    @property
    def novel(self) -> NDArray[np.bool_]:
        """Whether the reading is like nothing healthy that was seen, shape (n,)."""
        return np.asarray(self.novelty > 1.0)

    @property
    def faulty_channel(self) -> IntArray:
        """Index into CHANNEL_NAMES of the sensor most likely to lie, shape (n,)."""
        return np.asarray(np.argmax(self.sensor_probabilities, axis=1), np.int64)

    def rows(self, index: NDArray[np.integer[Any]]) -> "ServingOutput":
        """What was said of the readings at these positions."""
        return ServingOutput(*(values[index] for values in self))


class ServingModel:
    """All models of a version in ONNX Runtime, on the CPU, one thread each."""

    def __init__(self, sessions: Mapping[str, Any], facts: ServingFacts) -> None:
        self._sessions = dict(sessions)
        self._facts = facts
        self._columns = {
            name: np.array([FEATURE_NAMES.index(column) for column in facts.columns[name]])
            for name in sessions
            if name != "sensor"
        }
        self._offsets = Offsets(np.array(facts.life_edges), np.array(facts.life_offsets))

    @classmethod
    def from_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Load a version's files, by file name. Raises ModelError naming the one that is missing or does not fit."""
        sessions, facts = serving_files.read(contents)
        return cls(sessions, facts)

    def predict_raw(self, channels: NDArray[np.floating[Any]]) -> tuple[FloatArray, FloatArray]:
        """State and health from single readings alone: probabilities (n, 4) and health_percent (n,).

        channels: (n, 8) as CHANNEL_NAMES, NaN where a sensor gave nothing. Raises ModelError where the version has no
        such models.
        """
        for name in RAW:
            if name not in self._sessions:
                raise refused(name, "this version has none")
        inputs = _between(channels, -_FLOAT32_MAX, _FLOAT32_MAX).astype(np.float32)
        health = self._run("raw_health", inputs)[:, 0] if len(inputs) else np.empty(0)
        return self._classes("raw_state", inputs), _between(health, 0.0, 100.0)

    def predict(self, features: NDArray[np.floating[Any]]) -> ServingOutput:
        """Predict from feature rows, shape (n, F), NaN where unknown. Raises ValueError for another shape."""
        if features.ndim != 2 or features.shape[1] != len(FEATURE_NAMES):
            raise ValueError(f"features have shape {features.shape}, expected (n, {len(FEATURE_NAMES)})")
        inputs = _between(features, -_FLOAT32_MAX, _FLOAT32_MAX).astype(np.float32, copy=False)
        health = _between(self._value("health", inputs), 0.0, 100.0)
        provisional = inputs[:, _SEEN] < BASELINE_READINGS
        states = self._shares("state", inputs)
        return ServingOutput(
            states,
            health,
            self._modes(inputs, states),
            self._lies(inputs),
            *self._life(inputs, ~provisional),
            self._novelty(inputs),
            provisional,
        )

    def _run(self, name: str, inputs: NDArray[np.float32]) -> FloatArray:
        (found,) = self._sessions[name].run([OUTPUTS[name]], {"features": np.ascontiguousarray(inputs)})
        return np.asarray(found, np.float64)

    def _value(self, name: str, inputs: NDArray[np.float32]) -> FloatArray:
        return self._run(name, inputs[:, self._columns[name]])[:, 0] if len(inputs) else np.empty(0)

    def _shares(self, name: str, inputs: NDArray[np.float32]) -> FloatArray:
        return self._classes(name, inputs[:, self._columns[name]])

    def _classes(self, name: str, inputs: NDArray[np.float32]) -> FloatArray:
        """Probabilities of all classes from a classifier's own inputs."""
        shares = np.zeros((len(inputs), CLASSES[name]))
        if len(inputs):
            found = self._run(name, inputs)
            # in float32 a softmax may reach 1.0000001, which the payload's contract would refuse
            shares[:, self._facts.classes[name]] = found / found.sum(axis=1, keepdims=True)
        return shares

    def _modes(self, inputs: NDArray[np.float32], states: FloatArray) -> FloatArray:
        """A pump that is plainly healthy has no failure mode, and the largest model need not be asked for one."""
        modes = np.zeros((len(inputs), len(MODE_CLASSES)))
        plainly = states[:, 0] >= _PLAINLY_HEALTHY
        modes[plainly, 0] = 1.0
        modes[~plainly] = self._shares("mode", _where(~plainly, inputs))
        return modes

    def _lies(self, inputs: NDArray[np.float32]) -> FloatArray:
        if "sensor" not in self._sessions or not len(inputs):
            return np.zeros((len(inputs), CHANNELS))
        return _between(self._run("sensor", channel_rows(inputs))[:, 1], 0.0, 1.0).reshape(-1, CHANNELS)

    def _novelty(self, inputs: NDArray[np.float32]) -> FloatArray:
        picked = inputs[:, self._columns["novelty"]]
        known = np.where(np.isnan(picked), np.float32(0.0), picked)
        told = self._run("novelty", known)[:, 0] if len(inputs) else np.empty(0)
        score = -(told + self._facts.novelty_offset)
        return np.maximum(score / self._facts.novelty_limit, 0.0)

    def _life(
        self, inputs: NDArray[np.float32], known: NDArray[np.bool_]
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Lower bound, median and upper bound in hours, and the consumed share of life; NaN where not told."""
        bounds = np.full((4, len(inputs)), np.nan)
        rows = _where(known, inputs)
        speed = speed_index(rows[:, _INTERVAL].astype(np.float64))
        age_hours = np.maximum(rows[:, _AGE].astype(np.float64), 0.0)
        consumed = self._offsets.interval(self._value("life", rows), speed)
        # the more is consumed, the less is left
        hours = [remaining_hours(age_hours, share) for share in reversed(consumed)]
        worn = consumed[1] >= TOLD_FROM_SHARE
        bounds[:, known] = np.where(worn, [*hours, _between(consumed[1], 0.0, 1.0)], np.nan)
        lower, median, upper, share = bounds
        return lower, median, upper, share


def _where(chosen: NDArray[np.bool_], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The chosen rows; all of them without a copy."""
    return rows if chosen.all() else rows[chosen]


def _between(values: NDArray[Any], lowest: float, highest: float) -> NDArray[Any]:
    """numpy.clip, which takes eight times as long for a few values. NaN stays NaN."""
    return np.asarray(np.minimum(np.maximum(values, lowest), highest))
