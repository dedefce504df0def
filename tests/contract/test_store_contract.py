"""What every telemetry store promises. A new implementation is one more entry in IMPLEMENTATIONS."""

import multiprocessing
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdm_platform.contract.errors import StoreError
from pdm_platform.contract.measurements import (
    ALL_TIME,
    DEVICE,
    MEASUREMENTS,
    MODEL_EVENT,
    PUMP_ALARM,
    PUMP_PREDICTION,
    PUMP_TELEMETRY,
    TIME,
    Measurement,
    Window,
)
from pdm_platform.stores.rows import check_devices, conform, ordered, whole_devices
from pdm_platform.stores.telemetry import TelemetryStore, open_store
from tests.servers.influxd import Influxd

SPAWN = multiprocessing.get_context("spawn")
BATCH_ROWS = 200


class MemoryStore:
    """The fake for tests of whatever uses a store."""

    def __init__(self) -> None:
        self._points: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}

    def write(self, measurement: Measurement, rows: pa.Table) -> None:
        points = self._points.setdefault(measurement.name, {})
        for row in conform(measurement, rows).to_pylist():
            plain = {name: None if value != value else value for name, value in row.items()}  # NaN is null
            points[tuple(row[name] for name in (*measurement.tags, TIME))] = plain

    def read(self, measurement: Measurement, window: Window, *, devices: Sequence[str] | None = None) -> pa.Table:
        check_devices(measurement, devices)
        points = [
            row
            for row in self._points.get(measurement.name, {}).values()
            if window.start_ns <= row[TIME] < window.end_ns and (devices is None or row[DEVICE] in devices)
        ]
        return ordered(measurement, pa.Table.from_pylist(points, schema=measurement.schema))

    def read_by_device(self, measurement: Measurement, window: Window, *, max_rows: int) -> Iterator[pa.Table]:
        check_devices(measurement, ())
        yield from whole_devices([self.read(measurement, window)], max_rows)

    def count(self, measurement: Measurement, window: Window, *, devices: Sequence[str] | None = None) -> int:
        return int(self.read(measurement, window, devices=devices).num_rows)

    def close(self) -> None:
        self._points.clear()


@dataclass(frozen=True)
class Address:
    """What several processes open the same store with. `atomic`: a write is seen and kept whole or not at all."""

    url: str
    atomic: bool
    token: str = field(default="", repr=False)

    def open(self) -> TelemetryStore:
        return open_store(self.url, token=self.token)


def in_sqlite(request: pytest.FixtureRequest) -> Address:
    folder: Path = request.getfixturevalue("tmp_path")
    return Address(f"sqlite:///{folder / 'telemetry.sqlite'}", atomic=True)


def in_influxdb(request: pytest.FixtureRequest) -> Address:
    """Buckets of its own for each test, in one server for all."""
    server: Influxd = request.getfixturevalue("influxd")
    prefix = f"contract-{secrets.token_hex(4)}"
    server.create_buckets(prefix)
    return Address(server.store_url(prefix), atomic=False, token=server.operator_token)


# the address of each implementation that several processes share
SHARED: dict[str, Callable[[pytest.FixtureRequest], Address]] = {"sqlite": in_sqlite, "influxdb": in_influxdb}
IMPLEMENTATIONS: dict[str, Callable[[pytest.FixtureRequest], TelemetryStore]] = {
    "memory": lambda _request: MemoryStore(),
    "sqlite": lambda request: in_sqlite(request).open(),
    "influxdb": lambda request: in_influxdb(request).open(),
}


@pytest.fixture(params=IMPLEMENTATIONS)
def store(request: pytest.FixtureRequest) -> Iterator[TelemetryStore]:
    opened = IMPLEMENTATIONS[request.param](request)
    yield opened
    opened.close()


@pytest.fixture(params=SHARED)
def address(request: pytest.FixtureRequest) -> Address:
    return SHARED[request.param](request)


def rows_of(measurement: Measurement, *rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=measurement.schema)


def reading(device_id: str, time_ns: int, **fields: Any) -> dict[str, Any]:
    return {DEVICE: device_id, TIME: time_ns, **fields}


def batch(device_id: str, number: int) -> pa.Table:
    first = number * BATCH_ROWS
    return rows_of(PUMP_TELEMETRY, *(reading(device_id, first + i, measurement_id=number) for i in range(BATCH_ROWS)))


def keys(table: pa.Table) -> list[tuple[str, int]]:
    return list(zip(table[DEVICE].to_pylist(), table[TIME].to_pylist(), strict=True))


