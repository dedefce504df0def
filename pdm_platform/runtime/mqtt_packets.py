"""MQTT packets as bytes, for the services through which every reading passes: 3.1.1 and 5, no I/O.

Sources: OASIS MQTT Version 3.1.1 and Version 5.0, chapter 3.
"""

import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

from pdm_platform.contract.errors import BrokerError

PROTOCOL_3, PROTOCOL_5 = 4, 5
MAX_PACKET_ID: Final = 65_535
_QOS_1: Final = 0x02
_SESSION_EXPIRY, _RECEIVE_MAXIMUM = 0x11, 0x21
_PREFIXES: Final = 100_000
# bytes of a CONNACK property by its identifier; None: a string, or two, with their lengths in front
_PROPERTY_SIZES: Final[dict[int, int | None]] = {
    **dict.fromkeys((0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22), 2),
    **dict.fromkeys((0x11, 0x27), 4),
    **dict.fromkeys((0x12, 0x1A, 0x1C, 0x1F, 0x15, 0x16, 0x26), None),
}
_STRING_PAIR: Final = 0x26


class Packet(IntEnum):
    """Control packet types, as the high half of a packet's first byte."""

    CONNECT = 0x10
    CONNACK = 0x20
    PUBLISH = 0x30
    PUBACK = 0x40
    SUBSCRIBE = 0x80
    SUBACK = 0x90
    PINGREQ = 0xC0
    PINGRESP = 0xD0
    DISCONNECT = 0xE0


PING: Final = bytes((Packet.PINGREQ, 0))
GOODBYE: Final = bytes((Packet.DISCONNECT, 0))


