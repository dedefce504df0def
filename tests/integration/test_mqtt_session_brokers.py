"""The session on the brokers that ship, the embedded NATS and Mosquitto: nothing is lost, whatever they go through."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pdm_platform.contract.errors import BrokerRefusedError
from pdm_platform.deployment.access import User
from pdm_platform.deployment.certificates import make_ca
from pdm_platform.runtime.mqtt import Message
from pdm_platform.runtime.mqtt_session import Session
from pdm_platform.runtime.settings import PlatformSettings
from tests.servers.embedded_broker import ONLY_BRIDGE_MAY, EmbeddedBroker
from tests.servers.mosquitto import needs_mosquitto, running_mosquitto
from tests.session_at_work import WITHIN_S, drive, received

pytestmark = pytest.mark.integration
MESSAGES = 3_000
FILTER, TOPIC = "factory/pumps/+/telemetry", "factory/pumps/pump-1/telemetry"
ELSEWHERE = "factory/training/pump-1/training_data"


@dataclass(frozen=True)
class Site:
    """A broker and what its client needs. interrupt: it goes down, as hard as it may, and comes back."""

    settings: PlatformSettings
    interrupt: Callable[[], None]

    def session(self, **chosen: Any) -> Session:
        return Session(self.settings, "pdm-bridge", subscriptions=[FILTER], **chosen)


def nats(folder: Path) -> Iterator[Site]:
    with EmbeddedBroker(folder) as broker:

        def killed() -> None:
            broker.kill()
            broker.start()

        yield Site(broker.settings, killed)


def mosquitto(folder: Path, *, tls: bool) -> Iterator[Site]:
    with running_mosquitto(folder / "site") as broker:

        def restarted() -> None:
            broker.stop()  # a kill costs what it has not yet saved
            broker.start()

        yield Site(broker.client(User.BRIDGE, tls=tls), restarted)


SITES: dict[str, Callable[[Path], Iterator[Site]]] = {
    "nats": nats,
    "mosquitto": lambda folder: mosquitto(folder, tls=False),
    "mosquitto over TLS": lambda folder: mosquitto(folder, tls=True),
}


@pytest.fixture(
    params=[pytest.param(name, marks=needs_mosquitto if name.startswith("mosquitto") else ()) for name in SITES]
)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    yield from SITES[request.param](tmp_path)


def numbers(count: int) -> list[bytes]:
    return [f"reading {number:05}".encode() for number in range(count)]


def test_thousands_of_messages_each_way_come_once_and_in_order(site: Site) -> None:
    session = site.session(max_unacknowledged=200)
    drive(session, lambda: session.ready)
    taken: list[Message] = []
    for payload in numbers(MESSAGES):
        session.publish(TOPIC, payload)
        if batch := session.receive(500, 0.0):
            session.acknowledge(batch)
            taken += batch
    while len(taken) < MESSAGES:
        batch = received(session, 1)
        session.acknowledge(batch)
        taken += batch
    session.publish(ELSEWHERE, b"")  # whose answer comes once the broker has taken the acknowledgements before it
    flushed = session.flush(WITHIN_S)
    session.close()

    again = site.session()
    again.publish(TOPIC, b"after all of them")
    [next_one] = received(again, 1)
    again.close()

    assert [message.payload for message in taken] == numbers(MESSAGES)
    assert (flushed, session.answered) == (True, MESSAGES + 1)
    assert not any(message.dup for message in taken)
    assert next_one.payload == b"after all of them", "what was acknowledged does not come again"


def test_what_was_not_acknowledged_comes_again_and_marked(site: Site) -> None:
    first = site.session()
    for payload in numbers(20):
        first.publish(TOPIC, payload)
    before = received(first, 20)
    first.acknowledge(before[:10])
    first.publish(ELSEWHERE, b"")
    assert first.flush(WITHIN_S)
    first.close()

    second = site.session()
    again = received(second, 10)
    second.acknowledge(again)
    second.close()

    assert [message.payload for message in again] == numbers(20)[10:]
    assert all(message.dup for message in again)


@needs_mosquitto
def test_a_message_that_mosquittos_access_list_forbids_is_told_by_topic(tmp_path: Path) -> None:
    with running_mosquitto(tmp_path / "site") as broker:
        session = Session(broker.client(User.BRIDGE, tls=False), "pdm-bridge")
        session.publish("nowhere", b"")

        with pytest.raises(BrokerRefusedError, match="'nowhere'"):
            drive(session, lambda: session.answered == 1)
        session.close(0.0)


def test_nothing_is_lost_when_the_broker_goes_down_in_the_middle_and_comes_back(site: Site) -> None:
    session = site.session(max_unacknowledged=100)
    drive(session, lambda: session.ready)
    interruption = threading.Thread(target=site.interrupt)
    taken: set[bytes] = set()

    def take() -> None:
        batch = session.receive(500, 0.01)
        session.acknowledge(batch)
        taken.update(message.payload for message in batch)

    for number, payload in enumerate(numbers(MESSAGES)):
        if number == MESSAGES // 3:
            interruption.start()
        if number % 50 == 0:
            take()
        session.publish(TOPIC, payload)
    deadline_s = time.monotonic() + WITHIN_S
    while len(taken) < MESSAGES and time.monotonic() < deadline_s:
        take()
    interruption.join(WITHIN_S)
    flushed = session.flush(WITHIN_S)
    session.close()

    assert taken == set(numbers(MESSAGES))
    assert (flushed, session.answered) == (True, MESSAGES)


@needs_mosquitto
def test_a_killed_mosquitto_still_has_what_it_had_saved(tmp_path: Path) -> None:
    with running_mosquitto(tmp_path / "site") as broker:
        settings = broker.client(User.BRIDGE, tls=False)
        session = Session(settings, "pdm-bridge", subscriptions=[FILTER])
        drive(session, lambda: session.ready)
        for payload in numbers(500):
            session.publish(TOPIC, payload)
        assert session.flush(WITHIN_S)
        broker.save()
        broker.kill()
        drive(session, lambda: not session.ready)
        for payload in (b"while it was away 1", b"while it was away 2"):
            session.publish(TOPIC, payload)
        broker.start()
        taken: dict[bytes, None] = {}
        deadline_s = time.monotonic() + WITHIN_S
        while len(taken) < 502 and time.monotonic() < deadline_s:
            batch = session.receive(100, 0.1)
            session.acknowledge(batch)
            taken.update(dict.fromkeys(message.payload for message in batch))
        session.close()

    assert sorted(taken) == [*numbers(500), b"while it was away 1", b"while it was away 2"]


@needs_mosquitto
@pytest.mark.parametrize("tls", [True, False])
def test_mosquitto_refuses_a_wrong_password_by_name(tmp_path: Path, tls: bool) -> None:
    with running_mosquitto(tmp_path / "site") as broker:
        session = Session(broker.client(User.BRIDGE, "guess", tls=tls), "pdm-bridge")

        with pytest.raises(BrokerRefusedError, match="refused user 'pdm-bridge'") as refused:
            drive(session, lambda: session.ready)

    assert "guess" not in str(refused.value)


def test_nats_refuses_a_wrong_password_by_name_and_is_not_asked_again(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path, ONLY_BRIDGE_MAY) as broker:
        changes: dict[str, Any] = {
            "mqtt_username": "bridge",
            "mqtt_password": "guess",
            "mqtt_port": broker.settings.mqtt_port,
        }
        session = Session(PlatformSettings(**changes), "refused")

        with pytest.raises(BrokerRefusedError, match="refused user 'bridge'"):
            drive(session, lambda: session.ready)
        for _ in range(5):
            session.exchange(0.05)

    assert broker.log.read_text(encoding="utf-8").count("unable to connect: authentication error") == 1


def test_nats_lets_in_who_has_the_password_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("only for this test\n", encoding="utf-8")
    with EmbeddedBroker(tmp_path, ONLY_BRIDGE_MAY) as broker:
        port, file = broker.settings.mqtt_port, tmp_path / "password"
        session = Session(PlatformSettings(mqtt_port=port, mqtt_username="bridge", mqtt_password_file=file), "let-in")
        drive(session, lambda: session.ready)
        session.close()


def test_a_subscription_that_the_broker_does_not_allow_is_named(tmp_path: Path) -> None:
    rules = """authorization {
      users: [{ user: "reader", password: "only for this test", permissions: { subscribe: { deny: "secret.>" } } }]
    }
    """
    with EmbeddedBroker(tmp_path, rules) as broker:
        changes: dict[str, Any] = {"mqtt_username": "reader", "mqtt_password": "only for this test"}
        settings = PlatformSettings(mqtt_port=broker.settings.mqtt_port, **changes)
        session = Session(settings, "may-not-read", subscriptions=["open/#", "secret/#"])

        with pytest.raises(BrokerRefusedError, match="refused the subscription to secret/#"):
            drive(session, lambda: session.ready)


@needs_mosquitto
def test_a_mosquitto_of_another_authority_is_not_spoken_to(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = tmp_path / "other.crt"
    other.write_bytes(make_ca(datetime.now(UTC)).certificate)
    with running_mosquitto(tmp_path / "site") as broker:
        session = Session(broker.client(User.BRIDGE, mqtt_tls_ca=other), "pdm-bridge")
        session.exchange(0.0)

    assert not session.ready
    assert "certificate" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="needs SIGSTOP")
def test_close_does_not_wait_for_a_broker_that_hangs(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        session = Session(broker.settings, "hangs", subscriptions=[FILTER])
        drive(session, lambda: session.ready)
        broker.process.send_signal(signal.SIGSTOP)
        for _ in range(20):  # more than the sockets' buffers take
            session.publish(TOPIC, bytes(1_000_000))
        began_s = time.monotonic()
        session.close(0.1)

    assert time.monotonic() - began_s < 5.0


def test_a_broker_that_hangs_for_a_while_loses_nothing(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        session = Session(broker.settings, "pauses", subscriptions=[FILTER])
        drive(session, lambda: session.ready)
        broker.process.send_signal(signal.SIGSTOP)
        for payload in numbers(500):
            session.publish(TOPIC, payload)
        unanswered = session.flush(0.2)
        broker.process.send_signal(signal.SIGCONT)
        batch = received(session, 500)
        session.acknowledge(batch)
        answered = session.flush(WITHIN_S)
        session.close()

    assert (unanswered, answered) == (False, True)
    assert [message.payload for message in batch] == numbers(500)


@needs_mosquitto
def test_a_session_holds_no_more_than_it_may_and_mosquitto_keeps_the_rest(tmp_path: Path) -> None:
    with running_mosquitto(tmp_path / "site") as broker:
        slow = Session(broker.client(User.BRIDGE, tls=False), "slow", subscriptions=[FILTER], hold_bytes=1_000_000)
        fast = Session(broker.client(User.SIMULATOR, tls=False), "fast")
        drive(slow, lambda: slow.ready)
        for _ in range(100):
            fast.publish(TOPIC, bytes(100_000))
        assert fast.flush(WITHIN_S)
        for _ in range(50):
            slow.exchange(0.0)
        held = len(slow)
        batch = received(slow, 100)
        slow.acknowledge(batch)
        for one in (slow, fast):
            one.close()

    assert 10 <= held < 20
    assert len(batch) == 100
