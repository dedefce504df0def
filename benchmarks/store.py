"""How fast the embedded store takes and gives readings, beside its bare driver; InfluxDB is in `store_influx`."""

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import pyarrow as pa
from adbc_driver_sqlite import dbapi

from benchmarks.bench import Bench, Measured, say
from benchmarks.figures import Figure, UnavailableError
from benchmarks.store_extract import START_NS, STEP_NS, batches
from benchmarks.store_influx import measure_influx
from pdm_platform.contract.measurements import PUMP_TELEMETRY, TIME, Window
from pdm_platform.stores.sqlite import SqliteStore
from pdm_platform.stores.telemetry import TelemetryStore

NAMES: Final = ("store_write", "store_extract", "store_write_influxdb", "store_extract_influxdb")
DEVICES: Final = 1_000
BATCH: Final = 5_000
_COLUMNS: Final = ",".join(f'"{name}"' for name in PUMP_TELEMETRY.schema.names)
_PLACES: Final = ",".join("?" * len(PUMP_TELEMETRY.schema))
# as the store has them: a driver that does not sync would be no reference
_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000")


def measure(bench: Bench) -> Measured:
    """SQLite beside its driver, InfluxDB beside curl."""
    found: dict[str, Figure | str] = {**_measure_sqlite(bench)}
    try:
        found.update(measure_influx(bench, tables(bench.work.rows)))
    except UnavailableError as error:
        found.update(dict.fromkeys(NAMES[2:], str(error)))
    return found


def tables(rows: int) -> list[pa.Table]:
    """Readings of 1,000 pumps, in the bridge's batches."""
    return list(batches(rows, DEVICES, BATCH))


def later(parts: list[pa.Table], turn: int) -> Iterator[pa.Table]:
    """The same readings, but of a later time: other points."""
    rows = sum(len(part) for part in parts)
    shift_ns = turn * STEP_NS * -(-rows // DEVICES)
    place = PUMP_TELEMETRY.schema.get_field_index(TIME)
    for part in parts:
        times = pa.array(part.column(TIME).to_numpy() + shift_ns)
        yield part.set_column(place, PUMP_TELEMETRY.schema.field(TIME), times)


def window_of(rows: int) -> Window:
    """Of the points of turn 0."""
    return Window(START_NS, START_NS + STEP_NS * -(-rows // DEVICES))


def _measure_sqlite(bench: Bench) -> dict[str, Figure]:
    rows = bench.work.rows
    say(f"store: SQLite and its bare driver, {rows:,} rows in batches of {BATCH:,}")
    parts = tables(rows)
    with bench.scratch() as folder:
        paths = {name: folder / f"{name}.sqlite" for name in ("store", "driver")}
        with closing(SqliteStore(paths["store"])) as store, closing(_bare(paths["driver"])) as driver:
            turns = {name: count() for name in paths}
            found = bench.in_turns(
                {
                    "driver writes": lambda: write_hz(partial(_insert, driver), later(parts, next(turns["driver"]))),
                    "store writes": lambda: write_hz(
                        partial(store.write, PUMP_TELEMETRY), later(parts, next(turns["store"]))
                    ),
                    "driver reads": lambda: read_hz(partial(_select, driver, window_of(rows)), rows),
                    "store reads": lambda: extract_hz(store, rows),
                }
            )
    what = f"{rows:,} readings of {DEVICES:,} pumps, SQLite"
    return {
        "store_write": Figure(
            "rows/s",
            "higher",
            f"{what}, in batches of {BATCH:,}, each synced to the disk",
            "the bare ADBC driver with the same table, pragmas and batches",
            found["store writes"],
            found["driver writes"],
        ),
        "store_extract": Figure(
            "rows/s",
            "higher",
            f"{what}, into one Arrow table, checked and ordered by pump and time",
            "the bare ADBC driver fetching the same rows as they lie",
            found["store reads"],
            found["driver reads"],
        ),
    }


def write_hz(write: "partial[None]", parts: Iterator[pa.Table]) -> float:
    """Rows a second, without the time that it takes to make them."""
    rows, seconds = 0, 0.0
    for part in parts:
        began_s = time.perf_counter()
        write(part)
        seconds += time.perf_counter() - began_s
        rows += len(part)
    return rows / seconds


def extract_hz(store: TelemetryStore, rows: int) -> float:
    """Rows a second into one table."""
    return read_hz(partial(store.read, PUMP_TELEMETRY, window_of(rows)), rows)


def read_hz(read: "partial[pa.Table]", rows: int) -> float:
    """Rows a second; all must come."""
    began_s = time.perf_counter()
    found = read()
    seconds = time.perf_counter() - began_s
    assert len(found) == rows
    return rows / seconds


def _bare(path: Path) -> dbapi.Connection:
    SqliteStore(path).close()  # which makes the table
    connection = dbapi.connect(str(path), autocommit=True)
    with connection.cursor() as cursor:
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
            cursor.fetch_arrow_table()
    return connection


def _insert(connection: dbapi.Connection, rows: pa.Table) -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(f'INSERT OR REPLACE INTO "{PUMP_TELEMETRY.name}" ({_COLUMNS}) VALUES ({_PLACES})', rows)
        cursor.execute("COMMIT")


def _select(connection: dbapi.Connection, window: Window) -> pa.Table:
    with connection.cursor() as cursor:
        where = f"{TIME} >= ? AND {TIME} < ?"
        cursor.execute(
            f'SELECT {_COLUMNS} FROM "{PUMP_TELEMETRY.name}" WHERE {where}', (window.start_ns, window.end_ns)
        )
        return cursor.fetch_arrow_table()