class Publish(NamedTuple):
    """A PUBLISH taken apart. packet_id is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int


class Connack(NamedTuple):
    """What the broker says of a CONNECT. receive_maximum: publishes it takes before it has answered them."""

    reason: int
    receive_maximum: int


def _size(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    digits = bytearray()
    while length >= 0x80:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    digits.append(length)
    return bytes(digits)


def _text(text: str | bytes) -> bytes:
    encoded = text if isinstance(text, bytes) else text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


@lru_cache(maxsize=_PREFIXES)
def _topic(topic: str) -> bytes:
    return _text(topic)


def connect(
    protocol: int,
    client_id: str,
    *,
    keepalive_s: int,
    session_expiry_s: int,
    receive_maximum: int,
    username: str = "",
    password: str = "",
) -> bytes:
    """CONNECT to a session that outlasts the connection.

    session_expiry_s, receive_maximum: told in MQTT 5 only; in 3.1.1 the broker's configuration decides.
    """
    flags = 0x80 * bool(username) | 0x40 * bool(username and password)
    properties = b""
    if protocol == PROTOCOL_5:
        found = bytes((_SESSION_EXPIRY,)) + session_expiry_s.to_bytes(4, "big")
        found += bytes((_RECEIVE_MAXIMUM,)) + receive_maximum.to_bytes(2, "big")
        properties = _size(len(found)) + found
    body = _text("MQTT") + bytes((protocol, flags)) + keepalive_s.to_bytes(2, "big") + properties + _text(client_id)
    if username:
        body += _text(username) + (_text(password) if password else b"")
    return bytes((Packet.CONNECT,)) + _size(len(body)) + body


def subscribe(protocol: int, packet_id: int, filters: Sequence[str]) -> bytes:
    """SUBSCRIBE to these topic filters at QoS 1."""
    body = packet_id.to_bytes(2, "big") + (b"\0" if protocol == PROTOCOL_5 else b"")
    body += b"".join(_text(topic) + b"\1" for topic in filters)
    return bytes((Packet.SUBSCRIBE | 0x02,)) + _size(len(body)) + body


def publish(
    protocol: int, packet_id: int, topic: str, payload: bytes, *, retain: bool = False, dup: bool = False
) -> bytes:
    """PUBLISH at QoS 1. dup: it was sent before."""
    name = _topic(topic)
    between = packet_id.to_bytes(2, "big") + (b"\0" if protocol == PROTOCOL_5 else b"")
    size = _size(len(name) + len(between) + len(payload))
    return b"".join((bytes((Packet.PUBLISH | _QOS_1 | retain | dup << 3,)), size, name, between, payload))


def pubacks(packet_ids: Iterable[int]) -> bytes:
    """A PUBACK for each, one after the other."""
    head = bytes((Packet.PUBACK, 2))
    return b"".join([head + packet_id.to_bytes(2, "big") for packet_id in packet_ids])


def split(data: bytes, *, most: int = sys.maxsize) -> tuple[list[tuple[int, bytes]], int]:
    """The whole packets at the start of `data` as (first byte, body), and how many bytes they take.

    Raises BrokerError where a length is none.
    """
    found: list[tuple[int, bytes]] = []
    at, end = 0, len(data)
    while end - at >= 2 and len(found) < most:
        size, start = data[at + 1], at + 2
        if size & 0x80:
            size &= 0x7F
            shift = 7
            while start < end:
                digit = data[start]
                start += 1
                size |= (digit & 0x7F) << shift
                if digit < 0x80:
                    break
                shift += 7
                if shift > 21:
                    raise BrokerError("the broker sent a packet whose length is none")
            else:
                break
        stop = start + size
        if stop > end:
            break
        found.append((data[at], data[start:stop]))
        at = stop
    return found, at


def read_publish(protocol: int, first: int, body: bytes) -> Publish:
    """A PUBLISH from its first byte and its body. A topic that is not UTF-8 is shown with its wrong bytes replaced."""
    at = 2 + (body[0] << 8 | body[1])
    topic = body[2:at].decode(errors="replace")
    qos = first >> 1 & 3
    packet_id = 0
    if qos:
        packet_id = body[at] << 8 | body[at + 1]
        at += 2
    if protocol == PROTOCOL_5:
        if body[at]:
            size, at = _varint(body, at)
            at += size
        else:
            at += 1
    return Publish(topic, body[at:], qos, bool(first & 1), bool(first & 8), packet_id)


def read_connack(protocol: int, body: bytes) -> Connack:
    """A CONNACK from its body. A broker that does not know MQTT 5 answers a CONNECT of it in the form of 3.1.1.

    Raises BrokerError where nobody may ever publish.
    """
    receive_maximum = MAX_PACKET_ID
    if protocol == PROTOCOL_5 and len(body) > 2:
        size, at = _varint(body, 2)
        receive_maximum = _properties(body[at : at + size]).get(_RECEIVE_MAXIMUM, MAX_PACKET_ID)
    if not receive_maximum:
        raise BrokerError("the broker takes no message at all: its Receive Maximum is 0")
    return Connack(body[1], receive_maximum)


def read_suback(protocol: int, body: bytes) -> list[int]:
    """Reason codes of a SUBACK, one a topic filter; 0x80 and above is a refusal."""
    at = 2
    if protocol == PROTOCOL_5:
        size, at = _varint(body, 2)
        at += size
    return list(body[at:])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        digit = data[at]
        at += 1
        value |= (digit & 0x7F) << shift
        if digit < 0x80:
            return value, at
        shift += 7


def _properties(data: bytes) -> dict[int, int]:
    """Numeric properties by their identifiers; those after one that is not known cannot be read and are left out."""
    found: dict[int, int] = {}
    at = 0
    while at < len(data):
        identifier = data[at]
        at += 1
        if identifier not in _PROPERTY_SIZES:
            break
        size = _PROPERTY_SIZES[identifier]
        if size is None:
            for _ in range(2 if identifier == _STRING_PAIR else 1):
                at += 2 + int.from_bytes(data[at : at + 2], "big")
        else:
            found[identifier] = int.from_bytes(data[at : at + size], "big")
            at += size
    return found
