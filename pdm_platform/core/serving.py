"""The two ONNX models as they are served: what the evaluation judges is what the inference service runs."""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.errors import PdmError
from pdm_platform.contract.states import STATES
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES

FloatArray = NDArray[np.float64]
CONTRACT_KEY = "feature_contract"
_FLOAT32_MAX = float(np.finfo(np.float32).max)


class ModelError(PdmError):
    """A model cannot be served: it is no ONNX model, or it was made for other features or states."""

    code = "PDM-MODEL-001"


class ServingOutput(NamedTuple):
    """probabilities: (n, 4), one column a state, each row sums to 1; health_percent: (n,), 0 to 100."""

    probabilities: FloatArray
    health_percent: FloatArray

    @property
    def state_index(self) -> NDArray[np.int64]:
        """Index into STATES of the most probable state, shape (n,)."""
        return np.asarray(np.argmax(self.probabilities, axis=1), np.int64)


class ServingModel:
    """State classifier and health regressor in ONNX Runtime, on the CPU, one thread each."""

    def __init__(self, state: Any, health: Any) -> None:
        self._state = state
        self._health = health

    @classmethod
    def from_bytes(cls, state: bytes, health: bytes) -> Self:
        """Load both models. Raises ModelError where one is unreadable or does not take this code's features."""
        return cls(
            _session("state", state, ("probabilities", len(STATES))), _session("health", health, ("variable", 1))
        )

    def predict(self, features: FloatArray) -> ServingOutput:
        """Predict from feature rows, shape (n, F), NaN where unknown. Raises ValueError for another shape."""
        if features.ndim != 2 or features.shape[1] != len(FEATURE_NAMES):
            raise ValueError(f"features have shape {features.shape}, expected (n, {len(FEATURE_NAMES)})")
        if not len(features):
            return ServingOutput(np.empty((0, len(STATES))), np.empty(0))
        inputs = {"features": np.clip(features, -_FLOAT32_MAX, _FLOAT32_MAX).astype(np.float32)}
        (probabilities,) = self._state.run(["probabilities"], inputs)
        (health,) = self._health.run(["variable"], inputs)
        # in float32 a softmax may reach 1.0000001, which the payload's contract would refuse
        shares = np.clip(np.asarray(probabilities, np.float64), 0.0, 1.0)
        shares = np.clip(shares / shares.sum(axis=1, keepdims=True), 0.0, 1.0)
        return ServingOutput(shares, np.clip(np.asarray(health, np.float64)[:, 0], 0.0, 100.0))


def _session(name: str, model: bytes, output: tuple[str, int]) -> Any:
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
    inputs = [(node.name, node.shape[1:]) for node in session.get_inputs()]
    outputs = {node.name: node.shape[1:] for node in session.get_outputs()}
    if inputs != [("features", [len(FEATURE_NAMES)])] or outputs.get(output[0]) != [output[1]]:
        raise _refused(name, f"it maps {inputs} to {outputs}, expected {len(FEATURE_NAMES)} features to {output}")
    return session


def _refused(name: str, why: str) -> ModelError:
    return ModelError(
        f"the {name} model cannot be served: {why}", hint="Train and promote a version with this release."
    )
