"""What every store does to the rows of a measurement: check them on the way in, order them on the way out."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pdm_platform.contract.errors import StoreError
from pdm_platform.contract.measurements import DEVICE, TIME, Measurement


def conform(measurement: Measurement, rows: pa.Table) -> pa.Table:
    """The rows in exactly the measurement's schema, whatever the order of the columns.

    Raises StoreError naming what is missing or unknown, what cannot be converted without loss, or a null key.
    """
    expected, given = measurement.schema.names, rows.column_names
    if sorted(expected) != sorted(given):
        missing = [name for name in expected if name not in given]
        unknown = [name for name in given if given.count(name) > 1 or name not in expected]
        raise StoreError(
            f"rows for {measurement.name}: columns missing {missing}, unknown or twice {unknown}",
            hint=f"{measurement.name} has the columns {expected}.",
        )
    try:
        return rows.select(expected).cast(measurement.schema)
    except (pa.ArrowException, ValueError) as error:
        raise StoreError(
            f"rows for {measurement.name}: {error}",
            hint="Tags and time may not be null; values must fit the column's type without loss.",
        ) from error


def ordered(measurement: Measurement, rows: pa.Table) -> pa.Table:
    """The rows by tags, then time, in the measurement's exact schema. Text is ordered by its UTF-8 bytes."""
    keys = [(name, "ascending") for name in (*measurement.tags, TIME)]
    return rows.select(measurement.schema.names).cast(measurement.schema).sort_by(keys)


def check_devices(measurement: Measurement, devices: Sequence[str] | None) -> None:
    """Raises StoreError where `devices` is given for a measurement whose points belong to no device."""
    if devices is not None and DEVICE not in measurement.tags:
        raise StoreError(f"{measurement.name} has no tag {DEVICE!r}, so it cannot be read by device")


def whole_devices(tables: Iterable[pa.Table], max_rows: int) -> Iterator[pa.Table]:
    """Rows that come ordered by device, cut anew: each table holds whole devices, several up to `max_rows` rows.

    A device that alone has more is a table of its own. No rows give no table.
    """
    group: list[pa.Table] = []
    for device in _by_device(tables):
        if group and _rows(group) + _rows(device) > max_rows:
            yield pa.concat_tables(group).combine_chunks()
            group = []
        group += device
    if group:
        yield pa.concat_tables(group).combine_chunks()


def _rows(tables: Sequence[pa.Table]) -> int:
    return sum(table.num_rows for table in tables)


def _by_device(tables: Iterable[pa.Table]) -> Iterator[list[pa.Table]]:
    """The slices that make up each device, one device after the other."""
    current: str | None = None
    slices: list[pa.Table] = []
    for table in tables:
        for part in _runs(table):
            device = part[DEVICE][0].as_py()
            if slices and device != current:
                yield slices
                slices = []
            current = device
            slices.append(part)
    if slices:
        yield slices


def _runs(table: pa.Table) -> Iterator[pa.Table]:
    """Consecutive rows of the same device."""
    if not table.num_rows:
        return
    devices = table[DEVICE]
    changes = pc.not_equal(devices.slice(1), devices.slice(0, len(devices) - 1))
    ends = np.append(np.flatnonzero(changes.to_numpy()) + 1, table.num_rows)
    start = 0
    for end in ends.tolist():
        yield table.slice(start, end - start)
        start = end
