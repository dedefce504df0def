"""The service's loop on fakes: what is acknowledged was answered first, and nothing it meets ends it."""

import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import BrokerRefusedError, PdmError
from pdm_platform.contract.payloads import Alarm, ModelStatus, Prediction, decode
from pdm_platform.inference.loader import ModelLoader
from pdm_platform.inference.service import InferenceService, Metrics
from pdm_platform.inference.settings import InferenceSettings
from pdm_platform.runtime.inbox import Inbox
from pdm_platform.runtime.mqtt import Link, Message
from pdm_platform.runtime.service import Health
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.registry import Manifest, Registry
from tests.small_fleet import NEW_PUMP, WORN_PUMP

Registered = Callable[..., tuple[Registry, Manifest]]
NEW: dict[str, Any] = dict(zip(CHANNEL_NAMES, NEW_PUMP.tolist(), strict=True))
WORN: dict[str, Any] = dict(zip(CHANNEL_NAMES, WORN_PUMP.tolist(), strict=True))


class FakeLink:
    """Both links in one: keeps in order what was published, flushed and acknowledged."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.published: list[tuple[str, bytes, bool]] = []
        self.acknowledged: list[Message] = []
        self.takes = True
        self.ready = True
        self.refusal: PdmError | None = None

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        self.events.append("publish")
        self.published.append((topic, payload, retain))
        return len(self.published)

    def flush(self, timeout_s: float) -> bool:
        self.events.append("flush")
        if not self.takes:
            time.sleep(min(timeout_s, 0.05))
        return self.takes

    def acknowledge(self, messages: Iterable[Message]) -> None:
        self.events.append("acknowledge")
        self.acknowledged += messages

    def check(self) -> None:
        if self.refusal is not None:
            raise self.refusal


class Workbench:
    """A service below `folder` on a fake link."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder, self.link, self.inbox = folder, FakeLink(), Inbox(1_000)
        self.registry, self.health, self.stop = CollectorRegistry(), Health(), threading.Event()
        self.snapshot = folder / "inference" / "state.npz"
        platform = PlatformSettings(home=folder)
        link = cast(Link, self.link)
        self.service = InferenceService(
            link,
            link,
            self.inbox,
            ModelLoader(Registry(folder / "registry")),
            platform.topics,
            platform.intake_limits,
            InferenceSettings(**settings),
            self.snapshot,
            Metrics(self.registry, self.inbox),
        )

    def run_until(self, done: Callable[[], bool]) -> None:
        thread = threading.Thread(target=self.service.run, args=(self.stop, self.health))
        thread.start()
        deadline_s = time.monotonic() + 10
        while not done() and thread.is_alive() and time.monotonic() < deadline_s:
            time.sleep(0.005)
        reached = done()
        self.stop.set()
        thread.join(5)
        assert reached
        assert not thread.is_alive()

    def predictions(self) -> list[Prediction]:
        return [
            decode(Prediction, payload) for topic, payload, _ in self.link.published if topic.endswith("/predictions")
        ]

    def alarms(self) -> list[Alarm]:
        return [decode(Alarm, payload) for topic, payload, _ in self.link.published if topic.endswith("/alarms")]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"pdm_inference_{name}", labels)


def message(
    mid: int, topic: str = "factory/pumps/pump-1/telemetry", payload: bytes | None = None, **changes: Any
) -> Message:
    fields = {"device_id": "pump-1", **NEW, "measurement_id": mid, **changes}
    return Message(topic, payload or json.dumps(fields).encode(), 1, False, False, mid, time.time_ns(), 1)


def serving(bench: Workbench, registered: Registered, **files: bytes) -> Manifest:
    registry, manifest = registered(bench.folder / "registry", **files)
    registry.promote(manifest.version, actor="ana", reason="a test")
    return manifest


def test_a_reading_is_acknowledged_after_the_broker_has_its_prediction(tmp_path: Path, registered: Registered) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)
    sent = [message(1), message(2)]
    for item in sent:
        bench.inbox.put(item)

    bench.run_until(lambda: bool(bench.link.acknowledged))

    assert bench.link.acknowledged == sent
    assert [said.measurement_id for said in bench.predictions()] == [1, 2]
    assert bench.link.events == ["publish", "publish", "publish", "flush", "acknowledge"]


