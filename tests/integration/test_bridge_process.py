"""The bridge as a plant runs it: a process, between the real embedded broker and the real store."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from adbc_driver_sqlite import dbapi

from pdm_platform.contract.measurements import ALL_TIME, PUMP_TELEMETRY
from pdm_platform.contract.payloads import Rejected, decode
from pdm_platform.runtime.mqtt import Link, Message
from pdm_platform.stores.sqlite import SqliteStore
from sensors_bridge import quarantine
from tests.integration.bridge_site import Site, link_to, reading, running_site, wait_until

pytestmark = pytest.mark.integration
READINGS = 6_000
DEVICES = 20


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for the tests that leave it as they found it."""
    with running_site(tmp_path_factory.mktemp("site")) as running:
        yield running


def test_killed_bridge_and_broker_lose_nothing_and_store_nothing_twice(tmp_path: Path) -> None:
    start_ms = time.time_ns() // 10**6 - READINGS
    moments = threading.Event(), threading.Event(), threading.Event()

    def publish(link: Link) -> None:
        for number in range(READINGS):
            if number % (READINGS // 3) == READINGS // 6:
                moments[number * 3 // READINGS].set()
            device = f"pump-{number % DEVICES:03d}"
            # half of them carry no time of their own: only sequence number and DUP flag tell a redelivery
            timestamp = {"timestamp": start_ms + number} if number % 2 else {}
            values = {"rpm": float(number), **timestamp}
            link.publish(f"factory/pumps/{device}/telemetry", reading(device, number // DEVICES, **values))
            time.sleep(0.0003)

    with running_site(tmp_path / "site") as site, link_to(site) as link:
        publisher = threading.Thread(target=publish, args=(link,))
        publisher.start()
        for moment, victim in zip(moments, (site.bridge, site.broker, site.bridge), strict=True):
            assert moment.wait(60.0)
            site.kill(victim)
        publisher.join(60.0)
        assert link.flush(30.0)
        wait_until(lambda: site.stored() >= READINGS, f"{READINGS} readings are stored")
        wait_until(lambda: site.metric("queue_length") == 0, "the queue is empty")
        store = SqliteStore(site.store_path)
        found = store.read(PUMP_TELEMETRY, ALL_TIME).column("rpm").to_pylist()
        store.close()

    assert (site.bridge.restarts, site.broker.restarts) == (2, 1)
    assert sorted(found) == [float(number) for number in range(READINGS)]


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("pumps/pump-900/telemetry", reading("pump-900", 1)[:30], "truncated"),
        ("pumps/pump-900/telemetry", reading("pump-900", 1, rpm="fast"), "`$.rpm`"),
        ("pumps/pump-900/telemetry", reading("pump-900", 1, rpm=float("nan")), "malformed"),
        ("pumps/pump-900/telemetry", reading("pump-900", 1, timestamp="x" * 1_000_000), "`$.timestamp`"),
        ("pumps/pump-900/telemetry", reading("pump-900", 1, timestamp="2001-01-01T00:00:00Z"), "30 days"),
        ("pumps/pump-900/telemetry", reading("pump-901", 1), "pump-900"),
        ("pumps/pump-900/telemetry", bytes(range(256)), "Telemetry"),
        ("training/pump-900/training_data", reading("pump-900", 1), "ground_truth"),
        ("somewhere/else", b"hello", "not one of the contract's"),
    ],
)
def test_bad_input_is_kept_and_published_with_its_reason(site: Site, topic: str, payload: bytes, reason: str) -> None:
    answers: list[Message] = []
    answered = threading.Event()
    kept = quarantine.count(site.platform.home / "quarantine")

    def receive(message: Message) -> None:
        answers.append(message)
        answered.set()

    with link_to(site, subscriptions=["factory/platform/rejected"], on_message=receive, persistent=False) as link:
        link.publish(f"factory/{topic}", payload)
        assert answered.wait(10.0)

    rejected = decode(Rejected, answers[0].payload)
    *_, record = quarantine.read(site.platform.home / "quarantine")
    assert quarantine.count(site.platform.home / "quarantine") == kept + 1
    assert reason in rejected.reason
    assert (record.topic, record.reason) == (f"factory/{topic}", rejected.reason)
    assert (record.payload_bytes, rejected.payload_bytes) == (len(payload), len(payload))
    assert site.bridge.problems() == {}


def test_a_locked_store_holds_the_readings_back_until_it_is_free(site: Site) -> None:
    before, sent = site.stored(), 50
    with link_to(site) as link, dbapi.connect(str(site.store_path), autocommit=True) as other, other.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        for number in range(sent):
            link.publish("factory/pumps/pump-locked/telemetry", reading("pump-locked", number))
            time.sleep(0.02)  # more batches than one
        assert link.flush(10.0), "the broker takes what the bridge cannot store"
        stored_while_locked = site.stored()

        cursor.execute("ROLLBACK")

        wait_until(lambda: site.stored() == before + sent, "all of it is stored")
    assert stored_while_locked == before
    assert site.bridge.problems() == {}


def test_a_store_that_is_gone_is_named_and_used_again_when_it_is_back(site: Site) -> None:
    folder, away = site.store_path.parent, site.store_path.parent.with_name("away")
    before = site.stored()
    device = "pump-gone"
    with link_to(site) as link:
        folder.rename(away)
        folder.write_text("a file where the folder should be")
        link.publish(f"factory/pumps/{device}/telemetry", reading(device, 1))
        wait_until(lambda: "store" in site.bridge.problems(), "/healthz names the store")
        problem = site.bridge.problems()["store"]

        folder.unlink()
        away.rename(folder)

        wait_until(lambda: site.stored() == before + 1, "the reading is stored")
    assert str(folder) in problem
    wait_until(lambda: site.bridge.problems() == {}, "the bridge is healthy again")
    assert site.bridge.restarts == 0


def test_a_stop_is_quick_and_what_was_sent_meanwhile_is_stored_after_the_next_start(tmp_path: Path) -> None:
    with running_site(tmp_path / "site") as site, link_to(site) as link:
        site.bridge.restart = False
        began_s = time.monotonic()
        site.bridge.signal(signal.SIGTERM)
        assert site.bridge.handle is not None
        code = site.bridge.handle.wait(10.0)
        took_s = time.monotonic() - began_s
        for number in range(100):
            link.publish("factory/pumps/pump-001/telemetry", reading("pump-001", number))
        assert link.flush(10.0)

        site.bridge.start()

        wait_until(lambda: site.stored() == 100, "all of it is stored")
    assert (code, took_s < 4.0) == (0, True)
