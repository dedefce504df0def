"""Tells on the broker what went to quarantine, so that a device's developer sees why nothing arrives."""

from collections.abc import Sequence
from typing import Final, Protocol

from pdm_platform.contract.payloads import Rejected, encode
from pdm_platform.contract.times import iso_of
from sensors_bridge.decode import Rejection

MAX_UNACKNOWLEDGED: Final = 10_000
_SHOWN_CHARACTERS: Final = 2_000


class Publisher(Protocol):
    """The part of the broker session that this module needs."""

    @property
    def published(self) -> int:
        """Messages handed over so far."""
        ...

    @property
    def answered(self) -> int:
        """How many of the first of them the broker has."""
        ...

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> object:
        """Hand one message over."""
        ...


class Announcer:
    """Publishes rejections without ever waiting: readings are stored also where the broker takes nothing.

    Beyond MAX_UNACKNOWLEDGED under way the rest is left out and counted. The record on the disk is complete.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self.left_out = 0

    def announce(self, session: Publisher, rejections: Sequence[Rejection]) -> None:
        """Publish one message for each rejection."""
        room = MAX_UNACKNOWLEDGED - (session.published - session.answered) if rejections else 0
        for rejection in rejections[:room]:
            session.publish(self._topic, encode(_rejected(rejection)))
        self.left_out += max(len(rejections) - room, 0)


def _rejected(rejection: Rejection) -> Rejected:
    message = rejection.message
    # a character takes up to four bytes: what is beyond cannot be shown anyway
    shown = message.payload[: 4 * _SHOWN_CHARACTERS].decode(errors="replace")[:_SHOWN_CHARACTERS]
    return Rejected(
        topic=message.topic,
        reason=rejection.reason,
        payload=shown,
        payload_bytes=len(message.payload),
        received=iso_of(message.received_ns),
    )