def test_the_same_point_written_twice_is_one_point(store: TelemetryStore) -> None:
    once = rows_of(PUMP_TELEMETRY, reading("p1", 5, rpm=2850.0), reading("p2", 5, rpm=2851.0))

    store.write(PUMP_TELEMETRY, once)
    store.write(PUMP_TELEMETRY, once)

    assert store.count(PUMP_TELEMETRY, ALL_TIME) == 2
    assert store.read(PUMP_TELEMETRY, ALL_TIME).equals(once)


def test_the_last_value_of_a_point_stays_also_within_one_batch(store: TelemetryStore) -> None:
    store.write(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, reading("p1", 5, rpm=1.0), reading("p1", 5, rpm=2.0)))
    assert store.read(PUMP_TELEMETRY, ALL_TIME)["rpm"].to_pylist() == [2.0]

    store.write(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, reading("p1", 5, rpm=3.0)))

    assert store.read(PUMP_TELEMETRY, ALL_TIME)["rpm"].to_pylist() == [3.0]


def test_points_that_differ_in_one_tag_are_two_points(store: TelemetryStore) -> None:
    alarms = [{DEVICE: "p1", "condition": name, TIME: 1, "active": 1, "severity": 300} for name in ("b", "a")]

    store.write(PUMP_ALARM, rows_of(PUMP_ALARM, *alarms))

    assert store.read(PUMP_ALARM, ALL_TIME)["condition"].to_pylist() == ["a", "b"]


def test_rows_come_back_by_tags_then_time(store: TelemetryStore) -> None:
    written = [("p2", 1), ("p10", 9), ("P1", 4), ("p10", 3), ("p2", 0)]

    store.write(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, *(reading(*key) for key in written)))

    assert keys(store.read(PUMP_TELEMETRY, ALL_TIME)) == [("P1", 4), ("p10", 3), ("p10", 9), ("p2", 0), ("p2", 1)]


def test_a_window_holds_its_start_and_not_its_end(store: TelemetryStore) -> None:
    store.write(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, *(reading("p1", time_ns) for time_ns in range(10))))

    assert store.read(PUMP_TELEMETRY, Window(3, 6))[TIME].to_pylist() == [3, 4, 5]
    assert store.count(PUMP_TELEMETRY, Window(3, 6)) == 3


@pytest.mark.parametrize("measurement", MEASUREMENTS.values(), ids=MEASUREMENTS)
def test_an_empty_window_has_no_rows_and_the_exact_schema(store: TelemetryStore, measurement: Measurement) -> None:
    found = store.read(measurement, Window(7, 7))

    assert found.schema.equals(measurement.schema, check_metadata=True)
    assert (found.num_rows, store.count(measurement, Window(7, 7))) == (0, 0)


def test_writing_no_rows_changes_nothing(store: TelemetryStore) -> None:
    store.write(PUMP_TELEMETRY, PUMP_TELEMETRY.schema.empty_table())

    assert store.count(PUMP_TELEMETRY, ALL_TIME) == 0


def test_devices_selects_only_these(store: TelemetryStore) -> None:
    store.write(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, *(reading(f"p{i}", 1) for i in range(4))))

    assert keys(store.read(PUMP_TELEMETRY, ALL_TIME, devices=["p3", "p1", "p1", "nobody"])) == [("p1", 1), ("p3", 1)]
    assert store.count(PUMP_TELEMETRY, ALL_TIME, devices=["p3", "nobody"]) == 1
    assert store.read(PUMP_TELEMETRY, ALL_TIME, devices=[]).equals(PUMP_TELEMETRY.schema.empty_table())


def test_a_device_name_is_never_read_as_sql(store: TelemetryStore) -> None:
    odd = "p'1\"; DROP TABLE pump_telemetry; --"
    store.write(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, reading(odd, 1), reading("p2", 1)))

    assert keys(store.read(PUMP_TELEMETRY, ALL_TIME, devices=[odd])) == [(odd, 1)]


def test_reading_by_device_is_refused_where_points_have_none(store: TelemetryStore) -> None:
    with pytest.raises(StoreError, match="model_event has no tag 'device_id'"):
        store.read(MODEL_EVENT, ALL_TIME, devices=["p1"])


def fleet(**counts: int) -> pa.Table:
    """Readings of each device, one a nanosecond, the last device's first."""
    rows = (reading(device, i, rpm=float(i)) for device, n in reversed(counts.items()) for i in range(n))
    return rows_of(PUMP_TELEMETRY, *rows)


