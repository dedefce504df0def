"""The time-series store: Arrow tables in and out. Which implementation it is follows from its URL alone."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import pyarrow as pa

from pdm_platform.contract.measurements import Measurement, Window
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.runtime.store_address import SqliteAddress, parse_store_url
from pdm_platform.stores.sqlite import SqliteStore


class TelemetryStore(Protocol):
    """Points of event time. Tags and time are a point's key: the same point written twice is one point.

    One store may be used by several threads, and one address by several processes at once.
    """

    def write(self, measurement: Measurement, rows: pa.Table) -> None:
        """Insert or replace points; on return they are on disk. Within one call the last of equal keys stays.

        rows: the measurement's columns in any order; NaN is stored as null. Rows that do not fit the measurement
        are refused whole, before any is stored. Raises StoreError naming what is wrong with the rows or the store;
        then any of the rows may be stored, in a store with transactions (SQLite) none, and to write them all again
        is safe. While a call is under way, a reader may see part of its rows, in a store with transactions none.
        Raises RowsRefusedError, naming each row and the store's reason, where the store will never take some rows;
        then all others are stored.
        """

    def read(self, measurement: Measurement, window: Window, *, devices: Sequence[str] | None = None) -> pa.Table:
        """Points with start_ns <= time_ns < end_ns in exactly `measurement.schema`, by tags, then time.

        devices: only these (an empty sequence gives no rows); None is all. Raises StoreError.
        """

    def read_by_device(self, measurement: Measurement, window: Window, *, max_rows: int) -> Iterator[pa.Table]:
        """What `read` returns, in the same order, in tables that may follow each other through little memory.

        Each holds all points of some devices: `max_rows` at most, or those of one device that has more; none is empty.
        The store may be used while the tables are taken; whether points written meanwhile are among them is open.
        Raises StoreError, with the first table or a later one, also where points belong to no device.
        """

    def count(self, measurement: Measurement, window: Window, *, devices: Sequence[str] | None = None) -> int:
        """How many points `read` would return. Raises StoreError."""

    def close(self) -> None:
        """Release the store; may be called twice. Any other call after it raises StoreError."""


def open_store(url: str, *, token: str = "", token_from: str = "") -> TelemetryStore:
    """Open the store at `url`; see `parse_store_url` for its forms.

    token: what InfluxDB asks for. token_from: where it comes from, for messages about it.
    Raises SettingsError for a URL that cannot be used and a token that is missing; StoreError where the store cannot
    be opened.
    """
    address = parse_store_url(url)
    if isinstance(address, SqliteAddress):
        return SqliteStore(address.path)
    # imported here: the embedded store must not wait 0.3 s for a client that it does not use
    from pdm_platform.stores.influx import InfluxStore

    return InfluxStore(address, token, token_from)


def open_platform_store(platform: PlatformSettings) -> TelemetryStore:
    """Open the store of the settings, with their token. Raises SettingsError, StoreError."""
    return open_store(platform.resolved_store_url, token=platform.token(), token_from=platform.token_from)
