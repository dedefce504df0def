"""A message is taken once, however often it is delivered, and each delivery is acknowledged."""

from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.runtime.deliveries import Deliveries
from pdm_platform.runtime.mqtt import Message


def delivery(mid: int, payload: bytes = b"reading", *, dup: bool = False, connection: int = 1, qos: int = 1) -> Message:
    return Message("factory/pumps/p/telemetry", payload, qos, False, dup, mid, 0, connection)


def test_a_redelivery_while_the_first_is_under_way_is_taken_once_and_acknowledged_on_its_new_connection() -> None:
    deliveries, again = Deliveries(), delivery(7, dup=True, connection=3)

    batch = deliveries.fresh([delivery(7)])
    repeated = deliveries.fresh([again])

    assert (batch, repeated) == ([delivery(7)], [])
    assert deliveries.settle(batch) == [again]
    assert deliveries.repeats == 1


def test_a_redelivery_in_the_same_batch_is_taken_once_and_acknowledged_on_its_new_connection() -> None:
    deliveries, again = Deliveries(), delivery(7, dup=True, connection=3)

    batch = deliveries.fresh([delivery(7), again])

    assert batch == [delivery(7)]
    assert deliveries.settle(batch) == [again]


def test_a_redelivery_of_what_is_settled_is_only_acknowledged() -> None:
    deliveries, again = Deliveries(), delivery(7, dup=True, connection=3)
    deliveries.settle(deliveries.fresh([delivery(7)]))

    assert deliveries.fresh([again]) == []
    assert deliveries.settle([]) == [again]
    assert deliveries.settle([]) == []


def test_another_payload_under_the_same_packet_id_is_a_message_of_its_own() -> None:
    deliveries = Deliveries()
    first, other = delivery(7), delivery(7, b"another", dup=True, connection=3)

    batch = deliveries.fresh([first]) + deliveries.fresh([other])

    assert batch == [first, other]
    assert deliveries.settle(batch) == [first, other]


def test_a_new_message_is_taken_though_its_payload_and_packet_id_were_seen_before() -> None:
    deliveries = Deliveries()
    deliveries.settle(deliveries.fresh([delivery(7)]))

    assert deliveries.fresh([delivery(7)]) == [delivery(7)]


def test_messages_at_qos_0_are_never_taken_for_one_another() -> None:
    both = [delivery(0, qos=0), delivery(0, qos=0)]

    assert Deliveries().fresh(both) == both


def test_what_an_earlier_process_settled_is_only_acknowledged_where_it_comes_again() -> None:
    deliveries, again = Deliveries(), delivery(7, dup=True, connection=1)
    deliveries.remember([delivery(0, qos=0)])  # whose packet id nobody knows any more

    assert deliveries.fresh([again, delivery(8, b"another", dup=True)]) == [delivery(8, b"another", dup=True)]
    assert again in deliveries.settle([])
    assert deliveries.repeats == 1


def test_of_equal_messages_as_many_are_taken_for_settled_as_an_earlier_process_settled() -> None:
    deliveries, settled, other = Deliveries(), delivery(7, dup=True), delivery(8, dup=True)
    deliveries.remember([delivery(0, qos=0)])

    assert deliveries.fresh([settled, other]) == [other]
    assert deliveries.settle([]) == [settled]


def test_what_an_earlier_process_settled_is_known_however_often_it_comes_again() -> None:
    deliveries = Deliveries()
    deliveries.remember([delivery(0, qos=0)])
    again = [delivery(7, dup=True, connection=number) for number in range(3)]

    assert [deliveries.fresh([one]) for one in again] == [[], [], []]
    assert deliveries.settle([]) == again


def test_what_an_earlier_process_settled_is_taken_where_it_comes_as_a_new_message() -> None:
    deliveries = Deliveries()
    deliveries.remember([delivery(7)])

    assert deliveries.fresh([delivery(7)]) == [delivery(7)]


Arrivals = list[tuple[int, bytes, bool]]


def arriving(arrivals: Arrivals) -> list[Message]:
    """Deliveries, numbered by their receive times."""
    return [
        msgspec.structs.replace(delivery(mid, payload, dup=dup), received_ns=number)
        for number, (mid, payload, dup) in enumerate(arrivals)
    ]


def cut(messages: list[Message], size: int) -> Iterable[list[Message]]:
    return (messages[start : start + size] for start in range(0, len(messages), size))


SOME: Any = st.lists(st.tuples(st.integers(1, 4), st.sampled_from([b"a", b"b"]), st.booleans()), max_size=40)


@given(SOME, st.integers(1, 5), st.integers(0, 2))
def test_every_delivery_is_acknowledged_and_only_flagged_repeats_are_left_out(
    arrivals: Arrivals, batch_size: int, under_way: int
) -> None:
    deliveries = Deliveries()
    taken: list[list[Message]] = []
    acknowledged: list[Message] = []
    settled = 0
    for delivered in cut(arriving(arrivals), batch_size):
        taken.append(deliveries.fresh(delivered))
        while len(taken) - settled > under_way:  # the broker answers some batches later
            acknowledged += deliveries.settle(taken[settled])
            settled += 1

    for batch in taken[settled:]:
        acknowledged += deliveries.settle(batch)

    left_out = set(range(len(arrivals))) - {message.received_ns for batch in taken for message in batch}
    assert len(left_out) == deliveries.repeats
    assert all(arrivals[number][2] for number in left_out)
    assert {(message.mid, message.payload) for message in acknowledged} == {(mid, load) for mid, load, _ in arrivals}