def test_a_window_is_read_in_parts_that_hold_whole_devices(store: TelemetryStore) -> None:
    store.write(PUMP_TELEMETRY, fleet(p1=3, p2=2, p3=40, p4=1, p5=5))

    parts = list(store.read_by_device(PUMP_TELEMETRY, ALL_TIME, max_rows=6))

    assert [sorted(set(part[DEVICE].to_pylist())) for part in parts] == [["p1", "p2"], ["p3"], ["p4", "p5"]]
    assert pa.concat_tables(parts).equals(store.read(PUMP_TELEMETRY, ALL_TIME))


@pytest.mark.parametrize("max_rows", [1, 7, 10**6])
def test_parts_put_together_are_what_is_read_at_once(store: TelemetryStore, max_rows: int) -> None:
    store.write(PUMP_TELEMETRY, fleet(P2=4, p1=7, p10=1, p2=3, pä=2))
    some = Window(1, 6)

    parts = list(store.read_by_device(PUMP_TELEMETRY, some, max_rows=max_rows))

    assert pa.concat_tables(parts).equals(store.read(PUMP_TELEMETRY, some))
    assert all(part.schema.equals(PUMP_TELEMETRY.schema) and part.num_rows for part in parts)


def test_an_empty_window_has_no_part(store: TelemetryStore) -> None:
    store.write(PUMP_TELEMETRY, fleet(p1=3))

    assert list(store.read_by_device(PUMP_TELEMETRY, Window(3, 9), max_rows=5)) == []
    assert list(store.read_by_device(PUMP_TELEMETRY, Window(2, 2), max_rows=5)) == []


def test_parts_by_device_are_refused_where_points_have_none(store: TelemetryStore) -> None:
    with pytest.raises(StoreError, match="device_id"):
        list(store.read_by_device(MODEL_EVENT, ALL_TIME, max_rows=5))


def test_the_store_may_be_written_while_parts_are_taken(store: TelemetryStore) -> None:
    store.write(PUMP_TELEMETRY, fleet(p1=3, p2=3))
    parts = store.read_by_device(PUMP_TELEMETRY, ALL_TIME, max_rows=3)

    first = next(parts)
    store.write(PUMP_TELEMETRY, fleet(p0=1))

    assert keys(first) == [("p1", 0), ("p1", 1), ("p1", 2)]
    assert keys(next(parts)) == [("p2", 0), ("p2", 1), ("p2", 2)]


def test_missing_values_come_back_as_null_whether_null_or_nan(store: TelemetryStore) -> None:
    store.write(
        PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, reading("p1", 1, rpm=float("nan"), pressure=None, temperature=0.0))
    )

    found = store.read(PUMP_TELEMETRY, ALL_TIME).to_pylist()[0]

    assert (found["rpm"], found["pressure"], found["temperature"]) == (None, None, 0.0)
    assert (found["measurement_id"], found["last_maintenance"]) == (None, None)


def test_a_prediction_comes_back_with_the_texts_numbers_and_marks_that_it_has(store: TelemetryStore) -> None:
    rows = rows_of(
        PUMP_PREDICTION,
        reading("p1", 1, rul_hours=2.0, rul_lower_hours=1.0, rul_upper_hours=3.0, novel=0, provisional=1),
        reading("p1", 2, failure_mode="seal_leakage", failure_mode_probability=1.0, novelty=0.0),
        reading("p1", 3, sensor_fault="rpm", sensor_fault_probability=0.5, novelty=2.0, novel=1, provisional=0),
    )

    store.write(PUMP_PREDICTION, rows)

    assert store.read(PUMP_PREDICTION, ALL_TIME).equals(rows)
    assert store.read(PUMP_PREDICTION, Window(1, 2)).equals(rows.slice(0, 1))


def test_a_point_written_again_keeps_nothing_of_what_it_was(store: TelemetryStore) -> None:
    store.write(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, reading("p1", 1, rpm=1.0, last_maintenance="x")))

    store.write(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, reading("p1", 1, pressure=2.0)))

    found = store.read(PUMP_TELEMETRY, ALL_TIME).to_pylist()[0]
    assert (found["rpm"], found["last_maintenance"], found["pressure"]) == (None, None, 2.0)


def test_a_point_without_any_value_is_a_point(store: TelemetryStore) -> None:
    store.write(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, reading("p1", 1)))

    assert keys(store.read(PUMP_TELEMETRY, ALL_TIME)) == [("p1", 1)]
    assert store.count(PUMP_TELEMETRY, ALL_TIME) == 1


