"""The loop: take what has arrived, predict it at once, publish, and only then acknowledge."""

import logging
import threading
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pdm_platform.contract.errors import PayloadError
from pdm_platform.contract.intake import DeviceClock, IntakeLimits, accept_reading
from pdm_platform.contract.payloads import Telemetry, encode
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.contract.topics import Kind, Topics
from pdm_platform.inference import snapshot
from pdm_platform.inference.loader import ModelLoader
from pdm_platform.inference.predictor import TimedReading, observe, predict
from pdm_platform.inference.settings import InferenceSettings
from pdm_platform.runtime.inbox import Inbox
from pdm_platform.runtime.mqtt import Link, Message
from pdm_platform.runtime.service import Health

log = logging.getLogger(__name__)
CLIENT_ID = "pdm-inference"
_TURN_S = 0.5
_REMEMBERED = 65_536  # what a broker may deliver again is bounded by MQTT's packet ids
_PUBLISH_WAIT_S = 30.0
_LATENCY_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metrics:
    """What `/metrics` tells of the service."""

    def __init__(self, registry: CollectorRegistry, inbox: Inbox) -> None:
        self.predicted = Counter("pdm_inference_predicted", "Predictions published", registry=registry)
        self.alarms = Counter("pdm_inference_alarm_changes", "Alarms raised or returned", registry=registry)
        self.refused = Counter("pdm_inference_refused", "Readings that break the contract", registry=registry)
        self.without_model = Counter("pdm_inference_without_model", "Readings before any model", registry=registry)
        self.repeats = Counter("pdm_inference_repeats", "Untimed readings delivered again", registry=registry)
        self.batch = Histogram(
            "pdm_inference_batch_readings", "Readings a batch", registry=registry, buckets=(1, 10, 100, 1_000, 10_000)
        )
        self.seconds = Histogram(
            "pdm_inference_batch_seconds",
            "Seconds from batch to broker",
            registry=registry,
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
        )
        self.latency = Histogram(
            "pdm_inference_reading_to_prediction_seconds",
            "Seconds from a reading's time to its prediction at the broker",
            registry=registry,
            buckets=_LATENCY_SECONDS,
        )
        self.model = Gauge("pdm_inference_model_info", "Model in service", ["version"], registry=registry)
        queue = Gauge("pdm_inference_queue_readings", "Readings waiting", registry=registry)
        queue.set_function(lambda: float(len(inbox)))