def test_the_time_from_a_reading_to_its_prediction_at_the_broker_is_measured(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)
    now_ms = time.time_ns() // 10**6
    for item in (message(1, timestamp=now_ms - 3_000), message(2, timestamp=now_ms + 60_000), message(3, payload=b"{")):
        bench.inbox.put(item)

    bench.run_until(lambda: bool(bench.link.acknowledged))

    name = "reading_to_prediction_seconds"
    assert bench.metric(f"{name}_count") == 2
    assert bench.metric(f"{name}_bucket", le="0.001") == 1, "a clock that runs ahead counts as no time"
    assert bench.metric(f"{name}_bucket", le="2.0") == 1
    assert 3 < (bench.metric(f"{name}_sum") or 0) < 13


def test_a_bad_payload_is_acknowledged_without_a_prediction(tmp_path: Path, registered: Registered) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)
    bad = [
        message(1, payload=b'{"device_id": "pump-1", "vibr'),
        message(2, topic="factory/pumps/../telemetry"),
        message(3, device_id="pump-2"),
        message(4, timestamp="yesterday"),
        message(5, temperature="warm"),
        message(6, payload=b"\xff\xfe"),
    ]
    for item in [*bad, message(7)]:
        bench.inbox.put(item)

    bench.run_until(lambda: bool(bench.link.acknowledged))

    assert len(bench.link.acknowledged) == 7
    assert [said.measurement_id for said in bench.predictions()] == [7]
    assert bench.metric("refused_total") == 6


def test_readings_before_any_model_are_remembered_but_not_predicted(tmp_path: Path, registered: Registered) -> None:
    bench = Workbench(tmp_path, inference_reload_s=0.05)
    bench.inbox.put(message(1))
    bench.service.turn(bench.inbox.take(10, 0.0), bench.stop)

    before = bench.predictions()
    serving(bench, registered)
    bench.inbox.put(message(2))
    bench.run_until(lambda: len(bench.link.acknowledged) == 2)

    assert before == []
    assert bench.metric("without_model_total") == 1
    assert [said.measurement_id for said in bench.predictions()] == [2]


def test_a_broker_that_hangs_holds_back_a_stop_for_no_longer_than_a_moment(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)
    bench.link.takes = False
    bench.inbox.put(message(1))
    stopped_s = 0.0

    def published() -> bool:
        nonlocal stopped_s
        stopped_s = time.monotonic()
        return bool(bench.predictions())

    bench.run_until(published)

    assert time.monotonic() - stopped_s < 2
    assert bench.link.acknowledged == []
    assert bench.snapshot.exists()


def test_a_promotion_heard_of_is_looked_at_before_its_time(tmp_path: Path, registered: Registered) -> None:
    bench = Workbench(tmp_path, inference_reload_s=3_600)
    old = serving(bench, registered)
    switched = threading.Event()

    def after_a_second_promotion() -> bool:
        if not switched.is_set() and bench.link.published:
            new = serving(bench, registered, note_txt=b"2")
            bench.inbox.put(message(1, topic="factory/platform/models/production", payload=b"{}"))
            switched.set()
            assert new.version != old.version
        return len(bench.link.published) == 2

    bench.run_until(after_a_second_promotion)

    statuses = [decode(ModelStatus, payload) for _, payload, _ in bench.link.published]
    assert [topic for topic, _, _ in bench.link.published] == ["factory/platform/models/status"] * 2
    assert [retain for _, _, retain in bench.link.published] == [True, True]
    assert [status.version != old.version for status in statuses] == [False, True]
    assert all(status.loaded for status in statuses)


def test_a_delivered_again_reading_gets_the_same_answer_and_moves_nothing(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)
    now_ms = time.time_ns() // 1_000_000
    again = message(2, timestamp=now_ms + 2, vibration_rms=1.5)
    for item in [message(1, timestamp=now_ms + 1), again, again, message(3, timestamp=now_ms + 3)]:
        bench.inbox.put(item)
    bench.run_until(lambda: bool(bench.link.acknowledged))

    alone = Workbench(tmp_path / "alone")
    serving(alone, registered)
    for item in [message(1, timestamp=now_ms + 1), again, message(3, timestamp=now_ms + 3)]:
        alone.inbox.put(item)
    alone.run_until(lambda: bool(alone.link.acknowledged))

    first, second, repeated, last = bench.predictions()
    assert repeated.health_percent == second.health_percent
    assert [said.health_percent for said in (first, second, last)] == [
        said.health_percent for said in alone.predictions()
    ]


