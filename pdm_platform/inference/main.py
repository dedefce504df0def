"""Wires the inference service: settings become parts."""

import threading

from prometheus_client import CollectorRegistry

from pdm_platform.inference.intake import Intake
from pdm_platform.inference.loader import ModelLoader
from pdm_platform.inference.memory import FleetMemory
from pdm_platform.inference.metrics import Metrics
from pdm_platform.inference.service import InferenceService
from pdm_platform.inference.settings import InferenceSettings
from pdm_platform.inference.workers import Worker
from pdm_platform.runtime.deliveries import Deliveries
from pdm_platform.runtime.mqtt_session import Session
from pdm_platform.runtime.service import Health, run_service, spare_collector_pauses
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.registry import Registry

# what waits to be published at a stop has already been waited for once
_LAST_FLUSH_S = 0.2


def main() -> int:
    """Run `pdmctl inference` until a signal ends it."""
    platform, settings = PlatformSettings.load(), InferenceSettings.load()
    worker = Worker.of(settings)

    def body(stop: threading.Event, health: Health, registry: CollectorRegistry) -> None:
        topics = platform.topics
        simple = settings.inference_output == "simple"
        session = Session(
            platform,
            worker.name,
            subscriptions=worker.subscriptions(topics),
            hold=settings.inference_queue_size,
            stop=stop,
        )
        deliveries = Deliveries()
        metrics = Metrics(registry, lambda: len(session), lambda: deliveries.repeats)
        loader = ModelLoader(Registry(platform.registry_path), simple=simple)
        service = InferenceService(
            session,
            deliveries,
            Intake(topics, platform.intake_limits, metrics, lambda: service.look_soon(), worker.answers),
            loader,
            FleetMemory(platform.home.absolute() / _folder(worker), keeps=not simple),
            topics,
            settings,
            metrics,
        )
        try:
            spare_collector_pauses()
            service.run(stop, health)
        finally:
            session.close(_LAST_FLUSH_S)

    return run_service(
        "inference",
        body,
        http_port=settings.inference_http_port,
        http_host=platform.http_host,
        log_level=platform.log_level,
    )


def _folder(worker: Worker) -> str:
    return "inference" if worker.workers == 1 else f"inference/{worker.name}"