class InferenceService:
    """One process that predicts every reading of the fleet.

    source: the link that fills the inbox. outlet: another one to publish on: a full inbox holds back the source's
    network thread, and with it the broker's answers to what was published there.
    """

    def __init__(
        self,
        source: Link,
        outlet: Link,
        inbox: Inbox,
        loader: ModelLoader,
        topics: Topics,
        limits: IntakeLimits,
        settings: InferenceSettings,
        snapshot_path: Path,
        metrics: Metrics,
    ) -> None:
        self._source, self._outlet = source, outlet
        self._inbox, self._loader, self._topics = inbox, loader, topics
        self._limits, self._settings, self._metrics = limits, settings, metrics
        self._snapshot_path = snapshot_path
        self._state = snapshot.restore(snapshot_path)
        self._clock = DeviceClock()
        self._unacknowledged: list[Message] = []
        self._answered_times_ns: list[int] = []
        self._answered: dict[tuple[str, int], Telemetry] = {}
        self._next_look_s = 0.0
        self._next_snapshot_s = time.monotonic() + settings.inference_snapshot_s
        self._snapshot_fault: str | None = None

    def run(self, stop: threading.Event, health: Health) -> None:
        """Predict until told to stop; what was published is acknowledged before it returns."""
        health.require("loop", within_s=_PUBLISH_WAIT_S + 10)
        health.watch("broker", self._broker_fault)
        health.watch("snapshot", lambda: self._snapshot_fault)
        health.watch("model", lambda: None if self._loader.current else "no model in production yet: run `retrain`")
        while not stop.is_set():
            self._source.check()
            self._outlet.check()
            self._follow_model()
            self.turn(self._inbox.take(self._settings.inference_max_batch, _TURN_S), stop)
            if time.monotonic() >= self._next_snapshot_s:
                self._save()
            health.progress("loop")
        self._save()

    def turn(self, batch: list[Message], stop: threading.Event) -> None:
        """Answer one batch. A prediction is at the broker before its reading is acknowledged."""
        if not batch:
            return
        started_s = time.monotonic()
        self._answered_times_ns += [item.time_ns for item in self._answer(self._decode(batch))]
        self._unacknowledged += batch
        if self._is_published(stop):
            self._source.acknowledge(self._unacknowledged)
            self._unacknowledged = []
            self._note_latency()
        else:
            # their predictions wait in the outlet; a broker bounds what it delivers unacknowledged, and so this list
            log.warning("the broker has not taken all predictions; %d readings wait", len(self._unacknowledged))
        self._metrics.batch.observe(len(batch))
        self._metrics.seconds.observe(time.monotonic() - started_s)

    def _is_published(self, stop: threading.Event) -> bool:
        deadline_s = time.monotonic() + _PUBLISH_WAIT_S
        while not self._outlet.flush(_TURN_S):
            # a broker that hangs must not hold back a stop
            if stop.is_set() or time.monotonic() > deadline_s:
                return False
        return True

    def _decode(self, batch: list[Message]) -> list[TimedReading]:
        readings = []
        for message in batch:
            try:
                address = self._topics.parse(message.topic)
                if address.kind is Kind.MODEL_PRODUCTION:
                    self._next_look_s = 0.0
                    continue
                reading, time_ns = accept_reading(
                    address, message.payload, message.received_ns, self._limits, retained=message.retain
                )
            except PayloadError as error:
                # the bridge quarantines it with this reason; here it only must not become a prediction
                log.debug("not predicted: %s", error)
                self._metrics.refused.inc()
                continue
            if time_ns is None:
                if self._is_repeat(reading):
                    self._metrics.repeats.inc()
                    continue
                time_ns = self._clock.time_ns(reading.device_id, message.received_ns)
            readings.append(TimedReading(reading, time_ns))
        return readings

    def _is_repeat(self, reading: Telemetry) -> bool:
        """Whether a reading without a timestamp was answered already: a second answer would be another point.

        Told by its number and values, not by the DUP flag: after a broker's death publishers send again without it.
        """
        if reading.measurement_id is None:
            return False
        key = (reading.device_id, reading.measurement_id)
        before = self._answered.get(key)
        self._answered[key] = reading
        if len(self._answered) > _REMEMBERED:
            del self._answered[next(iter(self._answered))]
        return before == reading

    def _answer(self, readings: list[TimedReading]) -> list[TimedReading]:
        """Publish what there is to say of these readings; returns those that got a prediction."""
        loaded = self._loader.current
        if not readings:
            return []
        if loaded is None:
            observe(self._state, readings)
            self._metrics.without_model.inc(len(readings))
            return []
        predictions, alarms = predict(self._state, loaded, readings, time.time_ns())
        for prediction in predictions:
            self._outlet.publish(self._topics.of(Kind.PREDICTION, prediction.device_id), encode(prediction))
        for alarm in alarms:
            log.info("alarm: %s", alarm.message)
            self._outlet.publish(self._topics.of(Kind.ALARM, alarm.device_id), encode(alarm))
        self._metrics.predicted.inc(len(predictions))
        self._metrics.alarms.inc(len(alarms))
        return readings

    def _note_latency(self) -> None:
        now_ns = time.time_ns()
        for time_ns in self._answered_times_ns:
            # a device's clock may run ahead
            self._metrics.latency.observe(max(now_ns - time_ns, 0) / NS_PER_S)
        self._answered_times_ns = []

    def _follow_model(self) -> None:
        if time.monotonic() < self._next_look_s:
            return
        self._next_look_s = time.monotonic() + self._settings.inference_reload_s
        status = self._loader.follow(time.time_ns())
        if status is None:
            return
        self._metrics.model.clear()
        if status.serving:
            self._metrics.model.labels(version=status.serving).set(1)
        self._outlet.publish(self._topics.of(Kind.MODEL_STATUS), encode(status), retain=True)

    def _broker_fault(self) -> str | None:
        return None if self._source.ready and self._outlet.ready else "not connected to the broker"

    def _save(self) -> None:
        self._next_snapshot_s = time.monotonic() + self._settings.inference_snapshot_s
        try:
            snapshot.save(self._state, self._snapshot_path)
            self._snapshot_fault = None
        except OSError as error:
            # predictions matter more than baselines after a restart: a full disk must not end the service
            self._snapshot_fault = f"cannot write {str(self._snapshot_path)!r}: {error.strerror}"
            log.error("snapshot: %s", self._snapshot_fault)
