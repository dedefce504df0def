"""Readings without a time of their own that came again: were they stored before, under another receive time?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DEVICE, Window
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S
from pdm_platform.stores.telemetry import TelemetryStore
from sensors_bridge.decode import Payload, Rows
from sensors_bridge.gaps import RESTART_BELOW

# A broker delivers again soon after the bridge is back; looking further would read more than it is worth.
LOOK_BACK_NS: Final = NS_PER_HOUR
# Read at once, over all devices asked for: 300,000 rows of devices that send once a second.
_AT_ONCE_NS: Final = 300_000 * NS_PER_S
# With the values: a device that restarts counts from zero again within the hour.
_NUMBER: Final = "measurement_id"
_IDENTITY: Final = (DEVICE, _NUMBER, *CHANNEL_NAMES)


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows that remain, how many were dropped as known, and how many could not be told."""

    rows: Rows
    known: int
    undecidable: int


def drop_known(rows: Rows, store: TelemetryStore, alive: Callable[[], None] = lambda: None) -> Judged:
    """Drop doubtful readings whose device, sequence number and values are in the batch or in the store, within an hour.

    One without a sequence number cannot be told from a new one: it stays, and is counted. alive: called time and again
    while the store is read. Raises StoreError.
    """
    numbered = [position for position in rows.doubtful if _number(rows.payloads[position]) is not None]
    undecidable = len(rows.doubtful) - len(numbered)
    if not numbered:
        return Judged(rows, 0, undecidable)
    certain = set(rows.untimed).difference(rows.doubtful)
    seen = _stored(rows, numbered, store, alive).union(_identity(rows.payloads[position]) for position in certain)
    known = []
    for position in numbered:
        identity = _identity(rows.payloads[position])
        if identity in seen:
            known.append(position)
        seen.add(identity)
    return Judged(rows.without(known), len(known), undecidable)


def _stored(
    rows: Rows, positions: Sequence[int], store: TelemetryStore, alive: Callable[[], None]
) -> set[tuple[Any, ...]]:
    times = [rows.times_ns[position] for position in positions]
    devices = sorted({rows.payloads[position].device_id for position in positions})
    # ahead as well: the clock may have been set back since, as by a restart of the machine
    window = Window(min(times) - LOOK_BACK_NS, max(times) + LOOK_BACK_NS)
    asked = pa.array({_number(rows.payloads[position]) for position in positions}, pa.int64())
    seen: set[tuple[Any, ...]] = set()
    reached = _Reached()
    for part in _newest_first(window, len(devices)):
        alive()
        table = store.read(rows.measurement, part, devices=devices)
        reached.look(table)
        table = table.filter(pc.is_in(table[_NUMBER], asked))
        seen.update(zip(*(table.column(name).to_pylist() for name in _IDENTITY), strict=True))
    for device_id in devices:
        rows.learn(device_id, reached.highest.get(device_id, -1))
    return seen


def _newest_first(window: Window, devices: int) -> Iterator[Window]:
    """The window in parts: two hours of a plant are millions of rows, of which a few are asked for."""
    step_ns = max(_AT_ONCE_NS // devices, NS_PER_S)
    for end_ns in range(window.end_ns, window.start_ns, -step_ns):
        yield Window(max(end_ns - step_ns, window.start_ns), end_ns)


class _Reached:
    """How far each device's numbers came: the highest that is not far above the newest one.

    Not the highest of all, as a device that was restarted counts anew; nor the newest, as a late one may be that.
    """

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self.highest: dict[str, int] = {}

    def look(self, table: pa.Table) -> None:
        """table: points by device, then time, none newer than in the tables before."""
        numbered = table.filter(pc.is_valid(table[_NUMBER]))
        self._newest = dict(_each(numbered, "last")) | self._newest
        places = pc.index_in(numbered[DEVICE], pa.array(self._newest, pa.string()))
        newest = pc.take(pa.array(self._newest.values(), pa.int64()), places)
        # not the newest plus: the highest number that there is must not overflow
        near = numbered.filter(pc.less_equal(pc.subtract(numbered[_NUMBER], RESTART_BELOW), newest))
        for device_id, number in _each(near, "max"):
            self.highest[device_id] = max(number, self.highest.get(device_id, number))


def _each(table: pa.Table, which: str) -> Iterator[tuple[str, int]]:
    """Of each device the number that an aggregate function of Arrow picks."""
    # on one thread: on several there is no first or last
    picked = table.group_by(DEVICE, use_threads=False).aggregate([(_NUMBER, which)])
    return zip(picked[DEVICE].to_pylist(), picked[f"{_NUMBER}_{which}"].to_pylist(), strict=True)


def _number(payload: Payload) -> int | None:
    return getattr(payload, _NUMBER, None)


def _identity(payload: Payload) -> tuple[Any, ...]:
    return tuple(getattr(payload, name) for name in _IDENTITY)
