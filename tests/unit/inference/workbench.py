"""A service on a fake session, for the tests of its loop."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.payloads import Alarm, ModelStatus, Prediction, decode
from pdm_platform.contract.times import iso_of
from pdm_platform.inference.intake import Intake
from pdm_platform.inference.journal import Journal
from pdm_platform.inference.loader import LoadedModel, ModelLoader
from pdm_platform.inference.memory import FleetMemory
from pdm_platform.inference.metrics import Metrics
from pdm_platform.inference.service import InferenceService
from pdm_platform.inference.settings import InferenceSettings
from pdm_platform.runtime.deliveries import Deliveries
from pdm_platform.runtime.mqtt import Message
from pdm_platform.runtime.service import Health
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.registry import Manifest, Registry
from tests.fake_session import FakeSession
from tests.servers.mosquitto import wait_until
from tests.small_fleet import NEW_PUMP, WORN_PUMP

Registered = Callable[..., tuple[Registry, Manifest]]
NEW: dict[str, Any] = dict(zip(CHANNEL_NAMES, NEW_PUMP.tolist(), strict=True))
WORN: dict[str, Any] = dict(zip(CHANNEL_NAMES, WORN_PUMP.tolist(), strict=True))


class Workbench:
    """A service below `folder` on a fake session."""

    def __init__(
        self, folder: Path, session: FakeSession | None = None, loader: ModelLoader | None = None, **settings: Any
    ) -> None:
        self.folder = folder
        self.session = FakeSession(self.noted) if session is None else session
        self.registry, self.health, self.stop = CollectorRegistry(), Health(), threading.Event()
        platform, deliveries, chosen = PlatformSettings(home=folder), Deliveries(), InferenceSettings(**settings)
        simple = chosen.inference_output == "simple"
        metrics = Metrics(self.registry, lambda: len(self.session), lambda: deliveries.repeats)
        self.loader = loader or ModelLoader(Registry(folder / "registry"), simple=simple)
        self.memory = FleetMemory(folder / "inference")
        self.service = InferenceService(
            self.session,
            deliveries,
            Intake(platform.topics, platform.intake_limits, metrics, lambda: self.service.look_soon()),
            self.loader,
            self.memory,
            platform.topics,
            chosen,
            metrics,
        )

    def noted(self) -> int:
        """How many messages are noted in the journals on the disk."""
        journal = Journal(self.folder / "inference")
        return sum(len(entry.messages) for entry in journal.read(0))

    @contextmanager
    def running(self) -> Iterator[None]:
        """The service in a thread of its own while the block runs."""
        thread = threading.Thread(target=self.service.run, args=(self.stop, self.health))
        thread.start()
        try:
            yield
        finally:
            self.stop.set()
            thread.join(10)
        assert not thread.is_alive()

    def run_until(self, done: Callable[[], bool]) -> None:
        with self.running():
            wait_until(done, "what the test waits for")

    def run_until_acknowledged(self, *messages: Message) -> None:
        self.session.deliver(*messages)
        self.run_until(lambda: len(self.session.acknowledged) >= len(messages))

    def predictions(self) -> list[Prediction]:
        return [decode(Prediction, sent.payload) for sent in self.session.sent if sent.topic.endswith("/predictions")]

    def alarms(self) -> list[Alarm]:
        return [decode(Alarm, sent.payload) for sent in self.session.sent if sent.topic.endswith("/alarms")]

    def statuses(self) -> list[ModelStatus]:
        return [decode(ModelStatus, sent.payload) for sent in self.session.sent if sent.topic.endswith("/status")]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"pdm_inference_{name}", labels)


def message(
    mid: int, topic: str = "factory/pumps/pump-1/telemetry", payload: bytes | None = None, **changes: Any
) -> Message:
    fields = {"device_id": "pump-1", **NEW, "measurement_id": mid, **changes}
    return Message(topic, payload or json.dumps(fields).encode(), 1, False, False, mid, time.time_ns(), 1)


def serving(bench: Workbench, registered: Registered, **files: bytes | None) -> Manifest:
    registry, manifest = registered(bench.folder / "registry", **files)
    registry.promote(manifest.version, actor="ana", reason="a test")
    return manifest


def now_ms() -> int:
    return time.time_ns() // 10**6


class GivenModels(ModelLoader):
    """A registry in which these models are promoted, one after the other. formerly: those before.

    gate: a load takes until it is open.
    """

    def __init__(self, *models: LoadedModel, formerly: tuple[LoadedModel, ...] = ()) -> None:
        self._promoted = deque(models)
        self.current: LoadedModel | None = None
        self._formerly = formerly
        self.gate = threading.Event()
        self.gate.set()
        self.loads = 0

    def promote(self, model: LoadedModel) -> None:
        self._promoted.append(model)

    def of_version(self, version: str) -> LoadedModel | None:
        return next((one for one in (self.current, *self._formerly) if one and one.version == version), None)

    def follow(self, now_ns: int) -> ModelStatus | None:
        if not self._promoted:
            return None
        self.loads += 1
        assert self.gate.wait(30)
        self.current = self._promoted.popleft()
        version = self.current.version
        return ModelStatus(version=version, loaded=True, reason="given", serving=version, at=iso_of(now_ns))
