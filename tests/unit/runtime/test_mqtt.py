"""The link against the real embedded broker, which is killed, restarted, frozen and made to refuse."""

import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdm_platform.contract.errors import BrokerError, BrokerRefusedError, SettingsError
from pdm_platform.local.processes import free_port
from pdm_platform.runtime.mqtt import Link, Message
from pdm_platform.runtime.settings import PlatformSettings
from tests.servers.embedded_broker import ONLY_BRIDGE_MAY, EmbeddedBroker

pytestmark = pytest.mark.integration
WITHIN_S = 15.0


class Subscriber:
    """A link that keeps what it receives."""

    def __init__(self, settings: PlatformSettings, client_id: str, topic: str, *, persistent: bool = True) -> None:
        self._received: queue.Queue[Message] = queue.Queue()
        self.link = Link(
            settings, client_id, subscriptions=(topic,), on_message=self._received.put, persistent=persistent
        )
        self.link.start()
        self.link.wait_ready(WITHIN_S)

    def next(self) -> Message:
        return self._received.get(timeout=WITHIN_S)

    def __enter__(self) -> "Subscriber":
        return self

    def __exit__(self, *_: object) -> None:
        self.link.stop()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path_factory.mktemp("broker")) as started:
        yield started


@pytest.fixture
def publisher(broker: EmbeddedBroker) -> Iterator[Link]:
    link = Link(broker.settings, "publisher", persistent=False)
    link.start()
    link.wait_ready(WITHIN_S)
    yield link
    link.stop()


def user_of(broker: EmbeddedBroker, **credentials: object) -> PlatformSettings:
    return PlatformSettings.model_validate(
        {"home": broker.settings.home, "mqtt_port": broker.settings.mqtt_port, **credentials}
    )


def network_thread(client_id: str) -> threading.Thread | None:
    return next((thread for thread in threading.enumerate() if thread.name == f"paho-mqtt-client-{client_id}"), None)


def test_a_broker_that_is_away_is_told_once_until_it_is_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    link = Link(PlatformSettings(home=tmp_path, mqtt_port=free_port()), "patient", persistent=False)
    link.start()
    try:
        with pytest.raises(BrokerError):
            link.wait_ready(2.0)
    finally:
        link.stop()

    told = [record.message for record in caplog.records if "no broker answers" in record.message]
    assert len(told) == 1


@pytest.mark.parametrize("device_id", ["pump-001", "pump.001", "..", "a..b", "_", "A" * 64])
def test_what_is_published_arrives_as_it_was(broker: EmbeddedBroker, publisher: Link, device_id: str) -> None:
    topic = f"arrives/pumps/{device_id}/telemetry"
    payload = bytes(range(256))

    with Subscriber(broker.settings, "arrives", "arrives/#", persistent=False) as subscriber:
        publisher.publish(topic, payload)
        message = subscriber.next()

    assert (message.topic, message.payload, message.qos, message.dup) == (topic, payload, 1, False)
    assert abs(message.received_ns - time.time_ns()) < WITHIN_S * 1e9


def test_a_retained_message_reaches_who_subscribes_later(broker: EmbeddedBroker, publisher: Link) -> None:
    publisher.publish("retained/pointer", b"v1", retain=True)
    publisher.publish("retained/pointer", b"v2", retain=True)
    assert publisher.flush(WITHIN_S)

    with Subscriber(broker.settings, "late", "retained/pointer", persistent=False) as subscriber:
        message = subscriber.next()

    assert (message.payload, message.retain) == (b"v2", True)


def test_what_arrives_while_a_persistent_client_is_away_is_kept_for_it(broker: EmbeddedBroker, publisher: Link) -> None:
    with Subscriber(broker.settings, "away", "away/#"):
        pass
    publisher.publish("away/a", b"while you were out")
    assert publisher.flush(WITHIN_S)

    with Subscriber(broker.settings, "away", "away/#") as subscriber:
        assert subscriber.next().payload == b"while you were out"


def test_an_acknowledged_message_is_not_delivered_again(broker: EmbeddedBroker, publisher: Link) -> None:
    with Subscriber(broker.settings, "once", "once/#") as subscriber:
        publisher.publish("once/a", b"first")
        subscriber.link.acknowledge([subscriber.next()])
    publisher.publish("once/a", b"second")

    with Subscriber(broker.settings, "once", "once/#") as subscriber:
        assert subscriber.next().payload == b"second"


