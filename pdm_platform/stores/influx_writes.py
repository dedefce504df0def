"""Writing lines so that a bad one costs no other: what the server refuses is found by halving."""

import re
from collections.abc import Iterator
from typing import Final, Protocol

from pdm_platform.stores.influx_http import LinesRefusedError
from pdm_platform.stores.influx_lines import Lines

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
_DROPPED: Final = re.compile(r"dropped=(\d+)")


class LineWriter(Protocol):
    """The part of InfluxHttp that this module needs."""

    def write(self, bucket: str, lines: bytes) -> None:
        """Write in one request. Raises LinesRefusedError, StoreError."""


def write_lines(http: LineWriter, bucket: str, lines: Lines) -> dict[int, str]:
    """Write all lines that the server takes; the reason of each that it refuses, by the row that it came from.

    On return every other line was part of a request that succeeded, in their order. Raises StoreError, after which
    any of them may be stored: to write them all again is safe.
    """
    refused: dict[int, str] = {}
    for start, end in lines.cuts(MAX_BODY_BYTES):
        for line, reason in _write(http, bucket, lines, start, end):
            refused[int(lines.rows[line])] = reason
    return refused


def _write(http: LineWriter, bucket: str, lines: Lines, start: int, end: int) -> Iterator[tuple[int, str]]:
    """Write lines start to end; yields those that are refused.

    An answer names one culprit at most, and says nothing sure of the others: the server answers as soon as one of
    its shards has refused a line, whatever becomes of the rest. So both halves are written again, the first half
    first: of two lines for the same point the later one must stand.
    """
    try:
        http.write(bucket, lines.body(start, end))
    except LinesRefusedError as error:
        if end - start == 1 or _dropped(error.reason) == end - start:
            yield from ((line, error.reason) for line in range(start, end))
            return
        middle = (start + end) // 2
        yield from _write(http, bucket, lines, start, middle)
        yield from _write(http, bucket, lines, middle, end)


def _dropped(reason: str) -> int:
    """How many lines of the request the server says that it dropped; 0 where it does not say."""
    found = _DROPPED.search(reason)
    return int(found[1]) if found else 0
