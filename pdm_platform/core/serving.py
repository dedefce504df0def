"""The models as they are served, in ONNX Runtime: what the evaluation judges is what the inference service runs."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.errors import PdmError
from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.contract.states import STATES
from pdm_platform.core.conformal import Offsets
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES
from pdm_platform.core.lives import SPEEDS, speed_index
from pdm_platform.core.remaining_life import remaining_hours
from pdm_platform.core.sensor_faults import CHANNELS, SENSOR_INPUTS, channel_rows
from pdm_platform.core.signal_memory import BASELINE_READINGS
from pdm_platform.core.signals import AGE_HOURS, INTERVAL_S

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
CONTRACT_KEY: Final = "feature_contract"
SERVING_FILE: Final = "serving.json"
# number of classes a classifier may tell, and the output that is read
CLASSES: Final = {"state": len(STATES), "mode": len(MODE_CLASSES), "sensor": 2}
_OUTPUTS: Final = {
    **dict.fromkeys(CLASSES, "probabilities"),
    **dict.fromkeys(("health", "life"), "variable"),
    "novelty": "scores",
}
# A model that had nothing to learn from is left out: no sensor in the training window lied.
_OPTIONAL: Final = ("sensor",)
# Before wear shows there is nothing from which to tell a remaining life: a pump that does not wear would be promised an
# end. Intervals are calibrated by level of prediction, so what is told from here on is as good as it says.
TOLD_FROM_SHARE: Final = 0.4
# From this probability on a sensor is said to lie.
SENSOR_FAULT_FROM: Final = 0.5
_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)
_SEEN, _AGE, _INTERVAL = (FEATURE_NAMES.index(name) for name in ("readings_seen", AGE_HOURS, INTERVAL_S))


class ModelError(PdmError):
    """A model cannot be served: it is no ONNX model, or it was made for other features or classes."""

    code = "PDM-MODEL-001"


class ServingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """`serving.json` of a version: what the ONNX files do not say.

    columns: of each model, the names of the features it looks at. classes: of each classifier, the index that each of
    its outputs stands for. life_edges, life_offsets: of conformal.Offsets, for the consumed share of life, a group each
    of SPEEDS. novelty_offset: what ONNX took off the isolation forest's score. novelty_limit: score above which a
    reading is novel.
    """

    feature_contract: str
    columns: dict[str, list[str]]
    classes: dict[str, list[int]]
    life_edges: list[float]
    life_offsets: list[list[list[float]]]
    novelty_offset: float
    novelty_limit: float


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
        facts = _facts(contents)
        sessions = {}
        for name in _OUTPUTS:
            if f"{name}.onnx" in contents:
                sessions[name] = _session(name, contents[f"{name}.onnx"], facts)
            elif name not in _OPTIONAL:
                raise _refused(name, "it is missing")
        return cls(sessions, facts)

    def predict(self, features: NDArray[np.floating[Any]]) -> ServingOutput:
        """Predict from feature rows, shape (n, F), NaN where unknown. Raises ValueError for another shape."""
        if features.ndim != 2 or features.shape[1] != len(FEATURE_NAMES):
            raise ValueError(f"features have shape {features.shape}, expected (n, {len(FEATURE_NAMES)})")
        inputs = np.clip(features, -_FLOAT32_MAX, _FLOAT32_MAX).astype(np.float32)
        health = np.clip(self._value("health", inputs), 0.0, 100.0)
        provisional = inputs[:, _SEEN] < BASELINE_READINGS
        return ServingOutput(
            self._shares("state", inputs),
            health,
            self._shares("mode", inputs),
            self._lies(inputs),
            *self._life(inputs, ~provisional),
            self._novelty(inputs),
            provisional,
        )

    def _run(self, name: str, inputs: NDArray[np.float32]) -> FloatArray:
        chosen = channel_rows(inputs) if name == "sensor" else inputs[:, self._columns[name]]
        (found,) = self._sessions[name].run([_OUTPUTS[name]], {"features": np.ascontiguousarray(chosen)})
        return np.asarray(found, np.float64)

    def _value(self, name: str, inputs: NDArray[np.float32]) -> FloatArray:
        return self._run(name, inputs)[:, 0] if len(inputs) else np.empty(0)

    def _shares(self, name: str, inputs: NDArray[np.float32]) -> FloatArray:
        shares = np.zeros((len(inputs), CLASSES[name]))
        if len(inputs):
            # in float32 a softmax may reach 1.0000001, which the payload's contract would refuse
            found = np.clip(self._run(name, inputs), 0.0, 1.0)
            shares[:, self._facts.classes[name]] = np.clip(found / found.sum(axis=1, keepdims=True), 0.0, 1.0)
        return shares

    def _lies(self, inputs: NDArray[np.float32]) -> FloatArray:
        if "sensor" not in self._sessions or not len(inputs):
            return np.zeros((len(inputs), CHANNELS))
        return np.clip(self._run("sensor", inputs)[:, 1], 0.0, 1.0).reshape(-1, CHANNELS)

    def _novelty(self, inputs: NDArray[np.float32]) -> FloatArray:
        score = -(self._value("novelty", np.nan_to_num(inputs)) + self._facts.novelty_offset)
        return np.maximum(score / self._facts.novelty_limit, 0.0)

    def _life(
        self, inputs: NDArray[np.float32], known: NDArray[np.bool_]
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Lower bound, median and upper bound in hours, and the consumed share of life; NaN where not told."""
        bounds = np.full((4, len(inputs)), np.nan)
        speed = speed_index(inputs[known, _INTERVAL].astype(np.float64))
        age_hours = inputs[known, _AGE].astype(np.float64)
        consumed = self._offsets.interval(self._value("life", inputs[known]), speed)
        # the more is consumed, the less is left
        hours = [remaining_hours(age_hours, share) for share in reversed(consumed)]
        worn = consumed[1] >= TOLD_FROM_SHARE
        bounds[:, known] = np.where(worn, [*hours, np.clip(consumed[1], 0.0, 1.0)], np.nan)
        lower, median, upper, share = bounds
        return lower, median, upper, share


