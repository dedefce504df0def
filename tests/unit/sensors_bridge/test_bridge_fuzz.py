"""100,000 messages that are almost right: each is stored as it should be, or quarantined with its reason.

What should become of each is told by `fuzz_reference`, which knows the contract and none of the platform's code.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry

from pdm_platform.contract.measurements import ALL_TIME, MEASUREMENTS, TIME
from pdm_platform.runtime.deliveries import Deliveries
from pdm_platform.runtime.mqtt import Message
from pdm_platform.runtime.mqtt_session import Session
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.sqlite import SqliteStore
from sensors_bridge import quarantine
from sensors_bridge.backlog import Backlog
from sensors_bridge.bridge import Bridge, Parts
from sensors_bridge.decode import Decoder
from sensors_bridge.gaps import Gaps
from sensors_bridge.metrics import Metrics
from sensors_bridge.patience import ReopeningStore
from sensors_bridge.quarantine import Quarantine
from sensors_bridge.rejected import Announcer
from sensors_bridge.settings import BridgeSettings
from tests.fake_session import FakeSession
from tests.unit.sensors_bridge.fuzz_fields import Rejected
from tests.unit.sensors_bridge.fuzz_messages import messages
from tests.unit.sensors_bridge.fuzz_reference import Point, verdict

SENT = 100_000
SEED = 20_260_101
Key = tuple[str, tuple[str, ...], int]


@dataclass
class Expected:
    """What must lie in the store and in the quarantine in the end, and how each message is accounted for."""

    points: dict[Key, dict[str, Any]] = field(default_factory=dict)
    quarantined: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    _untimed: dict[tuple[str, bytes], Point] = field(default_factory=dict)
    _rejected: set[tuple[str, str]] = field(default_factory=set)
    _mids: set[int] = field(default_factory=set)

    def follow(self, message: Message) -> None:
        """Account for one message."""
        if message.dup and message.qos and message.mid in self._mids:
            self.fates["the same delivery"] += 1
            return
        self._mids.add(message.mid)
        try:
            point = verdict(message.topic, message.payload, message.received_ns, retained=message.retain)
        except Rejected as rejected:
            self._reject(message, rejected.cause)
            return
        if point is None:
            self.fates["passed over"] += 1
        else:
            self._store(message, point)

    def _reject(self, message: Message, cause: str) -> None:
        known = message.topic, sha256(message.payload).hexdigest()
        if (message.dup or message.retain) and known in self._rejected:
            self.fates["quarantined before"] += 1
            return
        self._rejected.add(known)
        self.quarantined[(*known, cause)] += 1
        self.fates["quarantined"] += 1

    def _store(self, message: Message, point: Point) -> None:
        time_ns = point.time_ns
        if time_ns is None:
            time_ns = message.received_ns
            content = message.topic, message.payload
            # a sequence number and the values tell that it came before; without a number it is a new reading
            if content in self._untimed and point.fields["measurement_id"] is not None:
                self.fates["the same point"] += 1
                return
            self._untimed[content] = point
        key = point.measurement, point.key, time_ns
        self.fates["the same point" if key in self.points else "stored"] += 1
        self.points[key] = point.fields


def carried(folder: Path, stream: Iterable[Message]) -> tuple[SqliteStore, FakeSession]:
    """Put the stream through a bridge with a real store and a real quarantine below `folder`."""
    session, deliveries, gaps, stop = FakeSession(), Deliveries(), Gaps(), threading.Event()
    announcer, platform = Announcer("factory/platform/rejected"), PlatformSettings()
    parts = Parts(
        session=session,
        deliveries=deliveries,
        decoder=Decoder(platform.topics, platform.intake_limits, gaps),
        quarantine=Quarantine(folder / "quarantine"),
        store=ReopeningStore(lambda: SqliteStore(folder / "telemetry.sqlite")),
        announcer=announcer,
        metrics=Metrics(CollectorRegistry(), cast(Session, session), deliveries, announcer),
        gaps=gaps,
        backlog=Backlog(1_000, time.monotonic),
    )
    bridge = Bridge(parts, BridgeSettings(bridge_batch_wait_s=0.0), stop, lambda: None)
    thread = threading.Thread(target=bridge.run, daemon=True)
    thread.start()
    session.deliver(*stream)
    while len(session) and thread.is_alive():
        time.sleep(0.01)
    assert not len(session), "the bridge ended before it had taken everything"
    stop.set()
    thread.join(30.0)
    assert not thread.is_alive()
    assert bridge.fault() is None
    return SqliteStore(folder / "telemetry.sqlite"), session


def stored(store: SqliteStore) -> dict[Key, dict[str, Any]]:
    """All points by their key."""
    found: dict[Key, dict[str, Any]] = {}
    for measurement in MEASUREMENTS.values():
        for row in store.read(measurement, ALL_TIME).to_pylist():
            key = tuple(row.pop(tag) for tag in measurement.tags)
            found[measurement.name, key, row.pop(TIME)] = row
    return found


def test_each_of_100_000_almost_right_messages_is_stored_or_quarantined_as_the_contract_says(tmp_path: Path) -> None:
    sent = list(messages(SEED, SENT))
    expected = Expected()
    for message in sent:
        expected.follow(message)

    store, session = carried(tmp_path, sent)

    found = stored(store)
    store.close()
    records = list(quarantine.read(tmp_path / "quarantine"))
    kept = Counter((record.topic, record.sha256, record.cause) for record in records)
    assert sum(expected.fates.values()) == SENT
    assert min(expected.fates.values()) > 100, f"the fuzzing misses something: {expected.fates}"
    assert kept == expected.quarantined
    assert found.keys() == expected.points.keys()
    assert [key for key, fields in expected.points.items() if found[key] != fields] == []
    assert {message.mid for message in session.acknowledged} == {message.mid for message in sent}
    assert all(
        topic == "factory/platform/rejected" and payload and not retain for topic, payload, retain in session.sent
    )
    assert all(record.reason and len(record.reason) < 1_000 for record in records)
    assert not any(
        isinstance(value, float) and not math.isfinite(value) for row in found.values() for value in row.values()
    )
