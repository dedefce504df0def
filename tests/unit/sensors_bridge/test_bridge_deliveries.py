"""A message is taken once, however often it is delivered, and what is held is bounded."""

import threading
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.runtime.mqtt import Message
from sensors_bridge.deliveries import Deliveries


def delivery(mid: int, payload: bytes = b"reading", *, dup: bool = False, connection: int = 1, qos: int = 1) -> Message:
    return Message("factory/pumps/p/telemetry", payload, qos, False, dup, mid, 0, connection)


def take_all(intake: Deliveries) -> list[Message]:
    return intake.take(1_000, 0.0)


def test_a_redelivery_while_the_first_waits_is_taken_once_and_acknowledged_on_its_new_connection() -> None:
    intake = Deliveries(10)
    intake.receive(delivery(7))
    again = delivery(7, dup=True, connection=3)

    intake.receive(again)

    batch = take_all(intake)
    assert batch == [delivery(7)]
    assert intake.settle(batch) == [again]
    assert intake.repeats == 1


def test_a_redelivery_of_what_is_stored_is_only_acknowledged() -> None:
    intake = Deliveries(10)
    intake.receive(delivery(7))
    intake.settle(take_all(intake))
    again = delivery(7, dup=True, connection=3)

    intake.receive(again)

    assert take_all(intake) == []
    assert intake.settle([]) == [again]
    assert intake.settle([]) == []


def test_another_payload_under_the_same_packet_id_is_a_message_of_its_own() -> None:
    intake = Deliveries(10)
    first, other = delivery(7), delivery(7, b"another", dup=True, connection=3)
    intake.receive(first)

    intake.receive(other)

    batch = take_all(intake)
    assert batch == [first, other]
    assert intake.settle(batch) == [first, other]


def test_a_new_message_is_taken_though_its_payload_and_packet_id_were_seen_before() -> None:
    intake = Deliveries(10)
    intake.receive(delivery(7))
    intake.settle(take_all(intake))

    intake.receive(delivery(7))

    assert take_all(intake) == [delivery(7)]


def test_messages_at_qos_0_are_never_taken_for_one_another() -> None:
    intake = Deliveries(10)

    intake.receive(delivery(0, qos=0))
    intake.receive(delivery(0, qos=0))

    assert len(take_all(intake)) == 2


def test_too_many_bytes_hold_the_network_thread_back_until_some_are_settled() -> None:
    intake = Deliveries(10, max_bytes=100)
    intake.receive(delivery(1, bytes(100)))
    network = threading.Thread(target=intake.receive, args=(delivery(2, b"next"),))
    network.start()
    batch = take_all(intake)
    network.join(0.1)
    held_back = network.is_alive()

    intake.settle(batch)
    network.join(5.0)

    assert held_back
    assert take_all(intake) == [delivery(2, b"next")]


def test_a_network_thread_that_waits_for_room_goes_on_when_the_intake_closes() -> None:
    intake = Deliveries(1)
    intake.receive(delivery(1))
    network = threading.Thread(target=intake.receive, args=(delivery(2),))
    network.start()

    intake.close()

    network.join(5.0)
    assert not network.is_alive()
    assert take_all(intake) == [delivery(1)], "the one that found no room is left to the broker"


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from([b"a", b"b"]), st.booleans()), max_size=40),
    st.integers(1, 5),
)
def test_every_delivery_is_acknowledged_and_only_flagged_repeats_are_left_out(
    arrivals: list[tuple[int, bytes, bool]], batch_size: int
) -> None:
    intake, taken, acknowledged = Deliveries(100), [], []
    for number, (mid, payload, dup) in enumerate(arrivals):
        intake.receive(replace(delivery(mid, payload, dup=dup), received_ns=number))
        if number % batch_size == 0:
            batch = take_all(intake)
            taken += batch
            acknowledged += intake.settle(batch)
    taken += (batch := take_all(intake))

    acknowledged += intake.settle(batch)

    left_out = set(range(len(arrivals))) - {message.received_ns for message in taken}
    assert len(left_out) == intake.repeats
    assert all(arrivals[number][2] for number in left_out)
    assert {(message.mid, message.payload) for message in acknowledged} == {(mid, load) for mid, load, _ in arrivals}
