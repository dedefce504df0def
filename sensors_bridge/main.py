"""The bridge as a process: settings become parts, signals become a stop."""

import sys
import threading
import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from pdm_platform.contract.errors import PdmError, StoreError
from pdm_platform.contract.topics import Kind
from pdm_platform.runtime.deliveries import Deliveries
from pdm_platform.runtime.mqtt_session import Session
from pdm_platform.runtime.service import Health, run_service
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.telemetry import TelemetryStore, open_platform_store
from sensors_bridge.backlog import Backlog
from sensors_bridge.bridge import Bridge, Parts
from sensors_bridge.decode import Decoder
from sensors_bridge.gaps import Gaps
from sensors_bridge.metrics import Metrics
from sensors_bridge.patience import ReopeningStore
from sensors_bridge.quarantine import Quarantine
from sensors_bridge.rejected import MAX_UNACKNOWLEDGED, Announcer
from sensors_bridge.settings import CLIENT_ID, BridgeSettings

# A write of one batch takes milliseconds; a locked or silent store is given up within this time, and tried again.
_PROGRESS_WITHIN_S = 30.0


def serve(
    platform: PlatformSettings,
    settings: BridgeSettings,
    stop: threading.Event,
    health: Health,
    registry: CollectorRegistry,
) -> None:
    """Run the bridge until `stop`. Raises BrokerRefusedError where the broker refuses this client."""
    session = Session(
        platform,
        CLIENT_ID,
        subscriptions=[platform.topics.everything],
        hold=settings.bridge_queue_size,
        # above the announcer's own bound, so that the loop never waits for the broker
        max_unacknowledged=2 * MAX_UNACKNOWLEDGED,
        stop=stop,
    )

    backlog = Backlog(settings.bridge_broker_keeps, time.monotonic)

    def alive() -> None:
        health.progress("loop")
        backlog.fault()
        session.check()
        # also while the store fails: a broker takes a client that is silent, or reads nothing, for dead
        session.exchange(0.0)

    def disconnected() -> str | None:
        return None if session.ready else f"not connected to {platform.mqtt_host}:{platform.mqtt_port}"

    bridge = Bridge(_parts(platform, registry, session, backlog), settings, stop, alive)
    health.watch("store", bridge.fault)
    health.watch("backlog", backlog.fault)
    health.watch("broker", disconnected)
    health.require("loop", _PROGRESS_WITHIN_S)
    try:
        bridge.run()
    finally:
        session.close()


def _parts(platform: PlatformSettings, registry: CollectorRegistry, session: Session, backlog: Backlog) -> Parts:
    deliveries, announcer = Deliveries(), Announcer(platform.topics.of(Kind.REJECTED))
    gaps, quarantine = Gaps(), Quarantine(platform.home.absolute() / "quarantine")
    metrics = Metrics(registry, session, deliveries, announcer)
    metrics.watch("broker_backlog_messages", "Messages that wait at the broker, estimated", lambda: backlog.messages)
    metrics.watch("quarantine_bytes", "Size of the quarantine on disk", lambda: quarantine.size_bytes)
    return Parts(
        session=session,
        deliveries=deliveries,
        decoder=Decoder(platform.topics, platform.intake_limits, gaps),
        quarantine=quarantine,
        store=ReopeningStore(lambda: _open_store(platform)),
        announcer=announcer,
        metrics=metrics,
        gaps=gaps,
        backlog=backlog,
    )


def _open_store(platform: PlatformSettings) -> TelemetryStore:
    """The store; the default one's folder is made, another must be there. Raises StoreError, SettingsError."""
    if not platform.store_url:
        _make_folder(platform.home.absolute() / "store")
    return open_platform_store(platform)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make the store's folder {str(folder)!r}: {error.strerror}", hint="PDM_HOME must be writable."
        ) from None


def main() -> int:
    """Run the bridge as its own process. Returns its exit code."""
    try:
        platform, settings = PlatformSettings.load(), BridgeSettings.load()
    except PdmError as error:
        print(error, file=sys.stderr)
        return 1
    return run_service(
        "bridge",
        lambda stop, health, registry: serve(platform, settings, stop, health, registry),
        http_port=settings.bridge_http_port,
        http_host=platform.http_host,
        log_level=platform.log_level,
    )


if __name__ == "__main__":
    sys.exit(main())
