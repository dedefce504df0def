"""From Arrow tables to line protocol, a column at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pdm_platform.contract.measurements import TIME, Measurement

PRESENT: Final = "present"
_TAG_SPECIALS: Final = (",", "=", " ")


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one table, each with its line end.

    rows: the row of the table that each line came from, ascending, shape (n,).
    refused: row and reason of each row that line protocol cannot carry; such a row has no line.
    """

    rows: npt.NDArray[np.int64]
    refused: dict[int, str]
    _text: memoryview
    _ends: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def body(self, start: int, end: int) -> bytes:
        """The text of lines start to end, the latter left out."""
        return bytes(self._text[self._ends[start] : self._ends[end]])

    def cuts(self, max_bytes: int) -> Iterator[tuple[int, int]]:
        """Consecutive ranges of lines, each of at most `max_bytes` or of one line."""
        start, count = 0, len(self)
        while start < count:
            fits = int(np.searchsorted(self._ends, self._ends[start] + max_bytes, side="right")) - 1
            end = min(max(fits, start + 1), count)
            yield start, end
            start = end


def to_lines(measurement: Measurement, rows: pa.Table) -> Lines:
    """Line protocol of rows in the measurement's schema: times in ns, ints with `i`, null and NaN left out.

    `present` says which fields a point has (bit i: the i-th of `measurement.fields`): InfluxDB merges the fields of
    a point that is written again, has no point without a field, and does not tell '' from null when asked for CSV.
    """
    refused = _refused(measurement, rows)
    kept = np.setdiff1d(np.arange(rows.num_rows), list(refused)) if refused else np.arange(rows.num_rows)
    if refused:
        rows = rows.take(pa.array(kept))
    rows = rows.combine_chunks()
    times = pc.binary_join_element_wise(pc.cast(_column(rows, TIME), pa.large_string()), _large("\n"), _large(""))
    text = pc.binary_join_element_wise(_series(measurement, rows), _fields(measurement, rows), times, _large(" "))
    return Lines(kept, refused, *_content(text))


def _large(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


def _column(rows: pa.Table, name: str) -> pa.Array:
    chunks = rows.column(name).chunks
    return chunks[0] if chunks else pa.array([], rows.schema.field(name).type)


def _content(text: pa.Array) -> tuple[memoryview, npt.NDArray[np.int64]]:
    """The text of all elements, which lie one behind the other, and where each begins; the last entry is the end."""
    _validity, offsets, data = text.buffers()
    ends = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
    return memoryview(data if data is not None else b""), ends


def _series(measurement: Measurement, rows: pa.Table) -> pa.Array:
    """`measurement,tag=value,…`; an empty tag is left out, as line protocol has none."""
    parts: list[pa.Array] = [pa.repeat(_large(measurement.name), rows.num_rows)]
    for tag in sorted(measurement.tags):
        values = pc.cast(_column(rows, tag), pa.large_string())
        named = pc.binary_join_element_wise(_large(tag), _escaped_tag(values), _large("="))
        parts.append(pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.large_string()), named))
    return pc.binary_join_element_wise(*parts, _large(","), null_handling="skip")


def _escaped_tag(values: pa.Array) -> pa.Array:
    for special in _TAG_SPECIALS:
        values = pc.replace_substring(values, special, "\\" + special)
    return values


def _fields(measurement: Measurement, rows: pa.Table) -> pa.Array:
    parts, mask = [], np.zeros(rows.num_rows, np.int64)
    for bit, name in enumerate(measurement.fields):
        column = _column(rows, name)
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        valid = pc.is_valid(column).to_numpy(zero_copy_only=False)
        if valid.any():
            mask |= valid.astype(np.int64) << bit
            parts.append(_field(name, column))
    parts.append(_field(PRESENT, pa.array(mask)))
    return pc.binary_join_element_wise(*parts, _large(","), null_handling="skip")


def _field(name: str, column: pa.Array) -> pa.Array:
    values = pc.cast(column, pa.large_string())
    if pa.types.is_floating(column.type):
        return pc.binary_join_element_wise(_large(f"{name}="), values, _large(""))
    if pa.types.is_integer(column.type):
        return pc.binary_join_element_wise(_large(f"{name}="), values, _large("i"), _large(""))
    escaped = pc.replace_substring(pc.replace_substring(values, "\\", "\\\\"), '"', '\\"')
    return pc.binary_join_element_wise(_large(f'{name}="'), escaped, _large('"'), _large(""))


def _refused(measurement: Measurement, rows: pa.Table) -> dict[int, str]:
    """Rows that cannot be written as a line, with the reason."""
    refused: dict[int, str] = {}
    for tag in measurement.tags:
        bad = pc.match_substring_regex(rows.column(tag), r"[\n]|\\\z")
        for row in np.flatnonzero(bad.to_numpy()):
            value = rows.column(tag)[int(row)].as_py()
            refused[int(row)] = f"tag {tag} {value!r}: line protocol carries no line end and no backslash at the end"
    for name in measurement.fields:
        if pa.types.is_floating(rows.schema.field(name).type):
            bad = pc.fill_null(pc.is_inf(rows.column(name)), False)
            for row in np.flatnonzero(bad.to_numpy()):
                refused.setdefault(int(row), f"field {name} is infinite: InfluxDB has no such number")
    return refused
