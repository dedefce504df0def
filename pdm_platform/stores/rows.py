"""What every store does to the rows of a measurement: check them on the way in, order them on the way out."""

from collections.abc import Sequence

import pyarrow as pa

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
