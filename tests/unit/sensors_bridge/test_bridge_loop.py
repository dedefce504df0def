"""What is acknowledged is stored or quarantined, whatever fails in between."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import BrokerRefusedError, RowsRefusedError, StoreBusyError, StoreError
from pdm_platform.contract.measurements import PUMP_TELEMETRY, Measurement, Window
from pdm_platform.contract.payloads import Rejected, decode
from pdm_platform.runtime.deliveries import Deliveries
from pdm_platform.runtime.mqtt import Message
from pdm_platform.runtime.mqtt_session import Session
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.sqlite import SqliteStore
from pdm_platform.stores.telemetry import TelemetryStore
from sensors_bridge import quarantine
from sensors_bridge.backlog import Backlog
from sensors_bridge.bridge import Bridge, Parts
from sensors_bridge.decode import Decoder
from sensors_bridge.gaps import Gaps
from sensors_bridge.metrics import Metrics
from sensors_bridge.patience import Interrupted, Patience, ReopeningStore
from sensors_bridge.quarantine import Quarantine
from sensors_bridge.rejected import MAX_UNACKNOWLEDGED, Announcer
from sensors_bridge.settings import BridgeSettings
from tests.fake_session import FakeSession
from tests.servers.mosquitto import wait_until

ALL_TIME = Window(0, 2**63 - 1)


class Failing:
    """A store whose next writes fail, and which never takes readings with a `rpm` of 13."""

    def __init__(self, store: TelemetryStore, failures: int) -> None:
        self._store = store
        self.failures = failures
        self.error: StoreError = StoreError("the disk is full")

    def write(self, measurement: Measurement, rows: pa.Table) -> None:
        if self.failures:
            self.failures -= 1
            raise self.error
        unlucky = np.array([value == 13.0 for value in rows["rpm"].to_pylist()])
        self._store.write(measurement, rows.filter(pa.array(~unlucky)))
        if unlucky.any():
            reasons = {int(row): f"row {row}: 13 is unlucky" for row in np.flatnonzero(unlucky)}
            raise RowsRefusedError(f"{len(reasons)} rows refused", refused=reasons)

    def read(self, measurement: Measurement, window: Window, *, devices: Iterable[str] | None = None) -> pa.Table:
        return self._store.read(measurement, window, devices=None if devices is None else list(devices))

    def read_by_device(self, measurement: Measurement, window: Window, *, max_rows: int) -> Iterator[pa.Table]:
        return self._store.read_by_device(measurement, window, max_rows=max_rows)

    def count(self, measurement: Measurement, window: Window, *, devices: Iterable[str] | None = None) -> int:
        return self._store.count(measurement, window, devices=None if devices is None else list(devices))

    def close(self) -> None:
        """Stays open: the tests look into it."""


class Workbench:
    """A bridge on fakes, with a real store and quarantine below `folder`."""

    def __init__(self, folder: Path, *, failures: int = 0, alive: Callable[[], None] = lambda: None) -> None:
        self.folder = folder
        self.store = Failing(SqliteStore(folder / "telemetry.sqlite"), failures)
        self.session = FakeSession(self.stored)
        self.registry = CollectorRegistry()
        self.stop = threading.Event()
        deliveries, gaps, announcer = Deliveries(), Gaps(), Announcer("factory/platform/rejected")
        parts = Parts(
            session=self.session,
            deliveries=deliveries,
            decoder=Decoder(PlatformSettings().topics, PlatformSettings().intake_limits, gaps),
            quarantine=Quarantine(folder / "quarantine"),
            store=ReopeningStore(lambda: self.store),
            announcer=announcer,
            metrics=Metrics(self.registry, cast(Session, self.session), deliveries, announcer),
            gaps=gaps,
            backlog=Backlog(1_000, time.monotonic),
        )
        self.bridge = Bridge(parts, BridgeSettings(bridge_batch_wait_s=0.0), self.stop, alive)
        self.thread = threading.Thread(target=self.bridge.run)

    def stored(self) -> int:
        return self.store.count(PUMP_TELEMETRY, ALL_TIME)

    def run_until_acknowledged(self) -> None:
        self.thread.start()
        wait_until(lambda: bool(self.session.acknowledged), "something is acknowledged")
        self.end()

    def end(self) -> None:
        self.stop.set()
        self.thread.join(10.0)
        assert not self.thread.is_alive()

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"pdm_bridge_{name}", labels)


def telemetry(mid: int, **changes: object) -> Message:
    fields = {"device_id": "pump-001", **dict.fromkeys(CHANNEL_NAMES, 1.0), "measurement_id": mid, **changes}
    payload = json.dumps(fields).encode()
    return Message("factory/pumps/pump-001/telemetry", payload, 1, False, False, mid, time.time_ns(), 1)


def broken(mid: int) -> Message:
    return Message("factory/pumps/pump-001/telemetry", b'{"device_id": "pu', 1, False, False, mid, time.time_ns(), 1)


def test_a_batch_is_acknowledged_after_it_is_stored_and_quarantined(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    sent = [telemetry(1), broken(2), telemetry(3)]
    bench.session.deliver(*sent)

    bench.run_until_acknowledged()

    assert bench.session.acknowledged == sent
    assert bench.session.seen_then[0] == 2
    assert quarantine.count(tmp_path / "quarantine") == 1


def test_a_rejected_payload_is_published_with_its_reason_and_shortened(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.session.deliver(telemetry(1, device_id="é" * 500_000))

    bench.run_until_acknowledged()

    [(topic, payload, retain)] = bench.session.sent
    rejected = decode(Rejected, payload)
    assert (topic, retain) == ("factory/platform/rejected", False)
    assert rejected.topic == "factory/pumps/pump-001/telemetry"
    assert "$.device_id" in rejected.reason
    assert (len(rejected.payload), rejected.payload_bytes > 500_000) == (2_000, True)


def test_nothing_is_acknowledged_while_the_store_fails_and_all_of_it_afterwards(tmp_path: Path) -> None:
    bench = Workbench(tmp_path, failures=3)
    bench.session.deliver(telemetry(1))

    bench.run_until_acknowledged()

    assert bench.session.seen_then == [1]
    assert bench.store.failures == 0
    assert bench.bridge.fault() is None


def test_readings_that_the_store_refuses_are_quarantined_with_its_reason_and_the_others_stored(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    sent = [telemetry(1), telemetry(2, rpm=13.0), broken(3), telemetry(4), telemetry(5, rpm=13.0)]
    bench.session.deliver(*sent)

    bench.run_until_acknowledged()

    records = list(quarantine.read(tmp_path / "quarantine"))
    kept = [(record.cause, record.reason, record.payload) for record in records if record.cause == "store"]
    assert kept == [
        ("store", "row 1: 13 is unlucky", sent[1].payload.decode()),
        ("store", "row 3: 13 is unlucky", sent[4].payload.decode()),
    ]
    assert len(records) == 3
    assert bench.session.acknowledged == sent
    assert bench.session.seen_then == [2]
    assert [decode(Rejected, payload).reason for _, payload, _ in bench.session.sent][1:] == [row[1] for row in kept]
    assert bench.metric("stored_total", measurement="pump_telemetry") == 2
    assert bench.metric("quarantined_total", cause="store") == 2
    assert bench.bridge.fault() is None


def test_a_refused_reading_that_cannot_be_quarantined_is_not_acknowledged(tmp_path: Path) -> None:
    failing = threading.Event()
    bench = Workbench(tmp_path, alive=lambda: failing.set() if bench.bridge.fault() else None)
    (tmp_path / "quarantine").write_text("a file where the folder should be")
    bench.session.deliver(telemetry(1, rpm=13.0))
    bench.thread.start()
    assert failing.wait(10.0)

    bench.end()

    assert bench.session.acknowledged == []


def test_a_store_that_says_when_to_come_back_is_not_asked_before(tmp_path: Path) -> None:
    bench = Workbench(tmp_path, failures=1)
    bench.store.error = StoreBusyError("slow down", retry_after_s=1.5)
    bench.session.deliver(telemetry(1))
    began_s = time.monotonic()

    bench.run_until_acknowledged()

    assert time.monotonic() - began_s >= 1.5
    assert bench.session.seen_then == [1]


def test_a_store_that_asks_for_hours_is_asked_again_after_a_minute() -> None:
    waited: list[float] = []
    alive: list[float] = []
    stop = StopAfter(70.0, waited)

    def busy() -> None:
        raise StoreBusyError("slow down", retry_after_s=36_000.0)

    with pytest.raises(Interrupted, match="slow down"):
        Patience(stop, lambda: alive.append(sum(waited))).until_done(busy)

    assert 60.0 in alive, "asked again after a minute"
    assert max(waited) <= 5.0, "shows progress while it waits"


class StopAfter(threading.Event):
    """A stop that comes after so many seconds of waiting, which pass at once."""

    def __init__(self, after_s: float, waited: list[float]) -> None:
        super().__init__()
        self._after_s, self._waited = after_s, waited

    def wait(self, timeout: float | None = None) -> bool:
        self._waited.append(timeout or 0.0)
        return sum(self._waited) >= self._after_s


def test_a_stop_while_the_store_fails_ends_the_bridge_with_nothing_acknowledged(tmp_path: Path) -> None:
    failing = threading.Event()
    bench = Workbench(tmp_path, failures=1_000, alive=lambda: failing.set() if bench.bridge.fault() else None)
    bench.session.deliver(telemetry(1))
    bench.thread.start()
    assert failing.wait(10.0)

    fault = bench.bridge.fault()
    bench.end()

    assert fault == "the disk is full"
    assert bench.session.acknowledged == []


def test_at_a_stop_what_is_already_here_is_still_stored(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.session.deliver(*(telemetry(mid) for mid in range(1, 11)))
    bench.stop.set()

    bench.bridge.run()

    assert (bench.stored(), len(bench.session.acknowledged)) == (10, 10)


def test_a_refusal_by_the_broker_ends_the_bridge(tmp_path: Path) -> None:
    def refused() -> None:
        raise BrokerRefusedError("wrong password")

    bench = Workbench(tmp_path, alive=refused)

    with pytest.raises(BrokerRefusedError):
        bench.bridge.run()


def test_everything_is_counted(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.session.deliver(telemetry(1), telemetry(4), broken(5))

    bench.run_until_acknowledged()

    assert bench.metric("received_total") == 3
    assert bench.metric("stored_total", measurement="pump_telemetry") == 2
    assert bench.metric("quarantined_total", cause="payload") == 1
    assert bench.metric("missing_readings", device_id="pump-001") == 2
    assert bench.metric("queue_length") == 0


def test_a_redelivery_is_not_stored_again_and_acknowledged_on_its_new_connection(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    first = telemetry(1)
    again = msgspec.structs.replace(first, dup=True, connection=3)
    bench.session.deliver(first, again, telemetry(2))

    bench.run_until_acknowledged()

    assert [(message.mid, message.connection) for message in bench.session.acknowledged] == [(1, 3), (2, 1)]
    assert bench.stored() == 2
    assert bench.metric("repeats") == 1


def test_a_flood_of_rejections_never_waits_for_the_broker(tmp_path: Path) -> None:
    session, announcer = Workbench(tmp_path).session, Announcer("factory/platform/rejected")
    session.takes = False
    [rejection] = (
        Decoder(PlatformSettings().topics, PlatformSettings().intake_limits, Gaps()).decode([broken(1)]).rejected
    )

    announcer.announce(session, [rejection] * (MAX_UNACKNOWLEDGED + 5))
    session.answer(1)
    announcer.announce(session, [rejection] * 2)

    assert (session.published, announcer.left_out) == (MAX_UNACKNOWLEDGED + 1, 6)
