"""The session against a scripted broker: what it sends, what it holds, and what it does when the connection ends."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pdm_platform.contract.errors import BrokerRefusedError, SettingsError
from pdm_platform.deployment.certificates import issue_server, make_ca
from pdm_platform.runtime import mqtt_packets as packets
from pdm_platform.runtime import mqtt_session
from pdm_platform.runtime.mqtt_dialer import RECEIVE_MAXIMUM, SESSION_EXPIRY_S
from pdm_platform.runtime.mqtt_packets import PROTOCOL_3, PROTOCOL_5, Packet, Publish
from pdm_platform.runtime.mqtt_session import Session
from pdm_platform.runtime.settings import PlatformSettings
from tests.session_at_work import drive, received
from tests.unit.runtime.scripted_broker import LET_IN_3, LET_IN_5, PONG, WITHIN_S, Client, ScriptedBroker
from tests.unit.runtime.scripted_session import broker, refused, session_at, short_pauses

__all__ = ["broker", "short_pauses"]

CLOSED = (0, b"")


def refuses(reason: int) -> Callable[[ScriptedBroker], None]:
    """A broker that lets nobody in, for this reason of MQTT 5."""

    def script(broker: ScriptedBroker) -> None:
        broker.accept().let_in(bytes((Packet.CONNACK, 3, 0, reason, 0)))

    return script


# -- connecting


def test_it_asks_for_a_lasting_session_of_mqtt_5_and_subscribes_to_its_filters(broker: ScriptedBroker) -> None:
    said: list[bytes] = []

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        said.extend((client.let_in(), client.answer_subscribe(1, 1)))

    session = session_at(broker, subscriptions=["t/#", "u"], settings={"mqtt_username": "u", "mqtt_password": "pw"})
    with broker.playing(script):
        drive(session, lambda: session.ready)

    connect = packets.connect(
        PROTOCOL_5,
        "pdm-test",
        keepalive_s=30,
        session_expiry_s=SESSION_EXPIRY_S,
        receive_maximum=RECEIVE_MAXIMUM,
        username="u",
        password="pw",
    )
    assert [said[0]] == [body for _, body in packets.split(connect)[0]]
    assert said[1][2:] == b"\0" + b"\0\3t/#\1" + b"\0\1u\1"


def test_what_is_delivered_arrives_as_it_was(broker: ScriptedBroker) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        client.send(packets.publish(PROTOCOL_5, 7, "t/ü", bytes(range(256)), retain=True, dup=True))

    session = session_at(broker)
    with broker.playing(script):
        [message] = received(session, 1)

    assert abs(message.received_ns - time.time_ns()) < WITHIN_S * 1e9
    assert (message.topic, message.payload, message.qos) == ("t/ü", bytes(range(256)), 1)
    assert (message.retain, message.dup, message.mid) == (True, True, 7)


def test_a_delivery_that_comes_together_with_the_connack_is_not_left_lying(broker: ScriptedBroker) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.let_in(LET_IN_5 + packets.publish(PROTOCOL_5, 7, "t", b"at once"))

    session = session_at(broker)
    with broker.playing(script):
        assert [message.payload for message in received(session, 1)] == [b"at once"]


NOT_THIS_PROTOCOL = {
    "CONNACK 1 of 3.1.1": bytes((Packet.CONNACK, 2, 0, 1)),
    "CONNACK 0x84 of 5": bytes((Packet.CONNACK, 3, 0, 0x84, 0)),
    "no answer": b"",
}


@pytest.mark.parametrize("answer", NOT_THIS_PROTOCOL)
def test_where_the_broker_does_not_speak_mqtt_5_it_falls_back_to_3_1_1(broker: ScriptedBroker, answer: str) -> None:
    levels: list[int] = []
    sent: list[Publish] = []

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        levels.append(client.let_in(NOT_THIS_PROTOCOL[answer])[6])
        client.hang_up()
        client = broker.accept()
        levels.append(client.let_in(LET_IN_3)[6])
        client.answer_subscribe(1)
        client.deliver(7, b"\0payload")
        sent.append(client.published())
        client.answer(sent[0].packet_id)

    session = session_at(broker)
    with broker.playing(script):
        [message] = received(session, 1)
        session.publish("p", b"\0said")
        assert session.flush(WITHIN_S)

    assert levels == [PROTOCOL_5, PROTOCOL_3]
    assert message.payload == b"\0payload", "there are no properties in 3.1.1"
    assert sent[0].payload == b"\0said"


def test_a_broker_that_hangs_up_whatever_it_is_offered_is_offered_mqtt_5_again(broker: ScriptedBroker) -> None:
    levels: list[int] = []

    def script(broker: ScriptedBroker) -> None:
        for _ in range(2):
            client = broker.accept()
            levels.append(client.let_in(b"")[6])
            client.hang_up()
        client = broker.accept()
        levels.append(client.let_in()[6])
        client.answer_subscribe()

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: session.ready)

    assert levels == [PROTOCOL_5, PROTOCOL_3, PROTOCOL_5]


@pytest.mark.parametrize("reason", [0x85, 0x86, 0x87, 0x8A, 4, 5])
def test_a_refused_user_is_told_by_name_and_does_not_try_again(broker: ScriptedBroker, reason: int) -> None:
    session = session_at(broker, settings={"mqtt_username": "mallory", "mqtt_password": "guess"})
    with broker.playing(refuses(reason)):
        refusal = refused(session)
    for _ in range(5):
        session.exchange(0.02)

    assert f"refused user 'mallory': reason {reason:#04x}" in str(refusal)
    assert "guess" not in str(refusal)
    assert broker.connections == 1
    assert not session.ready


def test_a_publish_without_room_after_a_refusal_says_so(broker: ScriptedBroker) -> None:
    session = session_at(broker, max_unacknowledged=1)
    with broker.playing(refuses(0x87)):
        session.publish("p", b"1")

        with pytest.raises(BrokerRefusedError, match="refused user ''"):
            session.publish("p", b"2")


def test_a_broker_that_is_busy_is_asked_again(broker: ScriptedBroker) -> None:
    def script(broker: ScriptedBroker) -> None:
        broker.accept().let_in(bytes((Packet.CONNACK, 3, 0, 0x89, 0)))
        broker.accept().serve()

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: session.ready)

    session.check()


def test_a_refused_subscription_is_told_by_name(broker: ScriptedBroker) -> None:
    session = session_at(broker, subscriptions=["open/#", "secret/#"])
    with broker.playing(lambda broker: broker.accept().serve(1, 0x87)):
        refusal = refused(session)

    assert "refused the subscription to secret/#" in str(refusal)
    assert not session.ready


def test_a_shared_subscription_at_a_broker_of_3_1_1_is_refused_instead_of_never_answered(
    broker: ScriptedBroker,
) -> None:
    def script(broker: ScriptedBroker) -> None:
        broker.accept().let_in(NOT_THIS_PROTOCOL["CONNACK 1 of 3.1.1"])
        broker.accept().let_in(LET_IN_3)

    session = session_at(broker, subscriptions=["$share/pdm/t/#"])
    with broker.playing(script):
        assert "knows no shared subscriptions" in str(refused(session))


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 40])
def test_a_server_that_is_no_broker_is_no_end(
    broker: ScriptedBroker, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.send(answer)
        client.hang_up()
        broker.accept().let_in(LET_IN_3)

    session = session_at(broker, subscriptions=[])
    with broker.playing(script):
        drive(session, lambda: session.ready)

    assert f"no broker answers at 127.0.0.1:{broker.port}" in caplog.text


def test_a_broker_that_is_away_is_told_once_until_it_is_back(
    broker: ScriptedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.close()
    session = session_at(broker)

    for _ in range(20):
        session.exchange(0.05)

    assert caplog.text.count("no broker answers") == 1
    assert not session.ready


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"mqtt_port": 0}, "PDM_MQTT_PORT"), ({"mqtt_host": ""}, "PDM_MQTT_HOST"), ({"mqtt_host": "a..b"}, "'a..b:")],
)
def test_an_address_that_cannot_be_one_is_a_settings_error(changes: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Session(PlatformSettings.model_validate(changes), "no-address")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_used_is_a_settings_error(tmp_path: Path, content: str | None) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content, encoding="utf-8")

    with pytest.raises(SettingsError, match=r"PDM_MQTT_TLS_CA=.*ca\.pem.*: \w"):
        Session(PlatformSettings(mqtt_tls_ca=ca), "tls")


# -- publishing


def test_what_is_unanswered_when_the_connection_ends_is_sent_again_and_marked(broker: ScriptedBroker) -> None:
    first: list[Publish] = []
    again: list[Publish] = []
    answered_then: list[int] = []
    second_may_come = threading.Event()

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        first.extend(client.published() for _ in range(3))
        client.answer(first[1].packet_id)
        client.hang_up()
        assert second_may_come.wait(WITHIN_S)
        client = broker.accept()
        client.serve()
        again.extend(client.published() for _ in range(3))
        client.answer(*(one.packet_id for one in again))

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: session.ready)
        for payload in (b"1", b"2", b"3"):
            session.publish("p", payload)
        drive(session, lambda: not session.ready)
        answered_then.append(session.answered)
        session.publish("p", b"4")
        second_may_come.set()
        assert session.flush(WITHIN_S)

    assert [(one.payload, one.dup) for one in first] == [(b"1", False), (b"2", False), (b"3", False)]
    assert [(one.payload, one.packet_id) for one in again[:2]] == [
        (b"1", first[0].packet_id),
        (b"3", first[2].packet_id),
    ]
    assert [one.dup for one in again[:2]] == [True, True]
    assert again[2].payload == b"4"
    assert answered_then == [0], "the second was answered, but not all before it"
    assert (session.published, session.answered) == (4, 4)


def test_answers_in_another_order_count_once_all_before_them_came(broker: ScriptedBroker) -> None:
    go = threading.Event()

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        ids = [client.published().packet_id for _ in range(3)]
        client.answer(ids[2], ids[1])
        client.deliver(1)
        assert go.wait(WITHIN_S)
        client.answer(ids[0])

    session = session_at(broker)
    with broker.playing(script):
        for payload in (b"1", b"2", b"3"):
            session.publish("p", payload)
        drive(session, lambda: len(session) == 1)  # the answers came before it
        before = session.answered
        go.set()
        assert session.flush(WITHIN_S)

    assert (before, session.answered) == (0, 3)


def test_no_more_are_unanswered_than_the_broker_takes(broker: ScriptedBroker) -> None:
    most: list[int] = []

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.let_in(bytes((Packet.CONNACK, 6, 0, 0, 3)) + b"\x21\x00\x02")
        client.answer_subscribe()
        waiting = [client.published().packet_id for _ in range(2)]
        for _ in range(8):
            most.append(len(waiting))
            client.answer(waiting.pop(0))
            waiting.append(client.published().packet_id)
        client.answer(*waiting)

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: session.ready)
        for number in range(10):
            session.publish("p", str(number).encode())
            assert session.published - session.answered <= 2
        assert session.flush(WITHIN_S)

    assert session.answered == 10
    assert set(most) == {2}


def test_there_are_more_messages_than_packet_ids(broker: ScriptedBroker) -> None:
    count, ids = 70_000, []

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        for number in range(count):
            ids.append(client.published().packet_id)
            if number:  # the first is answered last
                client.answer(ids[-1])
        client.answer(ids[0])

    session = session_at(broker, max_unacknowledged=1_000)
    with broker.playing(script):
        for _ in range(count):
            session.publish("p", b"")
        assert session.flush(WITHIN_S)

    assert session.answered == count
    assert ids.count(ids[0]) == 1
    assert min(ids) >= 1
    assert max(ids) == packets.MAX_PACKET_ID


def test_a_publish_that_waits_for_room_goes_on_when_the_service_stops(broker: ScriptedBroker) -> None:
    broker.close()
    stop = threading.Event()
    session = session_at(broker, max_unacknowledged=1, stop=stop)
    session.publish("p", b"1")
    threading.Timer(0.1, stop.set).start()

    session.publish("p", b"2")

    assert stop.is_set()
    assert not session.flush(WITHIN_S), "and nothing waits for the broker any more"


def test_flush_says_whether_the_broker_has_everything(broker: ScriptedBroker) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        client.answer(client.published().packet_id)
        client.published()

    session = session_at(broker)
    with broker.playing(script):
        session.publish("p", b"1")
        answered = session.flush(WITHIN_S)
        session.publish("p", b"2")
        unanswered = session.flush(0.1)

    assert (answered, unanswered) == (True, False)


# -- receiving


def test_an_acknowledgement_goes_out_on_the_connection_of_its_message_only(broker: ScriptedBroker) -> None:
    said: list[tuple[int, bytes]] = []

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        client.deliver(7)
        client.hang_up()
        client = broker.accept()
        client.serve()
        client.deliver(8)
        client.deliver(7, dup=True)
        said.append(client.read())

    session = session_at(broker)
    with broker.playing(script):
        [before, after, again] = received(session, 3)
        session.acknowledge([before, after])
        session.exchange(0.0)

    assert said == [(Packet.PUBACK, b"\0\x08")]
    assert before.connection != after.connection == again.connection
    assert (again.mid, again.dup) == (before.mid, True)


def test_messages_of_qos_0_need_no_acknowledgement(broker: ScriptedBroker) -> None:
    said: list[tuple[int, bytes]] = []

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        client.send(bytes((Packet.PUBLISH, 5)) + b"\0\1t\0x")
        said.append(client.read())

    session = session_at(broker)
    with broker.playing(script):
        batch = received(session, 1)
        session.acknowledge(batch)
        session.publish("p", b"")
        session.exchange(0.0)

    assert [(message.qos, message.payload) for message in batch] == [(0, b"x")]
    assert said[0][0] & 0xF0 == Packet.PUBLISH


def test_receive_returns_early_and_empty_where_only_answers_came(broker: ScriptedBroker) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        client.answer(client.published().packet_id)

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: session.ready)
        session.publish("p", b"1")
        began_s = time.monotonic()
        batch = session.receive(10, 60.0)

    assert time.monotonic() - began_s < WITHIN_S
    assert batch == []
    assert session.answered == 1


def test_no_more_messages_are_handed_over_than_asked_for_and_in_their_order(broker: ScriptedBroker) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        client.send(*(packets.publish(PROTOCOL_5, number, "t", b"") for number in range(1, 6)))

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: len(session) == 5)

    batches = [session.receive(2, 0.0) for _ in range(4)]
    assert [[message.mid for message in batch] for batch in batches] == [[1, 2], [3, 4], [5], []]


def test_lingering_fills_a_batch_but_not_beyond_its_size(broker: ScriptedBroker) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        client.deliver(1)
        for packet_id in (2, 3, 4):
            client.published()  # a sign that the one before has arrived
            client.deliver(packet_id)

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: len(session) == 1)
        for _ in range(3):
            session.publish("p", b"")
        began_s = time.monotonic()
        batch = session.receive(3, 1.0, linger_s=60.0)
        rest = received(session, 1)

    assert time.monotonic() - began_s < WITHIN_S
    assert [message.mid for message in [*batch, *rest]] == [1, 2, 3, 4]
    assert len(batch) == 3


def test_lingering_ends_where_no_more_comes(broker: ScriptedBroker) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        client.deliver(1)

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: len(session) == 1)

    assert len(session.receive(10, 0.0, linger_s=0.05)) == 1


def test_the_age_is_that_of_the_oldest_message(broker: ScriptedBroker) -> None:
    session = session_at(broker)
    empty_s = session.oldest_age_s()
    with broker.playing(lambda broker: deliver_all(broker.accept(), [b"1", b"2"])):
        drive(session, lambda: len(session) == 2)

    assert empty_s == 0.0
    assert 0.0 <= session.oldest_age_s() < WITHIN_S


def deliver_all(client: Client, payloads: Sequence[bytes], sent: list[int] | None = None) -> None:
    client.serve()
    for number, payload in enumerate(payloads, 1):
        client.deliver(number, payload)
        if sent is not None:
            sent.append(number)


LARGE, MANY = 400_000, 60  # more than the sockets' buffers take


@pytest.mark.parametrize(
    ("chosen", "most"), [({"hold": 3}, 4), ({"hold_bytes": 3 * LARGE}, 4)], ids=["messages", "bytes"]
)
def test_where_enough_waits_nothing_is_read_and_the_broker_keeps_the_rest(
    broker: ScriptedBroker, chosen: dict[str, Any], most: int
) -> None:
    sent: list[int] = []
    session = session_at(broker, **chosen)
    with broker.playing(lambda broker: deliver_all(broker.accept(), [bytes(LARGE)] * MANY, sent)):
        drive(session, lambda: len(session) >= 3)
        for _ in range(10):
            session.exchange(0.01)
        held, given = len(session), len(sent)
        batch = received(session, MANY)

    assert held <= most
    assert given < MANY
    assert [message.mid for message in batch] == list(range(1, MANY + 1))


@pytest.mark.parametrize("waits", ["publish", "flush"])
def test_answers_are_read_though_enough_waits_here(broker: ScriptedBroker, waits: str) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        client.deliver(1)
        first = client.published()
        client.deliver(2)
        client.answer(first.packet_id)
        if waits == "publish":
            client.answer(client.published().packet_id)

    session = session_at(broker, hold=1, max_unacknowledged=1)
    with broker.playing(script):
        drive(session, lambda: len(session) == 1)
        session.publish("p", b"1")
        if waits == "publish":
            session.publish("p", b"2")
        assert session.flush(WITHIN_S)

    assert [message.mid for message in session.receive(10, 0.0)] == [1, 2]


# -- the connection


def test_an_idle_connection_is_kept_alive_and_a_silent_broker_is_given_up(
    broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mqtt_session, "KEEPALIVE_S", 1)
    said: list[int] = []

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        said.append(client.read()[0])
        client.send(PONG)
        said.append(client.read()[0])
        said.append(client.read()[0])  # nobody answered it
        broker.accept().serve()

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: broker.connections == 2 and session.ready)

    assert said == [Packet.PINGREQ, Packet.PINGREQ, 0]
    assert "no word from the broker for 1 s" in caplog.text


def test_a_broker_that_speaks_while_nobody_reads_is_not_given_up(
    broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_session, "KEEPALIVE_S", 1)

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        client.deliver(1)
        for _ in range(3):
            assert client.read()[0] == Packet.PINGREQ
            client.send(PONG)

    session = session_at(broker, hold=1)
    with broker.playing(script):
        drive(session, lambda: len(session) == 1)
        deadline_s = time.monotonic() + 3.0
        while time.monotonic() < deadline_s:
            session.exchange(0.05)

    assert (broker.connections, session.ready) == (1, True)


MALFORMED = {
    "a length that is none": b"\x30\xff\xff\xff\xff\x7f",
    "a publish that is shorter than it says": b"\x32\x03\x00\x10a",
    "a publish without anything": b"\x32\x00",
    "an answer to nothing in particular": b"\x40\x00",
    "an answer to a subscription that ends early": b"\x90\x03\x00\x01\xff",
    "a farewell": b"\xe0\x02\x8e\x00",
    "a farewell without a reason": b"\xe0\x00",
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_packet_costs_the_connection_and_nothing_else(
    broker: ScriptedBroker, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        client.deliver(1, b"before")
        client.published()
        client.send(MALFORMED[what])
        assert client.read() == CLOSED
        client = broker.accept()
        client.serve()
        assert client.published().dup
        client.deliver(2, b"after")

    session = session_at(broker)
    with broker.playing(script):
        [before] = received(session, 1)
        session.publish("p", b"kept")
        [after] = received(session, 1)

    assert (before.payload, after.payload) == (b"before", b"after")
    assert "lost broker" in caplog.text


def test_a_topic_that_is_not_utf_8_still_arrives(broker: ScriptedBroker) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        client.send(b"\x32\x08\x00\x02\xfft\x00\x07\x00x")

    session = session_at(broker)
    with broker.playing(script):
        [message] = received(session, 1)

    assert (message.topic, message.payload, message.mid) == ("\N{REPLACEMENT CHARACTER}t", b"x", 7)


def test_a_packet_that_comes_byte_by_byte_arrives_whole(broker: ScriptedBroker) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        for byte in packets.publish(PROTOCOL_5, 7, "t", b"slowly"):
            client.send(bytes((byte,)))

    session = session_at(broker)
    with broker.playing(script):
        assert [message.payload for message in received(session, 1)] == [b"slowly"]


def test_close_sends_what_is_under_way_and_takes_its_leave(broker: ScriptedBroker) -> None:
    said: list[tuple[int, bytes]] = []

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        client.answer(client.published().packet_id)
        said.extend((client.read(), client.read()))

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: session.ready)
        session.publish("p", b"last words")
        session.close(WITHIN_S)

    assert said == [(Packet.DISCONNECT, b""), CLOSED]
    assert session.answered == 1
    assert not session.ready


def test_close_does_not_wait_for_a_broker_that_answers_nothing(broker: ScriptedBroker) -> None:
    session = session_at(broker)
    with broker.playing(lambda broker: broker.accept().serve()):
        drive(session, lambda: session.ready)
    for _ in range(20):
        session.publish("p", bytes(1_000_000))

    began_s = time.monotonic()
    session.close(0.1)

    assert time.monotonic() - began_s < 3.0


def test_after_a_stop_no_connection_is_made(broker: ScriptedBroker) -> None:
    stop = threading.Event()
    session = session_at(broker, stop=stop)
    stop.set()

    session.exchange(60.0)
    batch = session.receive(10, 60.0, linger_s=60.0)
    session.close()

    assert batch == []
    assert broker.connections == 0


# -- TLS


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[Path, Path]:
    """The authority's certificate, and the broker's certificate with its key."""
    ca, now = make_ca(datetime.now(UTC)), datetime.now(UTC)
    server = issue_server(ca, [], now)
    (tmp_path / "ca.crt").write_bytes(ca.certificate)
    (tmp_path / "server.pem").write_bytes(server.certificate + server.key)
    return tmp_path / "ca.crt", tmp_path / "server.pem"


def test_over_tls_large_and_many_messages_come_and_go(certificates: tuple[Path, Path]) -> None:
    ca, server = certificates
    payloads = [bytes([number % 256]) * size for number, size in enumerate([10, 20_000, 300_000] * 40)]
    said: list[bytes] = []
    broker = ScriptedBroker(server)

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        deliver_all(client, payloads)
        for _ in payloads:
            one = client.published()
            said.append(one.payload)
            client.answer(one.packet_id)

    session = session_at(broker, settings={"mqtt_tls_ca": ca})
    with broker.playing(script):
        batch = received(session, len(payloads))
        for message in batch:
            session.publish("p", message.payload)
        assert session.flush(WITHIN_S)
    session.close()
    broker.close()

    assert [message.payload for message in batch] == said == payloads


def test_a_broker_of_another_authority_is_no_broker(
    certificates: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, server = certificates
    other = tmp_path / "other.crt"
    other.write_bytes(make_ca(datetime.now(UTC)).certificate)
    broker = ScriptedBroker(server)

    def script(broker: ScriptedBroker) -> None:
        with pytest.raises(OSError, match=r"unknown ca|alert"):
            broker.accept()

    session = session_at(broker, settings={"mqtt_tls_ca": other})
    with broker.playing(script):
        session.exchange(0.0)
    broker.close()

    assert not session.ready
    assert "no broker answers" in caplog.text
    assert "certificate" in caplog.text


def test_a_server_that_does_not_speak_tls_is_no_broker(
    certificates: tuple[Path, Path], broker: ScriptedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    def script(broker: ScriptedBroker) -> None:
        broker.accept().send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    session = session_at(broker, settings={"mqtt_tls_ca": certificates[0]})
    with broker.playing(script):
        session.exchange(0.0)

    assert "no broker answers" in caplog.text
