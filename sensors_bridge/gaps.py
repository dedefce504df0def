"""Sequence numbers of each device: readings that never arrived, and those that may have come before."""

from dataclasses import dataclass, field
from itertools import islice
from typing import Final

# A number this far below the last one is not a late reading: the device has begun to count anew.
_RESTART_BELOW: Final = 1_000
# How many single numbers are remembered per device as missing, so that a late one closes its hole: the newest.
_REMEMBERED: Final = 1_000


@dataclass(slots=True)
class _Track:
    """The numbers of one device: the last in sequence, and the holes, oldest first, that a late one may still close."""

    last: int
    holes: dict[int, None] = field(default_factory=dict)

    def follow(self, number: int, *, redelivered: bool) -> int | None:
        """By how much this number changes the count of missing ones; None where it may have come before."""
        if number > self.last:
            missing = number - self.last - 1
            self.holes.update(dict.fromkeys(range(max(self.last + 1, number - _REMEMBERED), number)))
            for oldest in list(islice(self.holes, max(len(self.holes) - _REMEMBERED, 0))):
                del self.holes[oldest]
            self.last = number
            return missing
        if number in self.holes:
            del self.holes[number]
            return -1
        if not redelivered and (number == 0 or number < self.last - _RESTART_BELOW):
            self.last = number
            self.holes.clear()
        return None


class Gaps:
    """Counts missing `measurement_id`s per device since this process began. A late reading closes its hole."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, str], _Track] = {}
        self._changed: dict[str, int] = {}
        self.missing: dict[str, int] = {}

    def follow(self, stream: str, device_id: str, number: int, *, redelivered: bool) -> bool:
        """Follow a device's numbers in their order of arrival. Returns whether this one may have come before.

        stream: numbers of different streams of one device are apart, such as live and training data.
        """
        track = self._tracks.get((stream, device_id))
        if track is None:
            self._tracks[stream, device_id] = _Track(number)
            return False
        change = track.follow(number, redelivered=redelivered)
        if change:
            self.missing[device_id] = self.missing.get(device_id, 0) + change
            self._changed[device_id] = self._changed.get(device_id, 0) + change
        return change is None

    def changes(self) -> dict[str, int]:
        """By how much the count of each device changed since the last call."""
        changes, self._changed = self._changed, {}
        return changes
