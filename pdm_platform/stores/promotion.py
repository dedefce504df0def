"""Promotion by evidence: what a version's own files show decides, and the ledger remembers it either way."""

from pdm_platform.contract.errors import IntegrityError, PromotionRefusedError
from pdm_platform.contract.payloads import ModelPointer
from pdm_platform.core.evidence import EVIDENCE_FILE, decide
from pdm_platform.core.promotion import require
from pdm_platform.stores.registry import Registry


def promote_on_evidence(registry: Registry, version: str, *, actor: str, reason: str) -> ModelPointer:
    """Put a version into production if its verified files allow it.

    Raises PromotionRefusedError naming each gate that does not hold, once the refusal stands in the ledger; and what
    `Registry.promote` raises.
    """
    verified, production = registry.verified(version), registry.production()
    serving = None if production is None else production.version
    observed: dict[str, float | None] = {}
    try:
        judged = decide(
            verified.manifest.metrics,
            verified.contents.get(EVIDENCE_FILE),
            version=version,
            production=serving,
            comparable=_can_be_run(registry, verified.manifest.feature_contract),
        )
        observed = {gate.name: gate.observed for gate in judged}
        require(judged)
    except PromotionRefusedError as error:
        registry.refuse(version, actor=actor, reason=error.what, evidence=observed)
        raise
    return registry.promote(version, actor=actor, reason=reason, evidence=observed, beside=serving)


def _can_be_run(registry: Registry, feature_contract: str) -> bool:
    """Whether the version in production is intact and takes the same features."""
    try:
        manifest = registry.production_manifest()
    except IntegrityError:
        return False
    return manifest is not None and manifest.feature_contract == feature_contract
