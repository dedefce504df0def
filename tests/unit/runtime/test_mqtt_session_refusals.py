"""What the session does where a broker refuses a part of what it is asked, or changes its mind."""

import pytest

from pdm_platform.contract.errors import BrokerError
from pdm_platform.runtime import mqtt_dialer
from pdm_platform.runtime import mqtt_packets as packets
from pdm_platform.runtime.mqtt_packets import PROTOCOL_5, Packet, Publish
from tests.session_at_work import drive
from tests.unit.runtime.scripted_broker import LET_IN_3, Client, ScriptedBroker
from tests.unit.runtime.scripted_session import broker, refused, session_at, short_pauses

__all__ = ["broker", "short_pauses"]
LETS_TWO_PASS = bytes((Packet.CONNACK, 6, 0, 0, 3, 0x21, 0, 2))


def refuse(client: Client, packet_id: int, reason: int) -> None:
    client.send(bytes((Packet.PUBACK, 3)), packet_id.to_bytes(2, "big"), bytes((reason,)))


def test_a_message_that_the_access_list_forbids_is_told_by_topic_and_never_counts_as_taken(
    broker: ScriptedBroker,
) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        refuse(client, client.published().packet_id, 0x87)

    session = session_at(broker)
    session.publish("t/predictions", b"1")
    with broker.playing(script):
        error = refused(session)

    assert "'t/predictions'" in error.what
    assert session.answered == 0


def test_a_message_that_is_refused_for_now_is_sent_again_until_it_is_taken(broker: ScriptedBroker) -> None:
    came: list[Publish] = []

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        came.append(client.published())
        refuse(client, came[0].packet_id, 0x97)
        client = broker.accept()
        client.serve()
        came.append(client.published())
        client.answer(came[1].packet_id)

    session = session_at(broker)
    session.publish("t/predictions", b"1")
    with broker.playing(script):
        drive(session, lambda: session.answered == 1)

    assert [one.payload for one in came] == [b"1", b"1"]


@pytest.mark.parametrize("reason", [0x80, 0x83, 0x97])
def test_a_subscription_that_is_refused_for_now_is_asked_for_again(broker: ScriptedBroker, reason: int) -> None:
    def script(broker: ScriptedBroker) -> None:
        broker.accept().serve(reason)
        broker.accept().serve(1)

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: session.ready)


@pytest.mark.parametrize(
    ("subscriptions", "knew_5"),
    [
        pytest.param(["t/#"], True, id="a broker that has spoken it"),
        pytest.param(["$share/g/t"], False, id="a subscription that needs it"),
    ],
)
def test_a_broker_that_hangs_up_is_offered_mqtt_5_again(
    broker: ScriptedBroker, subscriptions: list[str], knew_5: bool
) -> None:
    levels: list[int] = []

    def script(broker: ScriptedBroker) -> None:
        if knew_5:
            client = broker.accept()
            client.serve()
            client.hang_up()
        for _ in range(2):
            client = broker.accept()
            levels.append(client.let_in(b"")[6])
            client.hang_up()
        broker.accept().serve()

    session = session_at(broker, subscriptions=subscriptions)
    with broker.playing(script):
        drive(session, lambda: broker.connections == 3 + knew_5 and session.ready)

    assert levels == [PROTOCOL_5, PROTOCOL_5]


def test_a_broker_that_knows_mqtt_5_alone_again_is_offered_it_again(broker: ScriptedBroker) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.let_in(b"")
        client.hang_up()
        broker.accept().let_in(bytes((Packet.CONNACK, 2, 0, 1)))
        broker.accept().serve()

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: session.ready)

    assert session.ready


def test_after_a_reconnect_no_more_is_sent_at_once_than_the_broker_takes_now(broker: ScriptedBroker) -> None:
    windows: list[list[bytes]] = []

    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.serve()
        for _ in range(5):
            client.published()
        client.hang_up()
        client = broker.accept()
        client.let_in(LETS_TWO_PASS)
        client.answer_subscribe()
        while len(windows) < 3:
            window = [client.published() for _ in range(min(2, 5 - 2 * len(windows)))]
            assert client.is_silent()
            windows.append([one.payload for one in window])
            client.answer(*(one.packet_id for one in window))

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: session.ready)
        for number in range(5):
            session.publish("t", b"%d" % number)
        drive(session, lambda: session.answered == 5)

    assert windows == [[b"0", b"1"], [b"2", b"3"], [b"4"]]


def test_a_broker_that_lets_in_and_hangs_up_at_once_is_asked_at_growing_intervals(
    broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_dialer, "_LONGEST_PAUSE_S", (10.0, 10.0))
    pauses: list[float] = []
    back_off = mqtt_dialer.Dialer._back_off

    def noted(self: mqtt_dialer.Dialer) -> None:
        back_off(self)
        pauses.append(self._pause_s)

    monkeypatch.setattr(mqtt_dialer.Dialer, "_back_off", noted)

    def script(broker: ScriptedBroker) -> None:
        for _ in range(3):
            client = broker.accept()
            client.serve()
            client.hang_up()
        broker.accept().serve()

    session = session_at(broker)
    with broker.playing(script):
        drive(session, lambda: broker.connections == 4 and session.ready)

    assert pauses == [pauses[0], 2 * pauses[0], 4 * pauses[0]]


def test_a_broker_that_takes_no_message_at_all_says_so() -> None:
    with pytest.raises(BrokerError, match="Receive Maximum is 0"):
        packets.read_connack(PROTOCOL_5, bytes((0, 0, 3, 0x21, 0, 0)))


def test_a_broker_that_says_that_it_knows_3_1_1_only_has_no_shared_subscriptions(broker: ScriptedBroker) -> None:
    def script(broker: ScriptedBroker) -> None:
        client = broker.accept()
        client.let_in(bytes((Packet.CONNACK, 2, 0, 1)))
        client.hang_up()
        broker.accept().let_in(LET_IN_3)

    session = session_at(broker, subscriptions=["$share/g/t"])
    with broker.playing(script):
        assert "shared subscriptions" in refused(session).what