def test_readings_without_a_timestamp_are_each_newer_than_the_last(tmp_path: Path, registered: Registered) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)
    received_ns = time.time_ns()
    for mid in range(60):
        item = message(mid, **(WORN if mid >= 40 else NEW))
        bench.inbox.put(Message(item.topic, item.payload, 0, False, False, 0, received_ns, 1))

    bench.run_until(lambda: bool(bench.link.acknowledged))

    said = bench.predictions()
    assert len(said) == 60
    assert all(item.timestamp is None for item in said)
    assert "pump_state" in {alarm.condition for alarm in bench.alarms()}


def test_a_reading_without_a_timestamp_that_is_delivered_again_is_answered_once(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)
    bench.service._follow_model()
    first = message(7)
    assert "timestamp" not in json.loads(first.payload)
    # a publisher that missed the broker's receipt sends it as a new message, without the DUP flag
    again = Message(first.topic, first.payload, 1, False, False, 9, time.time_ns(), 2)
    anew = message(7, temperature=39.5)

    for delivery in (first, again, message(8), anew):
        bench.service.turn([delivery], bench.stop)

    assert [prediction.measurement_id for prediction in bench.predictions()] == [7, 8, 7]
    assert len(bench.link.acknowledged) == 4
    assert bench.metric("repeats_total") == 1


def test_what_waited_for_the_broker_is_acknowledged_once_it_takes_the_predictions(
    tmp_path: Path, registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdm_platform.inference.service._PUBLISH_WAIT_S", 0.1)
    bench = Workbench(tmp_path)
    serving(bench, registered)
    bench.service._follow_model()
    first, second = message(1), message(2)

    bench.link.takes = False
    bench.service.turn([first], bench.stop)
    waiting = list(bench.link.acknowledged)
    bench.link.takes = True
    bench.service.turn([second], bench.stop)

    assert waiting == []
    assert bench.link.acknowledged == [first, second]
    assert bench.metric("reading_to_prediction_seconds_count") == 2, "the one that had to wait counts too"


def test_a_refusal_by_the_broker_ends_the_service_with_the_reason(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.link.refusal = BrokerRefusedError("wrong password")

    with pytest.raises(BrokerRefusedError, match="wrong password"):
        bench.service.run(bench.stop, bench.health)


def test_a_snapshot_that_cannot_be_written_is_a_finding_and_not_the_end(tmp_path: Path, registered: Registered) -> None:
    (tmp_path / "inference").write_text("a file where the folder should be", encoding="utf-8")
    bench = Workbench(tmp_path, inference_snapshot_s=0.01)
    serving(bench, registered)

    bench.run_until(lambda: "snapshot" in bench.health.problems())

    assert "state.npz" in bench.health.problems()["snapshot"]


def test_health_names_a_missing_model_and_a_missing_broker(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.link.ready = False

    bench.run_until(lambda: bench.health.problems().keys() >= {"model", "broker"})

    assert "retrain" in bench.health.problems()["model"]
    assert bench.health.problems().keys() == {"model", "broker"}


def test_a_restarted_service_still_knows_its_pumps(tmp_path: Path, registered: Registered) -> None:
    first = Workbench(tmp_path)
    serving(first, registered)
    for mid in range(30):
        first.inbox.put(message(mid))
    first.run_until(lambda: bool(first.link.acknowledged))

    second = Workbench(tmp_path)

    assert len(second.service._state.pumps) == 1
    assert second.service._state.pumps["seen"][0].tolist() == [30.0]
    assert len(second.service._state.departures) == len(second.service._state.alarms) == 1


def test_predictions_alarms_and_the_model_are_counted(tmp_path: Path, registered: Registered) -> None:
    bench = Workbench(tmp_path)
    manifest = serving(bench, registered)
    for mid in range(5):
        bench.inbox.put(message(mid, **WORN))

    bench.run_until(lambda: bool(bench.link.acknowledged))

    assert bench.metric("predicted_total") == 5
    assert [alarm.condition for alarm in bench.alarms()][:1] == ["pump_state"]
    assert bench.metric("alarm_changes_total") == len(bench.alarms())
    assert bench.metric("model_info", version=manifest.version) == 1
    assert bench.metric("queue_readings") == 0
    assert bench.metric("batch_readings_count") == 1
