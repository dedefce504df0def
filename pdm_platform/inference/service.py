"""The loop: take what has arrived, predict it at once, publish, and acknowledge once the broker has the predictions."""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

import numpy as np

from pdm_platform.contract.payloads import ModelStatus, encode
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.contract.topics import Kind, Topics
from pdm_platform.inference.intake import Intake, superseded
from pdm_platform.inference.loader import ModelLoader
from pdm_platform.inference.memory import FleetMemory
from pdm_platform.inference.metrics import Metrics
from pdm_platform.inference.predictor import Answer, TimedReading, answer, observe
from pdm_platform.inference.settings import InferenceSettings
from pdm_platform.runtime.deliveries import Deliveries
from pdm_platform.runtime.mqtt import Message
from pdm_platform.runtime.service import Health

log = logging.getLogger(__name__)
_TURN_S: Final = 0.5
_CACHED_TOPICS: Final = 100_000
_PROGRESS_WITHIN_S: Final = 30.0
# what waits to be published has already been waited for, and a broker that hangs must not hold back a stop
_SETTLE_S: Final = 0.5


class Session(Protocol):
    """The part of the broker session that the service needs."""

    @property
    def ready(self) -> bool:
        """Connected and subscribed."""
        ...

    @property
    def published(self) -> int:
        """Messages handed over so far."""
        ...

    @property
    def answered(self) -> int:
        """How many of the first of them the broker has."""
        ...

    def check(self) -> None:
        """Raise where the broker refused this client."""
        ...

    def receive(self, max_messages: int, max_wait_s: float) -> list[Message]:
        """What has arrived; early and empty where only answers have."""
        ...

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand one message over."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until the broker has all of them."""
        ...

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tell the broker that these are safe."""
        ...


class _UnderWay(NamedTuple):
    """A batch whose predictions the broker may not have yet: it has them once it has answered `published` messages."""

    published: int
    version: str
    messages: list[Message]
    stale_before_ns: int
    times_ns: list[int]


class InferenceService:
    """One process, one thread that predicts every reading of the fleet."""

    def __init__(
        self,
        session: Session,
        deliveries: Deliveries,
        intake: Intake,
        loader: ModelLoader,
        memory: FleetMemory,
        topics: Topics,
        settings: InferenceSettings,
        metrics: Metrics,
    ) -> None:
        self._session, self._deliveries, self._intake = session, deliveries, intake
        self._loader, self._memory = loader, memory
        self._topic_of = lru_cache(maxsize=_CACHED_TOPICS)(topics.of)
        self._settings, self._metrics = settings, metrics
        self._under_way: deque[_UnderWay] = deque()
        self._looking: Future[ModelStatus | None] | None = None
        self._looker = ThreadPoolExecutor(1, "model")
        self._next_look_s = 0.0
        self._next_snapshot_s = 0.0
        self._kept_up_s = time.monotonic()
        self._serving = loader.current

    def run(self, stop: threading.Event, health: Health) -> None:
        """Predict until told to stop; what was published is acknowledged before it returns."""
        health.watch("broker", lambda: None if self._session.ready else "not connected to the broker")
        health.watch("snapshot", lambda: self._memory.fault)
        health.watch("model", lambda: None if self._serving else "no model in production yet: run `retrain`")
        health.require("loop", within_s=_PROGRESS_WITHIN_S)
        self._remember()
        while not stop.is_set():
            self._session.check()
            self._follow_model()
            self.turn(_TURN_S)
            if time.monotonic() >= self._next_snapshot_s:
                self._save()
            health.progress("loop")
        self._session.flush(_SETTLE_S)
        self._settle()
        self._looker.shutdown()
        # what the broker has no answer of comes again: then it must be as new as it was
        self._memory.close(save=not self._under_way)

    def turn(self, max_wait_s: float) -> None:
        """Answer what has arrived, then acknowledge what the broker has the answers of."""
        delivered = self._session.receive(self._settings.inference_max_batch, max_wait_s)
        stale_before_ns = self._stale_before_ns(len(delivered))
        if delivered:
            started_s = time.monotonic()
            batch = self._deliveries.fresh(delivered)
            told = self._answer(batch, stale_before_ns)
            version = self._serving.version if self._serving else ""
            self._under_way.append(_UnderWay(self._session.published, version, batch, stale_before_ns, told))
            self._metrics.batch.observe(len(delivered))
            self._metrics.seconds.observe(time.monotonic() - started_s)
        self._settle()

    def _stale_before_ns(self, delivered: int) -> int:
        """From when on readings are answered; 0, which is always, unless the service has been behind for long.

        Old readings alone are no overload: a client may send a day of them at once.
        """
        now_s, long_s = time.monotonic(), self._settings.inference_stale_after_s
        if delivered < self._settings.inference_max_batch:
            self._kept_up_s = now_s
        return 0 if now_s - self._kept_up_s < long_s else time.time_ns() - int(long_s * NS_PER_S)

    def _answer(self, batch: Sequence[Message], stale_before_ns: int) -> list[int]:
        """Publish what there is to say of these messages; returns the times of the readings that got a prediction."""
        readings = self._intake.readings(batch)
        if not readings:
            return []
        if self._serving is None:
            observe(self._memory.state, readings)
            self._metrics.without_model.inc(len(readings))
            return []
        asked = self._without_stale(readings, stale_before_ns)
        self._metrics.skipped.inc(len(readings) - len(asked))
        told = answer(self._memory.state, self._serving, asked, time.time_ns(), self._settings.inference_output)
        self._publish(told)
        return [item.time_ns for item in asked]

    def _without_stale(self, readings: list[TimedReading], stale_before_ns: int) -> list[TimedReading]:
        """Where the service is far behind: old readings of a pump that has a newer one are remembered, not answered."""
        stale = superseded(readings, stale_before_ns) if stale_before_ns else []
        if not any(stale):
            return readings
        if self._settings.inference_output == "full":
            observe(self._memory.state, [item for item, skipped in zip(readings, stale, strict=True) if skipped])
        return [item for item, skipped in zip(readings, stale, strict=True) if not skipped]

    def _publish(self, told: Answer) -> None:
        of, publish = self._topic_of, self._session.publish
        for prediction in told.predictions:
            publish(of(Kind.PREDICTION, prediction.device_id), encode(prediction))
        for alarm in told.alarms:
            log.info("alarm: %s", alarm.message)
            publish(of(Kind.ALARM, alarm.device_id), encode(alarm))
        self._metrics.predicted.inc(len(told.predictions))
        self._metrics.alarms.inc(len(told.alarms))

    def _settle(self) -> None:
        """Acknowledge the readings whose predictions the broker has. Noted first: a kill between must not undo them."""
        answered = self._session.answered
        while self._under_way and self._under_way[0].published <= answered:
            done = self._under_way.popleft()
            self._memory.note(done.version, done.messages, done.stale_before_ns)
            self._session.acknowledge(self._deliveries.settle(done.messages))
            if done.times_ns:
                # a device's clock may run ahead
                late_ns = np.maximum(time.time_ns() - np.array(done.times_ns, np.int64), 0)
                self._metrics.latency.observe(late_ns / NS_PER_S)

    def _remember(self) -> None:
        """Bring the state from the last snapshot to the last acknowledged reading, with the model in production."""
        status = self._loader.follow(time.time_ns())
        # taken over here, not there: a snapshot taken now would make the journal superfluous before it is read
        self._serving = self._loader.current
        self._take_over(status)
        for entry in self._memory.before_snapshot():
            self._deliveries.remember(entry.delivered())
        replayed, other = 0, set()
        for entry in self._memory.since_snapshot():
            messages = entry.delivered()
            self._deliveries.remember(messages)
            readings = self._intake.readings(messages)
            if readings and entry.model_version and self._serving is not None:
                told_by = self._loader.of_version(entry.model_version) or self._serving
                other |= {entry.model_version} - {told_by.version}
                asked = self._without_stale(readings, entry.stale_before_ns)
                answer(self._memory.state, told_by, asked, 0, self._settings.inference_output)
            elif readings:
                observe(self._memory.state, readings)
            replayed += len(readings)
        if replayed:
            log.info("remembered %d readings that came after the last snapshot", replayed)
        if other:
            log.warning("some of them were told by %s, which cannot be had any more", ", ".join(sorted(other)))
        self._save()

    def _follow_model(self) -> None:
        """Look where the production pointer is, in a thread of its own: a model takes longer to load than to answer."""
        if self._looking is None and time.monotonic() >= self._next_look_s:
            self._next_look_s = time.monotonic() + self._settings.inference_reload_s
            self._looking = self._looker.submit(self._loader.follow, time.time_ns())
        if self._looking is not None and self._looking.done():
            looked, self._looking = self._looking, None
            self._take_over(looked.result())

    def _take_over(self, status: ModelStatus | None) -> None:
        """Between two batches, so that no reading is answered by two models."""
        if status is None:
            return
        if self._serving is not self._loader.current:
            self._serving = self._loader.current
            self._save()  # what is noted from now on was told by the new model
        self._metrics.model.clear()
        if status.serving:
            self._metrics.model.labels(version=status.serving).set(1)
        self._session.publish(self._topic_of(Kind.MODEL_STATUS), encode(status), retain=True)

    def look_soon(self) -> None:
        """The pointer was announced: look now."""
        self._next_look_s = 0.0

    def _save(self) -> None:
        """Take a snapshot between two batches, when all that was answered is acknowledged."""
        self._next_snapshot_s = time.monotonic() + self._settings.inference_snapshot_s
        if self._under_way:
            self._session.flush(_SETTLE_S)
            self._settle()
        if not self._under_way:
            self._memory.save()
