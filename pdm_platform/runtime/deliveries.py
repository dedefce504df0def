"""Messages between their delivery and their acknowledgement: each is taken once, however often it is delivered."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from pdm_platform.runtime.mqtt import Message


class _Delivery(msgspec.Struct, gc=False):
    """What is known of one packet id: the message under way and its latest delivery, both None once it is settled."""

    fingerprint: int
    first: Message | None
    latest: Message | None


class Deliveries:
    """Tells new messages from redeliveries to this process, and which deliveries to acknowledge.

    A broker delivers again, with the DUP flag and the same packet id, what is not acknowledged in time or was under
    way on a lost connection. A payload without a timestamp would become a second point, so it is recognised here.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Delivery] = {}
        self._settled_again: list[Message] = []
        self._before: Counter[int] = Counter()
        self.repeats = 0

    def remember(self, settled: Iterable[Message]) -> None:
        """These were settled by a process before this one, whose acknowledgements may have got lost."""
        self._before.update(_fingerprint(message) for message in settled)

    def fresh(self, delivered: Iterable[Message]) -> list[Message]:
        """Those that are no redelivery of a message that is under way or settled."""
        return [message for message in delivered if not (message.qos and self._is_here(message))]

    def _is_here(self, message: Message) -> bool:
        """Whether this is a redelivery of a message that is here or was settled; else it is from now on known."""
        fingerprint = _fingerprint(message)
        if message.dup:
            known = self._known.get(message.mid)
            if known is not None and known.fingerprint == fingerprint:
                self.repeats += 1
                if known.first is None:
                    self._settled_again.append(message)
                else:
                    # the acknowledgement must go out on the connection of the latest delivery
                    known.latest = message
                return True
            if self._before[fingerprint]:
                # once for each that was settled: a stopped pump may send the same bytes again and again
                self._before[fingerprint] -= 1
                self._known[message.mid] = _Delivery(fingerprint, None, None)
                self.repeats += 1
                self._settled_again.append(message)
                return True
        self._known[message.mid] = _Delivery(fingerprint, message, message)
        return False

    def settle(self, batch: Iterable[Message]) -> list[Message]:
        """The batch is safe: returns the deliveries to acknowledge, repeats of what was settled before included."""
        due = [self._settle(message) if message.qos else message for message in batch]
        due += self._settled_again
        self._settled_again = []
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


def _fingerprint(message: Message) -> int:
    return hash((message.topic, message.payload))
