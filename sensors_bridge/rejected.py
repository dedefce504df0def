"""Tells on the broker what went to quarantine, so that a device's developer sees why nothing arrives."""

import threading
from collections.abc import Sequence
from typing import Final, Protocol

from pdm_platform.contract.payloads import Rejected, encode
from pdm_platform.contract.times import iso_of
from sensors_bridge.decode import Rejection

MAX_UNACKNOWLEDGED: Final = 10_000
_SHOWN_CHARACTERS: Final = 2_000


class Publisher(Protocol):
    """The part of the link that this module needs."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Hand one message over."""
        ...


class Announcer:
    """Publishes rejections without ever waiting: the network thread may itself wait for the loop that calls this.

    Beyond MAX_UNACKNOWLEDGED under way the rest is left out and counted. The record on the disk is complete.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._lock = threading.Lock()
        self._under_way = 0
        self.left_out = 0

    def announce(self, link: Publisher, rejections: Sequence[Rejection]) -> None:
        """Publish one message for each rejection."""
        for rejection in rejections:
            with self._lock:
                if self._under_way >= MAX_UNACKNOWLEDGED:
                    self.left_out += 1
                    continue
                self._under_way += 1
            link.publish(self._topic, encode(_rejected(rejection)))

    def published(self, _mid: int) -> None:
        """The broker has acknowledged one. The network thread calls this."""
        with self._lock:
            self._under_way -= 1


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
