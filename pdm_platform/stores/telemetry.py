"""The time-series store: Arrow tables in and out. Which implementation it is follows from its URL alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from pdm_platform.contract.errors import SettingsError
from pdm_platform.contract.measurements import Measurement, Window
from pdm_platform.stores.sqlite import SqliteStore


class TelemetryStore(Protocol):
    """Points of event time. Tags and time are a point's key: the same point written twice is one point.

    One store may be used by several threads, and one address by several processes at once.
    """

    def write(self, measurement: Measurement, rows: pa.Table) -> None:
        """Insert or replace points; on return they are on disk. Within one call the last of equal keys stays.

        rows: the measurement's columns in any order; NaN is stored as null. All rows are stored or none.
        Raises StoreError naming what is wrong with the rows or the store.
        """

    def read(self, measurement: Measurement, window: Window, *, devices: Sequence[str] | None = None) -> pa.Table:
        """Points with start_ns <= time_ns < end_ns in exactly `measurement.schema`, by tags, then time.

        devices: only these (an empty sequence gives no rows); None is all. Raises StoreError.
        """

    def count(self, measurement: Measurement, window: Window, *, devices: Sequence[str] | None = None) -> int:
        """How many points `read` would return. Raises StoreError."""

    def close(self) -> None:
        """Release the store; may be called twice. Any other call after it raises StoreError."""


def open_store(url: str) -> TelemetryStore:
    """Open the store at `url`: `sqlite:///folder/file` (relative) or `sqlite:////folder/file` (absolute).

    Raises SettingsError for a scheme that is not known or a URL without a path; StoreError where it cannot be opened.
    """
    scheme, separator, rest = url.partition("://")
    opener = _OPENERS.get(scheme)
    if not separator or opener is None:
        raise SettingsError(
            f"store URL {url!r} has the unknown scheme {scheme!r}; known: {', '.join(_OPENERS)}",
            hint="Set PDM_STORE_URL, for example to sqlite:///var/dev/store/telemetry.sqlite",
        )
    return opener(rest)


def _open_sqlite(rest: str) -> TelemetryStore:
    # taken literally, not percent-decoded: a folder may well have '#', '?' or '%' in its name
    host, slash, path = rest.partition("/")
    if host or not slash or not path:
        raise SettingsError(
            f"store URL 'sqlite://{rest}' must be sqlite:/// followed by the path of a file",
            hint="An absolute path has four slashes: sqlite:////srv/pdm/telemetry.sqlite",
        )
    return SqliteStore(Path(path))


_OPENERS: dict[str, Callable[[str], TelemetryStore]] = {"sqlite": _open_sqlite}
