"""Readings without a time of their own that came again: were they stored before, under another receive time?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DEVICE, Window
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.stores.telemetry import TelemetryStore
from sensors_bridge.decode import Payload, Rows

# A broker delivers again soon after the bridge is back; looking further would read more than it is worth.
LOOK_BACK_NS: Final = NS_PER_HOUR
# With the values: a device that restarts counts from zero again within the hour.
_NUMBER: Final = "measurement_id"
_IDENTITY: Final = (DEVICE, _NUMBER, *CHANNEL_NAMES)


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows that remain, how many were dropped as known, and how many could not be told."""

    rows: Rows
    known: int
    undecidable: int


def drop_known(rows: Rows, store: TelemetryStore) -> Judged:
    """Drop doubtful readings whose device, sequence number and values are in the batch or in the store, within an hour.

    One without a sequence number cannot be told from a new one: it stays, and is counted. Raises StoreError.
    """
    numbered = [position for position in rows.doubtful if _number(rows.payloads[position]) is not None]
    undecidable = len(rows.doubtful) - len(numbered)
    if not numbered:
        return Judged(rows, 0, undecidable)
    certain = set(rows.untimed).difference(rows.doubtful)
    seen = _stored(rows, numbered, store).union(_identity(rows.payloads[position]) for position in certain)
    known = []
    for position in numbered:
        identity = _identity(rows.payloads[position])
        if identity in seen:
            known.append(position)
        seen.add(identity)
    return Judged(rows.without(known), len(known), undecidable)


def _stored(rows: Rows, positions: Sequence[int], store: TelemetryStore) -> set[tuple[Any, ...]]:
    times = [rows.times_ns[position] for position in positions]
    devices = sorted({rows.payloads[position].device_id for position in positions})
    # ahead as well: the clock may have been set back since, as by a restart of the machine
    window = Window(min(times) - LOOK_BACK_NS, max(times) + LOOK_BACK_NS)
    table = store.read(rows.measurement, window, devices=devices)
    highest = table.group_by(DEVICE).aggregate([(_NUMBER, "max")])
    found = dict(zip(highest[DEVICE].to_pylist(), highest[f"{_NUMBER}_max"].to_pylist(), strict=True))
    for device_id in devices:
        number = found.get(device_id)
        rows.learn(device_id, -1 if number is None else number)
    # an hour of a plant is millions of rows, of which a few are asked for
    asked = pa.array({_number(rows.payloads[position]) for position in positions}, pa.int64())
    table = table.filter(pc.is_in(table[_NUMBER], asked))
    return set(zip(*(table.column(name).to_pylist() for name in _IDENTITY), strict=True))


def _number(payload: Payload) -> int | None:
    return getattr(payload, _NUMBER, None)


def _identity(payload: Payload) -> tuple[Any, ...]:
    return tuple(getattr(payload, name) for name in _IDENTITY)
