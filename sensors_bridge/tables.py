"""From rows to Arrow tables, a column at a time."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final

import pyarrow as pa

from pdm_platform.contract.measurements import TIME
from pdm_platform.contract.times import time_ns_of
from sensors_bridge.decode import Payload, Rows

Column = Callable[[Sequence[Payload]], list[Any]]


def _attribute(path: str) -> Column:
    read = attrgetter(path)
    return lambda payloads: list(map(read, payloads))


def _converted(path: str, convert: Callable[[Any], Any]) -> Column:
    read = attrgetter(path)
    return lambda payloads: [None if (value := read(payload)) is None else convert(value) for payload in payloads]


# Columns whose value is not the payload's attribute of the same name.
_SPECIAL: Final[dict[str, Column]] = {
    "last_maintenance": _converted("last_maintenance", str),
    "p_healthy": _attribute("probabilities.HEALTHY"),
    "p_warning": _attribute("probabilities.WARNING"),
    "p_faulty": _attribute("probabilities.FAULTY"),
    "p_broken": _attribute("probabilities.BROKEN"),
    "active": _converted("active", int),
    "novel": _converted("novel", int),
    "provisional": _converted("provisional", int),
    "inference_time_ns": _converted("inference_timestamp", time_ns_of),
}


def to_table(rows: Rows) -> pa.Table:
    """The rows as a table of exactly the measurement's schema, in the order of arrival. A missing value is null."""
    schema = rows.measurement.schema
    columns = [
        pa.array(
            rows.times_ns if name == TIME else _SPECIAL.get(name, _attribute(name))(rows.payloads),
            schema.field(name).type,
        )
        for name in schema.names
    ]
    return pa.Table.from_arrays(columns, schema=schema)
