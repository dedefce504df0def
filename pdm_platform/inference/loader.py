"""Takes over the production model while the service runs, and refuses what its manifest does not vouch for."""

import logging
from dataclasses import dataclass

import numpy as np

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import IntegrityError, PdmError
from pdm_platform.contract.payloads import ModelPointer, ModelStatus
from pdm_platform.contract.states import STATES
from pdm_platform.contract.times import iso_of
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES
from pdm_platform.core.serving import ServingModel
from pdm_platform.core.trees import OPSET
from pdm_platform.stores.registry import Registry, Verified

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A verified model and the version it is."""

    version: str
    model: ServingModel


def load(registry: Registry, pointer: ModelPointer, *, simple: bool = False) -> LoadedModel:
    """Load the version a pointer names, after checking every file against its manifest. Nothing is unpickled.

    simple: only its models of raw channels will be asked. Raises IntegrityError where a file, the pointer, the feature
    contract or the classes do not fit; ModelError where a model is missing or does not fit.
    """
    return _fitting(pointer.version, registry.load(pointer), simple)


def _fitting(version: str, verified: Verified, simple: bool) -> LoadedModel:
    manifest, _, contents = verified
    if manifest.feature_contract != FEATURE_CONTRACT:
        raise IntegrityError(
            f"model {version} was trained on feature contract {manifest.feature_contract[:12]},"
            f" this service computes {FEATURE_CONTRACT[:12]}",
            hint="Retrain with this release, or run the release that trained it.",
        )
    if tuple(manifest.classes) != tuple(state.value for state in STATES):
        raise IntegrityError(f"model {version} tells {manifest.classes}, not the contract's states")
    if newer := {domain: found for domain, found in manifest.opset.items() if found > OPSET.get(domain, 0)}:
        raise IntegrityError(
            f"model {version} needs ONNX opset {newer}, this service runs {OPSET}",
            hint="Run the release that trained it, or a newer one.",
        )
    model = ServingModel.from_files(contents)
    if simple:
        told: tuple[np.ndarray, ...] = model.predict_raw(np.zeros((1, len(CHANNEL_NAMES))))
    else:
        trial = model.predict(np.zeros((1, len(FEATURE_NAMES))))
        told = trial.probabilities, trial.health_percent, trial.novelty
    if not all(np.isfinite(values).all() for values in told):
        raise IntegrityError(f"model {version} answers with NaN")
    return LoadedModel(version, model)


class ModelLoader:
    """Follows the registry's production pointer. simple: as in `load`."""

    def __init__(self, registry: Registry, *, simple: bool = False) -> None:
        self._registry, self._simple = registry, simple
        self._loaded: ModelPointer | None = None
        self._refused: tuple[ModelPointer, str] | None = None
        self.current: LoadedModel | None = None
        self._former: LoadedModel | None = None

    def follow(self, now_ns: int) -> ModelStatus | None:
        """Take the production version where the pointer has moved since the last look.

        Returns what happened, None where nothing did. A version that is refused leaves the old one serving, and is
        tried again at each look: it may have been unreadable for a moment, or be restored from a backup.
        """
        try:
            pointer = self._registry.production()
        except PdmError as error:
            log.error("production pointer unreadable: %s", error)
            return None
        if pointer is None or pointer == self._loaded:
            return None
        try:
            self.current = load(self._registry, pointer, simple=self._simple)
        except Exception as error:  # a disk, or ONNX Runtime: whatever it is, the old version serves on
            if self._refused == (pointer, str(error)):
                return None
            self._refused = (pointer, str(error))
            log.error("model %s refused: %s", pointer.version, error)
            return self._status(pointer.version, loaded=False, reason=str(error), now_ns=now_ns)
        self._loaded, self._refused = pointer, None
        log.info("model %s is serving", pointer.version)
        return self._status(pointer.version, loaded=True, reason="verified", now_ns=now_ns)

    def of_version(self, version: str) -> LoadedModel | None:
        """A version that served before, to tell again what it told then; None where it cannot be had any more."""
        for known in (self.current, self._former):
            if known is not None and known.version == version:
                return known
        try:
            self._former = _fitting(version, self._registry.verified(version), self._simple)
        except PdmError as error:
            log.warning("model %s cannot tell again what it told: %s", version, error)
            return None
        return self._former

    def _status(self, version: str, *, loaded: bool, reason: str, now_ns: int) -> ModelStatus:
        serving = self.current.version if self.current else ""
        return ModelStatus(version=version, loaded=loaded, reason=reason, serving=serving, at=iso_of(now_ns))
