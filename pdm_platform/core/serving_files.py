"""The files of a version as they are served: facts and ONNX models, each checked before it is used."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np

from pdm_platform.contract.errors import PdmError
from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.contract.states import STATES
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES
from pdm_platform.core.lives import SPEEDS
from pdm_platform.core.sensor_faults import SENSOR_INPUTS

CONTRACT_KEY: Final = "feature_contract"
SERVING_FILE: Final = "serving.json"
# number of classes a classifier may tell, and the output that is read
CLASSES: Final = {"state": len(STATES), "mode": len(MODE_CLASSES), "sensor": 2, "raw_state": len(STATES)}
OUTPUTS: Final = {
    **dict.fromkeys(CLASSES, "probabilities"),
    **dict.fromkeys(("health", "life", "raw_health"), "variable"),
    "novelty": "scores",
}
RAW: Final = ("raw_state", "raw_health")
# A model that had nothing to learn from is left out: no sensor in the training window lied. Versions made before there
# were models of raw channels are served without them.
_OPTIONAL: Final = ("sensor", *RAW)


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


def read(contents: Mapping[str, bytes]) -> tuple[dict[str, Any], ServingFacts]:
    """ONNX Runtime's sessions by model, and the facts, from a version's files by name.

    Raises ModelError naming the model that is missing or does not fit.
    """
    facts = _facts(contents)
    sessions = {}
    for name in OUTPUTS:
        if f"{name}.onnx" in contents:
            sessions[name] = _session(name, contents[f"{name}.onnx"], facts)
        elif name not in _OPTIONAL:
            raise refused(name, "it is missing")
    return sessions, facts


def _facts(contents: Mapping[str, bytes]) -> ServingFacts:
    try:
        facts = msgspec.json.decode(contents.get(SERVING_FILE, b""), type=ServingFacts)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused(SERVING_FILE, f"{error}") from None
    if facts.feature_contract != FEATURE_CONTRACT:
        contract = facts.feature_contract[:12]
        raise refused(
            SERVING_FILE, f"it was made for feature contract {contract}, this code has {FEATURE_CONTRACT[:12]}"
        )
    expected = len(SPEEDS), len(facts.life_edges) + 1, 3
    try:
        found = str(np.shape(facts.life_offsets))
    except ValueError:  # numpy's word for rows of different lengths
        found = "of no array"
    if found != str(expected):
        raise refused(SERVING_FILE, f"its life_offsets have shape {found}, expected {expected}")
    if facts.novelty_limit <= 0.0:
        raise refused(SERVING_FILE, f"its novelty_limit is {facts.novelty_limit}, which is no limit")
    return facts


def _session(name: str, model: bytes, facts: ServingFacts) -> Any:
    import onnxruntime as ort  # 0.3 s, which only those who serve or judge a model should wait for

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has an exception class of its own for each way to fail
        raise refused(name, f"ONNX Runtime cannot load it: {str(error)[:200]}") from None
    contract = session.get_modelmeta().custom_metadata_map.get(CONTRACT_KEY, "none")
    if contract != FEATURE_CONTRACT:
        raise refused(name, f"it was made for feature contract {contract[:12]}, this code has {FEATURE_CONTRACT[:12]}")
    columns = facts.columns.get(name, [])
    features = SENSOR_INPUTS if name == "sensor" else len(columns)
    if unknown := [column for column in columns if column not in FEATURE_NAMES]:
        raise refused(name, f"it looks at features that do not exist: {unknown[:3]}")
    width = 1
    if name in CLASSES:
        classes = [0, 1] if name == "sensor" else facts.classes.get(name, [])
        width = len(classes)
        if not classes or len(set(classes)) != width or not all(0 <= index < CLASSES[name] for index in classes):
            raise refused(name, f"it tells classes {classes}, expected some of 0 to {CLASSES[name] - 1}")
    inputs = [(node.name, node.shape[1:]) for node in session.get_inputs()]
    outputs = {node.name: node.shape[1:] for node in session.get_outputs()}
    if inputs != [("features", [features])] or outputs.get(OUTPUTS[name]) != [width]:
        raise refused(name, f"it maps {inputs} to {outputs}, expected {features} features to {OUTPUTS[name]} {width}")
    return session


def refused(name: str, why: str) -> ModelError:
    """Why a model of a version cannot be served."""
    return ModelError(
        f"the {name} model cannot be served: {why}", hint="Train and promote a version with this release."
    )