def test_an_unacknowledged_message_is_delivered_again_and_marked(broker: EmbeddedBroker, publisher: Link) -> None:
    with Subscriber(broker.settings, "again", "again/#") as subscriber:
        publisher.publish("again/a", b"first")
        assert subscriber.next().dup is False

    with Subscriber(broker.settings, "again", "again/#") as subscriber:
        message = subscriber.next()

    assert (message.payload, message.dup) == (b"first", True)


def test_it_subscribes_again_after_the_broker_was_killed(broker: EmbeddedBroker, publisher: Link) -> None:
    with Subscriber(broker.settings, "resubscribes", "resubscribes/#", persistent=False) as subscriber:
        broker.kill()
        broker.start()
        subscriber.link.wait_ready(WITHIN_S)
        publisher.publish("resubscribes/a", b"after")

        assert subscriber.next().payload == b"after"


def test_an_acknowledgement_counts_only_on_the_connection_of_its_message(
    broker: EmbeddedBroker, publisher: Link
) -> None:
    with Subscriber(broker.settings, "same", "same/#") as subscriber:
        publisher.publish("same/a", b"first")
        before = subscriber.next()
        broker.kill()
        broker.start()
        again = subscriber.next()
        subscriber.link.acknowledge([before])

    with Subscriber(broker.settings, "same", "same/#") as subscriber:
        third = subscriber.next()
        subscriber.link.acknowledge([third])
    publisher.publish("same/a", b"second")
    with Subscriber(broker.settings, "same", "same/#") as subscriber:
        last = subscriber.next()

    assert before.connection != again.connection
    assert [message.payload for message in (before, again, third)] == [b"first"] * 3
    assert last.payload == b"second"


def test_publishes_survive_a_kill_of_the_broker(broker: EmbeddedBroker, publisher: Link) -> None:
    sent = {f"reading {number}".encode() for number in range(600)}
    with Subscriber(broker.settings, "survives", "survives/#") as subscriber:
        for number, payload in enumerate(sorted(sent)):
            if number == 300:
                broker.kill()
            publisher.publish("survives/a", payload)
        broker.start()
        assert publisher.flush(WITHIN_S)

        received: set[bytes] = set()
        while received != sent:
            message = subscriber.next()
            received.add(message.payload)
            subscriber.link.acknowledge([message])


def test_flush_says_whether_the_broker_has_everything(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        link = Link(broker.settings, "flushes")
        link.start()
        link.publish("flushes/a", b"1")
        with_broker = link.flush(WITHIN_S)
    link.publish("flushes/a", b"2")
    without_broker = link.flush(0.1)
    link.stop()

    assert with_broker
    assert not without_broker


def test_every_publish_is_reported_once_it_is_safe(broker: EmbeddedBroker) -> None:
    safe: list[int] = []
    link = Link(broker.settings, "reports", on_published=safe.append, max_unacknowledged=3)
    link.start()

    ids = [link.publish("reports/a", b"x") for _ in range(50)]
    flushed = link.flush(WITHIN_S)
    link.stop()

    assert flushed
    assert sorted(safe) == sorted(ids)


def test_a_publish_that_waits_for_room_goes_on_when_the_service_stops(tmp_path: Path) -> None:
    stop = threading.Event()
    nobody = PlatformSettings(home=tmp_path, mqtt_port=free_port())
    link = Link(nobody, "waits", max_unacknowledged=1, stop=stop)
    link.start()
    link.publish("waits/a", b"1")
    waiting = threading.Thread(target=link.publish, args=("waits/a", b"2"))
    waiting.start()

    waiting.join(0.1)
    waited = waiting.is_alive()
    stop.set()
    waiting.join(WITHIN_S)
    link.stop()

    assert waited
    assert not waiting.is_alive()


def test_an_unreachable_broker_is_named_with_its_address(tmp_path: Path) -> None:
    settings = PlatformSettings(home=tmp_path, mqtt_port=free_port())
    link = Link(settings, "unreachable")
    link.start()

    with pytest.raises(BrokerError, match=f"127.0.0.1:{settings.mqtt_port} within 0.3 s") as failed:
        link.wait_ready(0.3)
    link.stop()

    assert "PDM_MQTT_HOST" in failed.value.hint
    assert not link.ready
    assert network_thread("unreachable") is None


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x40\x00", b"\xff" * 40]
)
def test_a_server_that_is_no_broker_is_a_broker_error(tmp_path: Path, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(answer), daemon=True).start()
        link = Link(PlatformSettings(home=tmp_path, mqtt_port=server.getsockname()[1]), "no-broker")
        link.start()

        with pytest.raises(BrokerError, match="no broker answers"):
            link.wait_ready(0.5)
        link.stop()


