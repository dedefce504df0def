"""Wires the inference service: settings become parts."""

import threading

from prometheus_client import CollectorRegistry

from pdm_platform.contract.topics import Kind
from pdm_platform.inference.loader import ModelLoader
from pdm_platform.inference.service import CLIENT_ID, InferenceService, Metrics
from pdm_platform.inference.settings import InferenceSettings
from pdm_platform.runtime.inbox import Inbox
from pdm_platform.runtime.mqtt import Link
from pdm_platform.runtime.service import Health, run_service
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.registry import Registry

# what waits to be published at a stop has already been waited for once
_LAST_FLUSH_S = 0.5


def main() -> int:
    """Run `pdmctl inference` until a signal ends it."""
    platform, settings = PlatformSettings.load(), InferenceSettings.load()

    def body(stop: threading.Event, health: Health, registry: CollectorRegistry) -> None:
        inbox = Inbox(settings.inference_queue_size)
        topics = platform.topics
        source = Link(
            platform,
            CLIENT_ID,
            subscriptions=(topics.every(Kind.TELEMETRY), topics.of(Kind.MODEL_PRODUCTION)),
            on_message=inbox.put,
            stop=stop,
        )
        outlet = Link(
            platform,
            f"{CLIENT_ID}-outlet",
            persistent=False,
            max_unacknowledged=2 * settings.inference_max_batch,
            stop=stop,
        )
        service = InferenceService(
            source,
            outlet,
            inbox,
            ModelLoader(Registry(platform.registry_path)),
            topics,
            platform.intake_limits,
            settings,
            platform.home.absolute() / "inference" / "state.npz",
            Metrics(registry, inbox),
        )
        source.start()
        outlet.start()
        try:
            service.run(stop, health)
        finally:
            inbox.close()
            source.stop()
            outlet.stop(_LAST_FLUSH_S)

    return run_service(
        "inference",
        body,
        http_port=settings.inference_http_port,
        http_host=platform.http_host,
        log_level=platform.log_level,
    )
