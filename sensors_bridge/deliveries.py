"""Deliveries between their arrival and their acknowledgement, bounded in number and in bytes."""

import threading
from dataclasses import dataclass
from typing import Final

from pdm_platform.runtime.inbox import Inbox
from pdm_platform.runtime.mqtt import Message

# Payloads may be megabytes, so the number of messages alone does not bound the memory.
MAX_BYTES: Final = 64 * 1024 * 1024


@dataclass(slots=True)
class _Delivery:
    """What is known of one packet id: the message under way and its latest delivery, both None once it is settled."""

    fingerprint: int
    first: Message | None
    latest: Message | None


class Deliveries:
    """Takes a message once, however often the broker delivers it to this process.

    A broker delivers again, with the DUP flag and the same packet id, what is not acknowledged in time or was under
    way on a lost connection. A payload without a timestamp would become a second point, so it is recognised here.
    """

    def __init__(self, size: int, *, max_bytes: int = MAX_BYTES) -> None:
        self._inbox = Inbox(size)
        self._max_bytes = max_bytes
        self._bytes = 0
        self._known: dict[int, _Delivery] = {}
        self._settled_again: list[Message] = []
        self._changed = threading.Condition()
        self._closed = False
        self.repeats = 0

    def __len__(self) -> int:
        return len(self._inbox)

    def oldest_age_s(self) -> float:
        """How long the oldest waiting message has been here; 0 when none waits."""
        return self._inbox.oldest_age_s()

    def receive(self, message: Message) -> None:
        """Take one delivery; waits while there is no room. The network thread calls this."""
        with self._changed:
            if message.qos and self._is_here(message):
                return
            self._changed.wait_for(lambda: self._bytes < self._max_bytes or self._closed)
            self._bytes += len(message.payload)
        self._inbox.put(message)

    def _is_here(self, message: Message) -> bool:
        """Whether this is a redelivery of a message that is here or was settled; else it is from now on known."""
        fingerprint = hash((message.topic, message.payload))
        known = self._known.get(message.mid)
        if known is None or not message.dup or known.fingerprint != fingerprint:
            self._known[message.mid] = _Delivery(fingerprint, message, message)
            return False
        self.repeats += 1
        if known.first is None:
            self._settled_again.append(message)
        else:
            # the acknowledgement must go out on the connection of the latest delivery
            known.latest = message
        return True

    def take(self, max_size: int, max_wait_s: float, *, linger_s: float = 0.0) -> list[Message]:
        """All that waits, at most `max_size`; waits `max_wait_s` for a first one and `linger_s` for company."""
        batch = self._inbox.take(max_size, max_wait_s)
        if batch and len(batch) < max_size and linger_s and not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._closed, linger_s)
            batch += self._inbox.take(max_size - len(batch), 0.0)
        return batch

    def settle(self, batch: list[Message]) -> list[Message]:
        """The batch is safe: returns the deliveries to acknowledge, repeats of what was settled before included."""
        with self._changed:
            due = [self._settle(message) if message.qos else message for message in batch]
            due += self._settled_again
            self._settled_again = []
            self._bytes -= sum(len(message.payload) for message in batch)
            self._changed.notify_all()
        return due

    def _settle(self, message: Message) -> Message:
        known = self._known.get(message.mid)
        if known is None or known.first is not message:
            # the broker has given the packet id to another message since: this delivery's connection is gone
            return message
        latest = known.latest or message
        # the payload is let go; the fingerprint stays, because the acknowledgement may get lost on the way
        known.first = known.latest = None
        return latest

    def close(self) -> None:
        """Take no more; the network thread and the loop go on. What is not settled, the broker delivers again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._inbox.close()