def test_an_empty_text_is_not_a_missing_one(store: TelemetryStore) -> None:
    rows = rows_of(PUMP_TELEMETRY, reading("p1", 1, last_maintenance=""), reading("p1", 2))

    store.write(PUMP_TELEMETRY, rows)

    assert store.read(PUMP_TELEMETRY, ALL_TIME)["last_maintenance"].to_pylist() == ["", None]


ODD_TAGS = ["", "a,b", "a=b", "a b", "a\\b", "a\\,b", 'a"b', "a'b", "é☃", "condition=x", "a,device_id=b", "#", "\t"]


def test_tags_come_back_as_they_were_whatever_is_in_them(store: TelemetryStore) -> None:
    pairs = list(product(ODD_TAGS, repeat=2))

    store.write(PUMP_ALARM, rows_of(PUMP_ALARM, *({DEVICE: a, "condition": b, TIME: 1} for a, b in pairs)))

    found = store.read(PUMP_ALARM, ALL_TIME)
    read = list(zip(found[DEVICE].to_pylist(), found["condition"].to_pylist(), strict=True))
    assert read == sorted(pairs, key=lambda pair: (pair[0].encode(), pair[1].encode()))


def test_thousands_of_devices_can_be_asked_for(store: TelemetryStore) -> None:
    store.write(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, *(reading(f"p{i:04d}", 1) for i in range(3_000))))
    devices = [f"p{i:04d}" for i in range(500, 3_500)]

    found = store.read(PUMP_TELEMETRY, ALL_TIME, devices=devices)

    assert found[DEVICE].to_pylist() == devices[:2_500]
    assert store.count(PUMP_TELEMETRY, ALL_TIME, devices=devices) == 2_500


def test_the_first_and_the_last_time_that_a_reading_can_have_are_kept(store: TelemetryStore) -> None:
    times = [0, 2**63 - 2]

    store.write(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, *(reading("p1", time_ns) for time_ns in times)))

    assert store.read(PUMP_TELEMETRY, ALL_TIME)[TIME].to_pylist() == times
    assert store.count(PUMP_TELEMETRY, Window(1, 2**63 - 2)) == 0


def test_a_column_that_starts_with_thousands_of_nulls_keeps_its_type(store: TelemetryStore) -> None:
    empty = [reading("p1", time_ns) for time_ns in range(3_000)]
    full = reading("p1", 3_000, rpm=0.5, measurement_id=2**53 + 1, last_maintenance="2025-01-01")

    store.write(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, *empty, full))
    found = store.read(PUMP_TELEMETRY, ALL_TIME)

    assert found.schema.equals(PUMP_TELEMETRY.schema, check_metadata=True)
    assert found.num_rows == 3_001
    assert found.to_pylist()[-1].items() >= full.items()


floats = st.none() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
points = st.fixed_dictionaries(
    {
        DEVICE: st.sampled_from(["a", "B", "b-1", "b.1"]),
        TIME: st.integers(0, 2**63 - 2),
        "rpm": floats,
        "measurement_id": st.none() | st.integers(-(2**63), 2**63 - 1),
        "last_maintenance": texts,
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(points, max_size=30, unique_by=lambda point: (point[DEVICE], point[TIME])))
def test_what_is_read_is_what_was_written(store: TelemetryStore, written: list[dict[str, Any]]) -> None:
    table = rows_of(PUMP_TELEMETRY, *written)

    store.write(PUMP_TELEMETRY, table)  # examples share the store: each rewrites the points it names
    found = store.read(PUMP_TELEMETRY, ALL_TIME).to_pylist()

    by_key = {(row[DEVICE], row[TIME]): row for row in found}
    assert [by_key[row[DEVICE], row[TIME]] for row in table.to_pylist()] == table.to_pylist()
    assert list(by_key) == sorted(by_key)


def test_columns_in_another_order_are_put_in_order(store: TelemetryStore) -> None:
    table = rows_of(PUMP_TELEMETRY, reading("p1", 1, rpm=2850.0))

    store.write(PUMP_TELEMETRY, table.select(table.column_names[::-1]))

    assert store.read(PUMP_TELEMETRY, ALL_TIME).equals(table)


GOOD = rows_of(PUMP_TELEMETRY, reading("p1", 1))
RPM = PUMP_TELEMETRY.schema.get_field_index("rpm")


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        pytest.param(GOOD.drop_columns(["rpm"]), r"missing \['rpm'\]", id="missing column"),
        pytest.param(GOOD.append_column("colour", pa.array(["red"])), r"\['colour'\]", id="unknown column"),
        pytest.param(GOOD.set_column(0, DEVICE, pa.nulls(1, pa.string())), DEVICE, id="null tag"),
        pytest.param(GOOD.set_column(1, TIME, pa.nulls(1, pa.int64())), TIME, id="null time"),
        pytest.param(GOOD.set_column(1, TIME, pa.array([1.5])), "1.5", id="fraction of a nanosecond"),
        pytest.param(GOOD.set_column(RPM, "rpm", pa.array(["fast"])), "fast", id="text for a number"),
    ],
)
def test_rows_that_do_not_fit_are_refused_whole(store: TelemetryStore, rows: pa.Table, named: str) -> None:
    with pytest.raises(StoreError, match=named):
        store.write(PUMP_TELEMETRY, rows)

    assert store.count(PUMP_TELEMETRY, ALL_TIME) == 0


