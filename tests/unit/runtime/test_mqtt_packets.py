"""Packets as the OASIS standards MQTT 3.1.1 and 5.0 write them, and what a broken one does."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdm_platform.contract.errors import BrokerError
from pdm_platform.runtime import mqtt_packets as packets
from pdm_platform.runtime.mqtt_packets import PROTOCOL_3, PROTOCOL_5, Connack, Packet, Publish

PROTOCOLS = st.sampled_from([PROTOCOL_3, PROTOCOL_5])
TOPICS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0+#"), min_size=1, max_size=40)
PUBLISHES = st.builds(
    Publish,
    topic=TOPICS,
    payload=st.binary(max_size=400),
    qos=st.just(1),
    retain=st.booleans(),
    dup=st.booleans(),
    packet_id=st.integers(1, packets.MAX_PACKET_ID),
)


def read_hex(text: str) -> bytes:
    return bytes.fromhex(text)


def connect(protocol: int, *, username: str = "", password: str = "") -> bytes:
    return packets.connect(
        protocol,
        "pdm",
        keepalive_s=30,
        session_expiry_s=3_600,
        receive_maximum=20,
        username=username,
        password=password,
    )


def written(protocol: int, one: Publish) -> bytes:
    return packets.publish(protocol, one.packet_id, one.topic, one.payload, retain=one.retain, dup=one.dup)


# -- what is sent


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (connect(PROTOCOL_3), "10 0f  0004 4d515454 04 00 001e  0003 70646d"),
        (
            connect(PROTOCOL_3, username="u", password="pw"),
            "10 16  0004 4d515454 04 c0 001e  0003 70646d  0001 75  0002 7077",
        ),
        (connect(PROTOCOL_3, username="u"), "10 12  0004 4d515454 04 80 001e  0003 70646d  0001 75"),
        # 8 bytes of properties: session expiry 3,600 s, receive maximum 20
        (connect(PROTOCOL_5), "10 18  0004 4d515454 05 00 001e  08 11 00000e10 21 0014  0003 70646d"),
        # the standard's own examples: 3.1.1, figures 3.11 and 3.22, packet id 10
        (packets.publish(PROTOCOL_3, 10, "a/b", b""), "32 07  0003 612f62  000a"),
        (packets.publish(PROTOCOL_3, 10, "a/b", b"hi", retain=True, dup=True), "3b 09  0003 612f62  000a  6869"),
        (packets.publish(PROTOCOL_5, 10, "a/b", b"hi"), "32 0a  0003 612f62  000a  00  6869"),
        (packets.subscribe(PROTOCOL_3, 10, ["a/b", "c/d"]), "82 0e  000a  0003 612f62 01  0003 632f64 01"),
        (packets.subscribe(PROTOCOL_5, 10, ["a/b"]), "82 09  000a  00  0003 612f62 01"),
        (packets.pubacks([10, 65_535]), "40 02 000a  40 02 ffff"),
        (packets.pubacks([]), ""),
        (packets.PING, "c0 00"),
        (packets.GOODBYE, "e0 00"),
    ],
)
def test_what_is_sent_is_byte_by_byte_what_the_standard_asks_for(sent: bytes, expected: str) -> None:
    assert sent == read_hex(expected)


@pytest.mark.parametrize(
    ("length", "digits"),
    [
        (0, "00"),
        (64, "40"),
        (127, "7f"),
        (128, "80 01"),
        (321, "c1 02"),
        (16_383, "ff 7f"),
        (16_384, "80 80 01"),
        (2_097_151, "ff ff 7f"),
        (2_097_152, "80 80 80 01"),
    ],
)
def test_lengths_are_those_of_the_standards_table(length: int, digits: str) -> None:
    assert packets._size(length) == read_hex(digits)

    whole = bytes([Packet.PUBLISH]) + read_hex(digits) + bytes(length)
    assert packets.split(whole) == ([(Packet.PUBLISH, bytes(length))], len(whole))
    assert packets.split(whole[:-1]) == ([], 0)


def test_the_longest_length_of_the_standard_is_one() -> None:
    assert packets._size(268_435_455) == read_hex("ff ff ff 7f")
    assert packets.split(read_hex("30 ff ff ff 7f") + bytes(100)) == ([], 0)


def test_a_topic_may_hold_what_utf_8_can_say() -> None:
    sent = packets.publish(PROTOCOL_3, 1, "fabrik/pümpe", b"")

    assert sent[2:4] == b"\x00\x0d"
    assert packets.read_publish(PROTOCOL_3, sent[0], sent[2:]).topic == "fabrik/pümpe"


# -- what is read


@given(PROTOCOLS, PUBLISHES)
def test_a_publish_comes_back_as_it_was_sent(protocol: int, one: Publish) -> None:
    [(first, body)], taken = packets.split(whole := written(protocol, one))

    assert packets.read_publish(protocol, first, body) == one
    assert taken == len(whole)


@given(PROTOCOLS, st.lists(PUBLISHES, max_size=8), st.data())
@settings(deadline=None)
def test_however_a_stream_is_cut_the_same_packets_come_out(
    protocol: int, sent: list[Publish], data: st.DataObject
) -> None:
    stream = b"".join([packets.PING + packets.pubacks([one.packet_id]) + written(protocol, one) for one in sent])
    places = data.draw(st.sets(st.integers(0, len(stream))))
    whole, _ = packets.split(stream)

    assert list(in_pieces(stream, places)) == whole
    assert [packets.read_publish(protocol, *one) for one in whole if one[0] & 0xF0 == Packet.PUBLISH] == sent


def in_pieces(stream: bytes, places: Iterable[int]) -> Iterable[tuple[int, bytes]]:
    """Packets from a stream that comes in pieces."""
    waiting = b""
    for start, end in pairwise([0, *sorted(places), len(stream)]):
        waiting += stream[start:end]
        found, taken = packets.split(waiting)
        yield from found
        waiting = waiting[taken:]
    assert waiting == b""


def test_no_more_packets_are_taken_than_asked_for() -> None:
    found, taken = packets.split(packets.pubacks([1, 2, 3]), most=1)

    assert (found, taken) == ([(Packet.PUBACK, b"\x00\x01")], 4)


@pytest.mark.parametrize("length", ["80 80 80 80", "ff ff ff ff 7f", "ff ff ff ff ff"])
def test_a_length_that_is_none_is_an_error(length: str) -> None:
    with pytest.raises(BrokerError, match="whose length is none"):
        packets.split(packets.PING + b"\x30" + read_hex(length) + bytes(10))


@given(st.binary(max_size=60))
def test_any_bytes_are_packets_or_an_error(data: bytes) -> None:
    try:
        found, taken = packets.split(data)
    except BrokerError:
        return

    assert 0 <= taken <= len(data)
    assert sum(2 + len(body) for _, body in found) <= taken


def test_a_publish_at_qos_0_has_no_packet_id() -> None:
    assert packets.read_publish(PROTOCOL_3, 0x31, read_hex("0003 612f62 6869")) == Publish(
        "a/b", b"hi", 0, True, False, 0
    )


def test_a_topic_that_is_not_utf_8_is_shown_with_its_wrong_bytes_replaced() -> None:
    one = packets.read_publish(PROTOCOL_3, 0x32, read_hex("0004 612fff62 000a 6869"))

    assert (one.topic, one.payload, one.packet_id) == ("a/\N{REPLACEMENT CHARACTER}b", b"hi", 10)


@pytest.mark.parametrize(
    "properties",
    [
        "00",
        "02 01 01",  # the payload is text
        "07 26 0001 61 0001 62",  # a property of the user's own
        "82 01" + " 26 0002 6161 0079" + " 62" * 121 + " 01 00",  # more than 127 bytes of them
    ],
)
def test_properties_of_a_publish_are_passed_over(properties: str) -> None:
    body = read_hex("0003 612f62 000a") + read_hex(properties) + b"payload"

    assert packets.read_publish(PROTOCOL_5, 0x3A, body) == Publish("a/b", b"payload", 1, False, True, 10)


@pytest.mark.parametrize(
    ("protocol", "body", "expected"),
    [
        (PROTOCOL_3, "00 00", Connack(0, 65_535)),
        (PROTOCOL_3, "01 05", Connack(5, 65_535)),
        (PROTOCOL_5, "00 01", Connack(1, 65_535)),  # of a broker that knows 3.1.1 only
        (PROTOCOL_5, "00 00 00", Connack(0, 65_535)),
        (PROTOCOL_5, "00 87 00", Connack(0x87, 65_535)),
        (PROTOCOL_5, "01 00 03 21 0014", Connack(0, 20)),
        # behind an assigned client id, a topic alias maximum, a maximum QoS, a property of the user's own
        (PROTOCOL_5, "00 00 17 12 0003 70646d 22 000a 24 01 26 0001 61 0001 62 21 0100", Connack(0, 256)),
        (PROTOCOL_5, "00 00 05 7e 00 21 0014", Connack(0, 65_535)),  # behind one that nobody knows
    ],
)
def test_a_connack_tells_the_reason_and_how_many_publishes_the_broker_takes(
    protocol: int, body: str, expected: Connack
) -> None:
    assert packets.read_connack(protocol, read_hex(body)) == expected


@pytest.mark.parametrize(
    ("protocol", "body", "codes"),
    [
        (PROTOCOL_3, "000a 01 80", [1, 0x80]),
        (PROTOCOL_5, "000a 00 01 87", [1, 0x87]),
        (PROTOCOL_5, "000a 05 1f 0002 6e6f 00", [0]),
    ],
)
def test_a_suback_tells_a_code_for_each_filter(protocol: int, body: str, codes: list[int]) -> None:
    assert packets.read_suback(protocol, read_hex(body)) == codes
