"""Seventh stage: put the evaluated version into production, if its own evidence allows it, and tell the services."""

import dagster as dg

from pdm_platform.contract.errors import IntegrityError
from pdm_platform.contract.measurements import MODEL_EVENT
from pdm_platform.core.promotion import gates
from pdm_platform.defs.evaluate import evaluated_version, model_evaluation
from pdm_platform.defs.metadata import counts, explained
from pdm_platform.defs.resources import Broker, Platform
from pdm_platform.runtime.announce import announce
from pdm_platform.stores.ledger import last_move
from pdm_platform.stores.model_events import event_of
from pdm_platform.stores.promotion import promote_on_evidence


class ProductionModelConfig(dg.Config):
    """version: the one evaluated last where left out. actor, reason: for the ledger."""

    version: str | None = None
    actor: str = "dagster"
    reason: str | None = None


@dg.asset(group_name="promote", kinds={"onnx", "mqtt"}, deps=[model_evaluation])
def production_model(
    context: dg.AssetExecutionContext, config: ProductionModelConfig, platform: Platform, broker: Broker
) -> dg.MaterializeResult[None]:
    """The version that serves. Its files and evidence are read and checked again: an older run's word is not enough."""
    with explained():
        registry = platform.registry
        version = config.version or evaluated_version(platform.lake)
        reason = config.reason or f"its evaluation allows it (run {context.run.run_id})"
        pointer = promote_on_evidence(registry, version, actor=config.actor, reason=reason)
        manifest = registry.verify(version)
        entry = last_move(registry.ledger())
        with platform.store() as store:
            store.write(MODEL_EVENT, event_of(entry))
        with broker.link() as link:
            announce(link, platform.settings.topics, pointer)
        return dg.MaterializeResult(
            metadata={
                "summary": f"{version} is in production",
                "version": version,
                "previous": entry.from_version or "-",
                "promoted_at": pointer.promoted_at,
                "actor": entry.actor,
                "reason": entry.reason,
                "metrics": counts(manifest.metrics),
                "folder": dg.MetadataValue.path(registry.folder(version)),
            }
        )


@dg.asset_check(asset=production_model, description="Every file of the version in production is what was promoted.")
def production_is_intact(platform: Platform) -> dg.AssetCheckResult:
    """Recomputes every SHA-256."""
    try:
        manifest = platform.registry.production_manifest()
        observed = (
            "no version in production" if manifest is None else f"{manifest.version}, {len(manifest.files)} files"
        )
    except IntegrityError as error:
        manifest, observed = None, str(error)
    return dg.AssetCheckResult(
        passed=manifest is not None, metadata={"observed": observed, "expected": "every SHA-256 as in the manifest"}
    )


@dg.asset_check(asset=production_model, description="The evidence of the version in production allows it to serve.")
def production_evidence_holds(platform: Platform) -> dg.AssetCheckResult:
    """Judges the metrics of the version in production again."""
    with explained():
        manifest = platform.registry.production_manifest()
        judged = gates({} if manifest is None else manifest.metrics)
        return dg.AssetCheckResult(
            passed=all(gate.passed for gate in judged),
            metadata={
                "observed": ", ".join(f"{gate.name} {gate.observed}" for gate in judged),
                "expected": ", ".join(f"{gate.name} {gate.expected}" for gate in judged),
            },
        )
