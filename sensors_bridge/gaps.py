"""Readings that never arrived: holes in a device's sequence numbers."""

from dataclasses import dataclass, field
from typing import Final

from pdm_platform.contract.payloads import Telemetry
from sensors_bridge.decode import Rows

# A number this far below the last one is not a late reading: the device has begun to count anew.
_RESTART_BELOW: Final = 1_000
# How many single numbers are remembered per device as missing, so that a late one closes its hole.
_REMEMBERED: Final = 1_000


@dataclass(slots=True)
class _Track:
    """The numbers of one device: the last in sequence, and the holes that a late reading may still close."""

    last: int
    holes: set[int] = field(default_factory=set)

    def follow(self, number: int, *, redelivered: bool) -> int:
        """By how much this number changes the count of missing ones."""
        if number > self.last:
            missing = number - self.last - 1
            room = _REMEMBERED - len(self.holes)
            self.holes.update(range(max(self.last + 1, number - room), number))
            self.last = number
            return missing
        if number in self.holes:
            self.holes.discard(number)
            return -1
        if not redelivered and (number == 0 or number < self.last - _RESTART_BELOW):
            self.last = number
            self.holes.clear()
        return 0


class Gaps:
    """Counts missing `measurement_id`s per device since this process began. A late reading closes its hole."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, str], _Track] = {}
        self.missing: dict[str, int] = {}

    def observe(self, rows: Rows) -> dict[str, int]:
        """Follow one batch in its order of arrival. Returns by how much the count of each device changed."""
        changes: dict[str, int] = {}
        for payload, redelivered in zip(rows.payloads, rows.redelivered, strict=True):
            if not isinstance(payload, Telemetry) or payload.measurement_id is None:
                continue
            key = (rows.measurement.name, payload.device_id)
            track = self._tracks.get(key)
            if track is None:
                self._tracks[key] = _Track(payload.measurement_id)
            elif change := track.follow(payload.measurement_id, redelivered=redelivered):
                changes[payload.device_id] = changes.get(payload.device_id, 0) + change
        for device_id, change in changes.items():
            self.missing[device_id] = self.missing.get(device_id, 0) + change
        return changes
