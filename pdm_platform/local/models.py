"""`pdmctl models`: what is in the registry, and which version is in production."""

import sys

import msgspec

from pdm_platform.contract.errors import PdmError
from pdm_platform.contract.measurements import MODEL_EVENT
from pdm_platform.contract.payloads import ModelPointer
from pdm_platform.local.tables import print_rows
from pdm_platform.runtime.actor import actor
from pdm_platform.runtime.announce import announce
from pdm_platform.runtime.mqtt import Link
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.ledger import last_move
from pdm_platform.stores.model_events import event_of
from pdm_platform.stores.promotion import promote_on_evidence
from pdm_platform.stores.registry import Registry
from pdm_platform.stores.telemetry import open_platform_store

_CONNECT_WITHIN_S = 3.0


def _registry() -> Registry:
    return Registry(PlatformSettings.load().registry_path)


def list_versions() -> None:
    """Print all versions, newest first."""
    registry = _registry()
    production = registry.production()
    headings = ("version", "", "macro_f1_unseen", "health_mae_percent", "created_at")
    rows = []
    for manifest in registry.versions():
        mark = "production" if production is not None and production.version == manifest.version else ""
        metrics = manifest.metrics
        scores = (f"{metrics.get(name, float('nan')):.3f}" for name in ("macro_f1", "health_mae_percent"))
        rows.append((manifest.version, mark, *scores, manifest.created_at[:19]))
    print_rows(headings, rows)


def show_version(version: str) -> None:
    """Print a verified version's manifest as JSON."""
    manifest = _registry().verify(version)
    print(msgspec.json.format(msgspec.json.encode(manifest), indent=2).decode())


def promote_version(version: str, reason: str) -> None:
    """Promote a version whose evidence allows it, and tell running services."""
    registry = _registry()
    _told(registry, promote_on_evidence(registry, version, actor=actor(), reason=reason))


def roll_back(reason: str) -> None:
    """Return to the version that was in production before, and tell running services."""
    registry = _registry()
    _told(registry, registry.rollback(actor=actor(), reason=reason))


def _told(registry: Registry, pointer: ModelPointer) -> None:
    platform = PlatformSettings.load()
    print(f"production is now {pointer.version}")
    try:
        store = open_platform_store(platform)
        try:
            store.write(MODEL_EVENT, event_of(last_move(registry.ledger())))
        finally:
            store.close()
    except PdmError as error:
        print(f"the store was not told, the registry's ledger knows: {error}", file=sys.stderr)
    try:
        link = Link(platform, "pdm-models", persistent=False)
        link.start()
        try:
            link.wait_ready(_CONNECT_WITHIN_S)
            announce(link, platform.topics, pointer)
        finally:
            link.stop()
    except PdmError as error:
        # the registry's pointer decides; the message only makes services look sooner
        print(f"running services were not told, they look for themselves every few seconds: {error}", file=sys.stderr)