def test_a_refused_user_is_told_at_once_and_does_not_try_for_ever(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path, ONLY_BRIDGE_MAY) as broker:
        link = Link(user_of(broker, mqtt_username="mallory", mqtt_password="guess"), "refused")
        started_s = time.monotonic()
        link.start()
        with pytest.raises(BrokerRefusedError, match="refused user 'mallory'") as refused:
            link.wait_ready(WITHIN_S)
        took_s = time.monotonic() - started_s
        if thread := network_thread("refused"):
            thread.join(WITHIN_S)
        thread_left = network_thread("refused")
        link.stop()

    assert took_s < 3
    assert thread_left is None, "only the network thread tries again"
    assert "guess" not in str(refused.value)
    assert broker.log.read_text(encoding="utf-8").count("unable to connect: authentication error") == 1


def test_a_user_with_the_right_password_from_a_file_is_let_in(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("only for this test\n", encoding="utf-8")
    with EmbeddedBroker(tmp_path, ONLY_BRIDGE_MAY) as broker:
        settings = user_of(broker, mqtt_username="bridge", mqtt_password_file=tmp_path / "password")
        link = Link(settings, "let-in")
        link.start()
        link.wait_ready(WITHIN_S)
        ready = link.ready
        link.stop()

    assert ready


def test_a_publish_without_room_after_a_refusal_says_so(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path, ONLY_BRIDGE_MAY) as broker:
        link = Link(broker.settings, "no-room", max_unacknowledged=1)
        link.start()
        link.publish("no-room/a", b"1")

        with pytest.raises(BrokerRefusedError, match="refused user ''"):
            link.publish("no-room/a", b"2")
        link.stop()


def test_a_subscription_that_the_broker_does_not_allow_is_named(tmp_path: Path) -> None:
    rules = """authorization {
      users: [{ user: "reader", password: "only for this test", permissions: { subscribe: { deny: "secret.>" } } }]
    }
    """
    with EmbeddedBroker(tmp_path, rules) as broker:
        settings = user_of(broker, mqtt_username="reader", mqtt_password="only for this test")
        link = Link(settings, "may-not-read", subscriptions=("open/#", "secret/#"), persistent=False)
        link.start()

        with pytest.raises(BrokerRefusedError, match="refused the subscription to secret/#"):
            link.wait_ready(WITHIN_S)
        link.stop()


@pytest.mark.skipif(os.name != "posix", reason="needs SIGSTOP")
def test_stop_does_not_wait_for_a_broker_that_hangs(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        link = Link(broker.settings, "hangs")
        link.start()
        link.wait_ready(WITHIN_S)
        broker.process.send_signal(signal.SIGSTOP)
        for _ in range(20):  # more than the sockets' buffers take
            link.publish("hangs/a", bytes(1_000_000))

        started_s = time.monotonic()
        link.stop(flush_s=0.1)
        took_s = time.monotonic() - started_s

    assert took_s < 3


def test_a_link_that_was_stopped_is_not_ready_and_holds_no_thread(broker: EmbeddedBroker) -> None:
    link = Link(broker.settings, "stopped")
    link.start()
    link.wait_ready(WITHIN_S)

    link.stop()

    assert not link.ready
    assert network_thread("stopped") is None


def test_an_address_that_cannot_be_one_is_a_settings_error(tmp_path: Path) -> None:
    link = Link(PlatformSettings(home=tmp_path, mqtt_port=0), "no-address")

    with pytest.raises(SettingsError, match="PDM_MQTT_PORT"):
        link.start()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_used_is_a_settings_error(tmp_path: Path, content: str | None) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content, encoding="utf-8")

    with pytest.raises(SettingsError, match=r"PDM_MQTT_TLS_CA=.*ca\.pem.*: \w"):
        Link(PlatformSettings(home=tmp_path, mqtt_tls_ca=ca), "tls")
