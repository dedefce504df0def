"""What is asked of InfluxDB to read points: InfluxQL, in which no value from outside is ever part of the text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from pdm_platform.contract.errors import StoreError
from pdm_platform.contract.measurements import DEVICE, Measurement, Window
from pdm_platform.stores.influx_http import InfluxHttp
from pdm_platform.stores.influx_lines import PRESENT

# One condition with a pattern of 1,000 names takes 0.02 s, 1,000 conditions with one each 0.5 s, and 3,000 4 s.
DEVICES_A_QUERY: Final = 1_000
_BINS: Final = 64
# InfluxDB's own bounds of time
_FIRST_NS: Final = -(2**63) + 2
_END_NS: Final = 2**63 - 1
_TYPES: Final = {pa.string(): "string", pa.int64(): "integer", pa.float64(): "float"}
_NUMBERS: Final = frozenset({"integer", "float"})


@dataclass(frozen=True, slots=True)
class Column:
    """A field as it is asked for.

    twice: other clients wrote it with another type of number, so it is asked for as integer and as float.
    """

    name: str
    kind: pa.DataType
    twice: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its columns in the answer."""
        return (as_integer(self.name), as_float(self.name)) if self.twice else (self.name,)

    @property
    def expression(self) -> str:
        """Its part of the SELECT."""
        if not self.twice:
            return f'"{self.name}"::{_TYPES[self.kind]}'
        return f'"{self.name}"::integer AS "{as_integer(self.name)}","{self.name}"::float AS "{as_float(self.name)}"'


def as_integer(name: str) -> str:
    """Name of the column that holds field `name` as integers."""
    return f"{name}::integer"


def as_float(name: str) -> str:
    """Name of the column that holds field `name` as floats."""
    return f"{name}::float"


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a window, with the points that it had when it was counted."""

    window: Window
    points: int


@dataclass(frozen=True, slots=True)
class Selection:
    """The points of one measurement, of some devices or of all (None)."""

    http: InfluxHttp
    bucket: str
    measurement: Measurement
    devices: tuple[str, ...] | None

    def columns(self) -> list[Column]:
        """The measurement's fields that the bucket has ever held, in their order. Raises StoreError."""
        [rows] = self.http.ask(self.bucket, f"SHOW FIELD KEYS FROM {self._source}")
        held: dict[str, set[str]] = {}
        for row in rows:
            held.setdefault(row["fieldKey"], set()).add(row["fieldType"])
        schema = self.measurement.schema
        found = (_column(name, schema.field(name).type, held.get(name, set())) for name in self.measurement.fields)
        return [column for column in found if column is not None]

    def count(self, window: Window) -> int:
        """How many points there are. Raises StoreError."""
        [rows] = self._ask(f'SELECT count("{PRESENT}") FROM {self._source} WHERE {self._where(window)}')
        return int(rows[0]["count"]) if rows else 0

    def count_by_device(self, window: Window) -> dict[str, int]:
        """How many points each device has; those without any are left out. Raises StoreError."""
        query = f'SELECT count("{PRESENT}") FROM {self._source} WHERE {self._where(window)} GROUP BY "{DEVICE}"'
        [rows] = self._ask(query)
        return {str(row[DEVICE]): int(row["count"]) for row in rows}

    def spans(self, window: Window, max_points: int) -> list[Span]:
        """The window cut into consecutive spans of about `max_points` at most; none where there is no point."""
        asked = f'("{PRESENT}") FROM {self._source} WHERE {self._where(window)}'
        count, first, last = self._ask(f"SELECT count{asked};SELECT first{asked};SELECT last{asked}")
        if not count:
            return []
        found = Window(int(first[0]["time"]), int(last[0]["time"]) + 1)
        return list(self._cut(Span(found, int(count[0]["count"])), max_points))

    def select(self, window: Window, columns: Sequence[Column]) -> tuple[str, dict[str, object]]:
        """The statement and the parameters that read a window: tags, `present` and `columns`, by tags, then time."""
        tags = ",".join(f'"{tag}"' for tag in self.measurement.tags)
        # The answer's own `tags` is no help: in it nothing tells a comma of a tag from one between two tags.
        parts = [f'"{tag}"::tag' for tag in self.measurement.tags]
        parts += [f'"{PRESENT}"::integer', *(column.expression for column in columns)]
        # By series: with 2,000 devices the server takes half the time that it takes to merge them by time.
        text = f"SELECT {','.join(parts)} FROM {self._source} WHERE {self._where(window)} GROUP BY {tags}"
        return text, self._params()

    def _cut(self, span: Span, max_points: int) -> Iterator[Span]:
        start, end = span.window.start_ns, span.window.end_ns
        if span.points <= max_points or end - start <= 1:
            yield span
            return
        width = -(-(end - start) // _BINS)
        [bins] = self._ask(
            f'SELECT count("{PRESENT}") FROM {self._source} WHERE {self._where(span.window)}'
            f" GROUP BY time({width}ns,{start % width}ns) fill(none)"
        )
        at, points = start, 0
        for begin, held in ((int(row["time"]), int(row["count"])) for row in bins):
            if points and points + held > max_points:
                yield Span(Window(at, begin), points)
                at, points = begin, 0
            if held > max_points:
                yield from self._cut(Span(Window(begin, min(begin + width, end)), held), max_points)
                at = min(begin + width, end)
            else:
                points += held
        if points:
            yield Span(Window(at, end), points)

    @property
    def _source(self) -> str:
        return f'"{self.measurement.name}"'

    def _where(self, window: Window) -> str:
        start, end = max(window.start_ns, _FIRST_NS), min(window.end_ns, _END_NS)
        condition = f"time >= {start} AND time < {end}"
        return condition if self.devices is None else f'{condition} AND "{DEVICE}" =~ $devices'

    def _params(self) -> dict[str, object]:
        if self.devices is None:
            return {}
        return {"devices": {"regex": f"^(?:{'|'.join(map(re.escape, self.devices))})$"}}

    def _ask(self, query: str) -> list[list[dict[str, Any]]]:
        return self.http.ask(self.bucket, query, **self._params())


def selections(
    http: InfluxHttp, bucket: str, measurement: Measurement, devices: Sequence[str] | None
) -> list[Selection]:
    """What to ask for these devices, several at a time; an empty sequence of devices gives nothing to ask."""
    if devices is None:
        return [Selection(http, bucket, measurement, None)]
    known = sorted(set(devices))
    return [
        Selection(http, bucket, measurement, tuple(known[first : first + DEVICES_A_QUERY]))
        for first in range(0, len(known), DEVICES_A_QUERY)
    ]


def _column(name: str, kind: pa.DataType, held: set[str]) -> Column | None:
    """How to ask for a field that the bucket holds with these types; None where it holds none that fits."""
    expected = _TYPES[kind]
    if expected in _NUMBERS and (held & _NUMBERS) - {expected}:
        return Column(name, kind, twice=True)
    if expected in held:
        return Column(name, kind)
    if held:
        raise StoreError(
            f"field {name} is {' and '.join(sorted(held))} in the bucket, not {expected}: another client wrote it",
            hint="Write it elsewhere, and delete what was written by mistake.",
        )
    return None
