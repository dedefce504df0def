"""Sequence numbers of each device: readings that never arrived, and those that may have come before."""

from dataclasses import dataclass, field
from typing import Final

# A number this far below the last one is not a late reading: the device has begun to count anew.
RESTART_BELOW: Final = 1_000
# Holes that are remembered per device, so that a late reading closes its own: the newest.
_REMEMBERED: Final = 100


@dataclass(slots=True)
class _Track:
    """The numbers of one device: the last in sequence, and the holes, oldest first, that a late one may still close.

    stored_to: up to this number an earlier process may have stored them; None until the store was asked. again_to: how
    far they had come when the device began to count anew, if it did. newest_ns: of their timestamps.
    """

    last: int
    newest_ns: int = 0
    holes: list[range] = field(default_factory=list)
    stored_to: int | None = None
    again_to: int = -1

    def may_be_stored(self, number: int) -> bool:
        """Whether it may have been stored before: what a client sends again is not far below the last."""
        if self.stored_to is None:
            return True
        return 0 <= self.stored_to - number <= RESTART_BELOW or 0 <= self.again_to - number <= RESTART_BELOW

    def follow(self, number: int, *, redelivered: bool) -> int | None:
        """By how much this number changes the count of missing ones; None where it may have come before."""
        if number > self.last:
            hole = range(self.last + 1, number)
            self.last = number
            if hole:
                # as a range: a client that numbers all its devices together leaves a hole before every reading
                self.holes.append(hole)
                del self.holes[:-_REMEMBERED]
            return len(hole)
        for place, hole in enumerate(self.holes):
            if number in hole:
                parts = range(hole.start, number), range(number + 1, hole.stop)
                self.holes[place : place + 1] = [part for part in parts if part]
                # one number that is far off makes a hole that all later ones split
                del self.holes[:-_REMEMBERED]
                return -1
        if not redelivered and (number == 0 or number < self.last - RESTART_BELOW):
            self._begin_anew(number)
        return None

    def _begin_anew(self, number: int) -> None:
        if self.last <= RESTART_BELOW:
            # a client that sends its very first readings again looks like one that counts anew
            self.again_to = max(self.again_to, self.last)
        else:
            self.again_to = -1
            self.stored_to = None if self.stored_to is None else -1
        self.last = number
        self.holes.clear()


class Gaps:
    """Counts missing `measurement_id`s per device since this process began. A late reading closes its hole."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, str], _Track] = {}
        self._changed: dict[str, int] = {}
        self.missing: dict[str, int] = {}

    def follow(
        self, stream: str, device_id: str, number: int, *, redelivered: bool, time_ns: int | None = None
    ) -> bool:
        """Follow a device's numbers in their order of arrival. Returns whether this one may have come before.

        stream: numbers of different streams of one device are apart, such as live and training data.
        A client that did not hear of the broker's receipt sends again, also what an earlier process stored: so all of a
        device's may, until `learn` tells how far that came.
        """
        track = self._tracks.get((stream, device_id))
        if track is None:
            self._tracks[stream, device_id] = _Track(number, time_ns or 0)
            return True
        before = track.may_be_stored(number)
        # one from the past, such as out of quarantine, does not begin to count anew, however low its number
        late = time_ns is not None and time_ns < track.newest_ns
        track.newest_ns = max(track.newest_ns, time_ns or 0)
        change = track.follow(number, redelivered=redelivered or late)
        if change:
            self.missing[device_id] = self.missing.get(device_id, 0) + change
            self._changed[device_id] = self._changed.get(device_id, 0) + change
        return change is None or before

    def learn(self, stream: str, device_id: str, stored_to: int) -> None:
        """The store was asked: it lately took this device's numbers up to this one; -1 where it took none."""
        track = self._tracks.get((stream, device_id))
        if track is not None and track.stored_to is None:
            track.stored_to = stored_to

    def changes(self) -> dict[str, int]:
        """By how much the count of each device changed since the last call."""
        changes, self._changed = self._changed, {}
        return changes