# -- several processes, one store


def _write_batches(address: Address, device_id: str, numbers: range, sent: Connection) -> None:
    store = address.open()
    for number in numbers:
        store.write(PUMP_TELEMETRY, batch(device_id, number))
        sent.send(number)
    store.close()
    sent.send(None)


def _read_until_told(address: Address, told: Connection, sent: Connection) -> None:
    store = address.open()
    sent.send("ready")
    partial = reads = 0
    while not told.poll():
        partial += store.count(PUMP_TELEMETRY, ALL_TIME) % BATCH_ROWS
        partial += store.read(PUMP_TELEMETRY, ALL_TIME, devices=["w0"]).num_rows % BATCH_ROWS
        reads += 1
    store.close()
    sent.send((reads, partial))


def _open_write_close(address: Address, device_id: str, rounds: int, sent: Connection) -> None:
    for number in range(rounds):
        store = address.open()
        store.write(PUMP_TELEMETRY, batch(device_id, number))
        store.close()
    sent.send(None)


def start(target: Callable[..., None], *arguments: Any) -> tuple[Any, Connection]:
    """Start a process whose last argument is a pipe to here."""
    here, there = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=target, args=(*arguments, there), daemon=True)
    process.start()
    there.close()  # so that a process that dies is seen as the end of its pipe
    return process, here


def returned_before_the_kill(process: Any, sent: Connection, at_least: int) -> list[int]:
    numbers = [sent.recv() for _ in range(at_least)]
    process.kill()
    process.join()
    try:
        while True:
            numbers.append(sent.recv())
    except EOFError:
        return numbers


def test_two_writers_and_a_reader_share_a_store_without_an_error(address: Address) -> None:
    stop_there, stop_here = SPAWN.Pipe(duplex=False)
    reader, read = start(_read_until_told, address, stop_there)
    assert read.recv() == "ready"

    writers = [start(_write_batches, address, f"w{i}", range(60)) for i in range(2)]
    written = [[sent.recv() for _ in range(61)][-1] for _, sent in writers]  # a process that fails ends its pipe
    stop_here.send("stop")
    reads, partial = read.recv()
    for process in (reader, *(process for process, _ in writers)):
        process.join()

    store = address.open()
    assert written == [None, None]
    assert reads > 0
    assert partial == 0 or not address.atomic, "a reader saw part of a write"
    assert store.count(PUMP_TELEMETRY, ALL_TIME) == 2 * 60 * BATCH_ROWS
    store.close()


def test_processes_that_open_and_close_a_new_store_at_once_do_not_disturb_each_other(address: Address) -> None:
    started = [start(_open_write_close, address, f"w{i}", 15) for i in range(3)]

    ended = [sent.recv() for _, sent in started]

    store = address.open()
    assert ended == [None] * 3
    assert store.count(PUMP_TELEMETRY, ALL_TIME) == 3 * 15 * BATCH_ROWS
    store.close()


def test_what_write_returned_for_survives_sigkill(address: Address) -> None:
    for at_least in (3, 7, 15):
        process, sent = start(_write_batches, address, f"killed-{at_least}", range(10**6))
        returned = returned_before_the_kill(process, sent, at_least)

        store = address.open()
        found = store.read(PUMP_TELEMETRY, ALL_TIME, devices=[f"killed-{at_least}"])
        store.close()
        kept = Counter(found["measurement_id"].to_pylist())
        assert [number for number in returned if kept[number] != BATCH_ROWS] == []
        assert found.num_rows % BATCH_ROWS == 0 or not address.atomic, "a write was stored in part"
