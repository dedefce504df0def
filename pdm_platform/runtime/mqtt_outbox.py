"""What was published and the broker has not answered yet."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from pdm_platform.runtime.mqtt_packets import MAX_PACKET_ID


class Publication(NamedTuple):
    """A message at QoS 1."""

    topic: str
    payload: bytes
    retain: bool


class Outbox:
    """Publications by packet id, in their order, until they are answered."""

    def __init__(self) -> None:
        self._unanswered: dict[int, Publication] = {}
        self._order: deque[int] = deque()
        self._last_id = 0
        self._answered = 0
        self.published = 0

    def __len__(self) -> int:
        return len(self._unanswered)

    def __iter__(self) -> Iterator[tuple[int, Publication]]:
        """All that is unanswered, oldest first, with the packet ids."""
        return iter(self._unanswered.items())

    def topic_of(self, packet_id: int) -> str:
        """Where a publication goes; empty where nothing under way has this id."""
        found = self._unanswered.get(packet_id)
        return found.topic if found else ""

    def next_id(self) -> int:
        """A packet id that nothing under way has."""
        packet_id = self._last_id % MAX_PACKET_ID + 1
        while packet_id in self._unanswered:
            packet_id = packet_id % MAX_PACKET_ID + 1
        self._last_id = packet_id
        return packet_id

    def add(self, publication: Publication) -> int:
        """Take one in; returns its packet id."""
        packet_id = self.next_id()
        self._unanswered[packet_id] = publication
        self._order.append(packet_id)
        self.published += 1
        return packet_id

    def settle(self, packet_id: int) -> None:
        """The broker has it. An answer to what nobody published is left aside."""
        self._unanswered.pop(packet_id, None)

    @property
    def answered(self) -> int:
        """So many of the first published are answered, all of them."""
        order, unanswered = self._order, self._unanswered
        while order and order[0] not in unanswered:
            order.popleft()
            self._answered += 1
        return self._answered