def _facts(contents: Mapping[str, bytes]) -> ServingFacts:
    try:
        facts = msgspec.json.decode(contents.get(SERVING_FILE, b""), type=ServingFacts)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refused(SERVING_FILE, f"{error}") from None
    if facts.feature_contract != FEATURE_CONTRACT:
        contract = facts.feature_contract[:12]
        raise _refused(
            SERVING_FILE, f"it was made for feature contract {contract}, this code has {FEATURE_CONTRACT[:12]}"
        )
    expected = len(SPEEDS), len(facts.life_edges) + 1, 3
    try:
        found = str(np.shape(facts.life_offsets))
    except ValueError:  # numpy's word for rows of different lengths
        found = "of no array"
    if found != str(expected):
        raise _refused(SERVING_FILE, f"its life_offsets have shape {found}, expected {expected}")
    if facts.novelty_limit <= 0.0:
        raise _refused(SERVING_FILE, f"its novelty_limit is {facts.novelty_limit}, which is no limit")
    return facts


def _session(name: str, model: bytes, facts: ServingFacts) -> Any:
    import onnxruntime as ort  # 0.3 s, which only those who serve or judge a model should wait for

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has an exception class of its own for each way to fail
        raise _refused(name, f"ONNX Runtime cannot load it: {str(error)[:200]}") from None
    contract = session.get_modelmeta().custom_metadata_map.get(CONTRACT_KEY, "none")
    if contract != FEATURE_CONTRACT:
        raise _refused(name, f"it was made for feature contract {contract[:12]}, this code has {FEATURE_CONTRACT[:12]}")
    columns = facts.columns.get(name, [])
    features = SENSOR_INPUTS if name == "sensor" else len(columns)
    if unknown := [column for column in columns if column not in FEATURE_NAMES]:
        raise _refused(name, f"it looks at features that do not exist: {unknown[:3]}")
    width = 1
    if name in CLASSES:
        classes = [0, 1] if name == "sensor" else facts.classes.get(name, [])
        width = len(classes)
        if not classes or len(set(classes)) != width or not all(0 <= index < CLASSES[name] for index in classes):
            raise _refused(name, f"it tells classes {classes}, expected some of 0 to {CLASSES[name] - 1}")
    inputs = [(node.name, node.shape[1:]) for node in session.get_inputs()]
    outputs = {node.name: node.shape[1:] for node in session.get_outputs()}
    if inputs != [("features", [features])] or outputs.get(_OUTPUTS[name]) != [width]:
        raise _refused(name, f"it maps {inputs} to {outputs}, expected {features} features to {_OUTPUTS[name]} {width}")
    return session


def _refused(name: str, why: str) -> ModelError:
    return ModelError(
        f"the {name} model cannot be served: {why}", hint="Train and promote a version with this release."
    )
