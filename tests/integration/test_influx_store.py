"""What is particular to the store in InfluxDB, against a real influxd: refusals, tokens, other clients, spans."""

import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pdm_platform.contract.errors import RowsRefusedError, SettingsError, StoreAccessError, StoreError
from pdm_platform.contract.measurements import ALL_TIME, DEVICE, PUMP_LABELS, PUMP_TELEMETRY, TIME, Window
from pdm_platform.stores import influx_query, influx_reads
from pdm_platform.stores.influx_query import Selection
from pdm_platform.stores.telemetry import TelemetryStore, open_store
from tests.servers.influxd import Influxd, needs_own_influxd, running_influxd

pytestmark = pytest.mark.integration
RPM_AND_NUMBER = sum(1 << PUMP_TELEMETRY.fields.index(field) for field in ("rpm", "measurement_id"))


@pytest.fixture
def prefix(influxd: Influxd) -> str:
    """The prefix of empty buckets."""
    name = f"store-{secrets.token_hex(4)}"
    influxd.create_buckets(name)
    return name


@pytest.fixture
def store(influxd: Influxd, prefix: str) -> Iterator[TelemetryStore]:
    opened = open_store(influxd.store_url(prefix), token=influxd.operator_token)
    yield opened
    opened.close()


def readings(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([{DEVICE: "p1", **row} for row in rows], schema=PUMP_TELEMETRY.schema)


def times(table: pa.Table) -> list[int]:
    return [int(time_ns) for time_ns in table.column(TIME).to_pylist()]


# -- what the server refuses


def test_rows_of_a_type_that_the_server_refuses_cost_no_other_row(
    influxd: Influxd, store: TelemetryStore, prefix: str
) -> None:
    influxd.write_lines(f"{prefix}_raw", "pump_telemetry,device_id=other measurement_id=0.5 1")
    rows = [{TIME: 10 + i, "measurement_id": i if i in (3, 40) else None, "rpm": float(i)} for i in range(50)]

    with pytest.raises(RowsRefusedError, match="refused 2 of 50 rows, the first, row 3") as error:
        store.write(PUMP_TELEMETRY, readings(*rows))

    assert list(error.value.refused) == [3, 40]
    for reason in error.value.refused.values():
        assert 'input field "measurement_id"' in reason
        assert "is type integer, already exists as type float" in reason
    assert times(store.read(PUMP_TELEMETRY, ALL_TIME)) == [10 + i for i in range(50) if i not in (3, 40)]


def test_rows_older_than_the_retention_are_refused_with_the_servers_reason(influxd: Influxd) -> None:
    prefix = f"store-{secrets.token_hex(4)}"
    influxd.create_bucket(f"{prefix}_raw", retention_s=3_600)
    store = open_store(influxd.store_url(prefix), token=influxd.operator_token)
    now_ns = time.time_ns()

    with pytest.raises(RowsRefusedError) as error:
        store.write(PUMP_TELEMETRY, readings({TIME: now_ns}, {TIME: 5}, {TIME: now_ns + 1}, {TIME: 6}, {TIME: 7}))

    assert list(error.value.refused) == [1, 3, 4]
    assert "outside retention policy of duration 1h0m0s" in error.value.refused[1]
    assert times(store.read(PUMP_TELEMETRY, ALL_TIME)) == [now_ns, now_ns + 1]
    store.close()


def test_rows_that_line_protocol_cannot_carry_are_refused_beside_those_of_the_server(
    influxd: Influxd, store: TelemetryStore, prefix: str
) -> None:
    influxd.write_lines(f"{prefix}_raw", "pump_telemetry,device_id=other rpm=1i 1")
    rows: list[dict[str, Any]] = [
        {TIME: 10},
        {TIME: 11, DEVICE: "a\nb"},
        {TIME: 12, "rpm": 1.5},
        {TIME: 13, "current": float("inf")},
    ]

    with pytest.raises(RowsRefusedError) as error:
        store.write(PUMP_TELEMETRY, readings(*rows))

    assert [reason.partition(" ")[0] for reason in error.value.refused.values()] == ["tag", "failure", "field"]
    assert times(store.read(PUMP_TELEMETRY, ALL_TIME)) == [10]


def test_text_beyond_what_the_server_takes_is_refused(store: TelemetryStore) -> None:
    rows = readings({TIME: 1, "last_maintenance": "x" * 2**21}, {TIME: 2, "last_maintenance": "x" * 2**19})

    with pytest.raises(RowsRefusedError, match="too long") as error:
        store.write(PUMP_TELEMETRY, rows)

    assert list(error.value.refused) == [0]
    assert store.read(PUMP_TELEMETRY, ALL_TIME)["last_maintenance"].to_pylist() == ["x" * 2**19]


# -- tokens, buckets, servers


def test_without_a_token_nothing_is_tried() -> None:
    with pytest.raises(SettingsError, match="needs a token") as refused:
        open_store("influxdb://127.0.0.1:1/pdm?org=pdm")

    assert "PDM_STORE_TOKEN_FILE" in refused.value.hint


def test_a_token_that_the_server_does_not_know_is_told_at_once_with_where_it_comes_from(
    influxd: Influxd, prefix: str
) -> None:
    with pytest.raises(StoreAccessError, match=r"refused the token \(401\): ") as refused:
        open_store(influxd.store_url(prefix), token="wrong-token", token_from="PDM_STORE_TOKEN_FILE, the file 'x'")

    assert "PDM_STORE_TOKEN_FILE, the file 'x'" in refused.value.hint
    assert "wrong-token" not in str(refused.value)


def test_an_organisation_that_is_not_there_is_told_at_once(influxd: Influxd, prefix: str) -> None:
    url = influxd.store_url(prefix).replace(f"org={influxd.org}", "org=nobody")

    with pytest.raises(StoreError, match='organization name "nobody" not found') as refused:
        open_store(url, token=influxd.operator_token)

    assert "`org` in PDM_STORE_URL" in refused.value.hint


def test_a_token_that_may_only_read_or_only_write_is_told_by_bucket(influxd: Influxd) -> None:
    prefix = f"store-{secrets.token_hex(4)}"
    bucket_id = influxd.create_bucket(f"{prefix}_raw")
    reader = open_store(influxd.store_url(prefix), token=influxd.create_token(("read", bucket_id)))
    writer = open_store(influxd.store_url(prefix), token=influxd.create_token(("write", bucket_id)))
    row = readings({TIME: 1})

    writer.write(PUMP_TELEMETRY, row)

    with pytest.raises(StoreAccessError, match=rf"bucket '{prefix}_raw' \(403\)"):
        reader.write(PUMP_TELEMETRY, row)
    for ask in (writer.count, writer.read):
        with pytest.raises(StoreAccessError, match=f"cannot read bucket '{prefix}_raw': .* the token may not read it"):
            ask(PUMP_TELEMETRY, ALL_TIME)
    assert times(reader.read(PUMP_TELEMETRY, ALL_TIME)) == [1]
    reader.close()
    writer.close()


def test_a_bucket_that_is_not_there_is_named_with_what_makes_it(influxd: Influxd) -> None:
    store = open_store(influxd.store_url("nobody-made-it"), token=influxd.operator_token)

    with pytest.raises(StoreError, match="'nobody-made-it_raw'") as unwritten:
        store.write(PUMP_TELEMETRY, readings({TIME: 1}))
    with pytest.raises(StoreError, match="'nobody-made-it_raw': it does not exist") as unread:
        store.read(PUMP_TELEMETRY, ALL_TIME)
    store.close()

    assert "pdmctl store init" in unwritten.value.hint
    assert "pdmctl store init" in unread.value.hint


@needs_own_influxd
def test_what_write_returned_for_survives_sigkill_of_the_server(tmp_path: Path) -> None:
    with running_influxd(tmp_path / "influxd", "--no-tasks") as server:
        server.create_buckets("pdm")
        store = open_store(server.store_url("pdm"), token=server.operator_token)
        for number in range(1, 4):
            store.write(PUMP_TELEMETRY, readings(*({TIME: number * 1_000 + i, "rpm": i} for i in range(500))))
            server.kill()
            with pytest.raises(StoreError, match="InfluxDB at"):
                store.read(PUMP_TELEMETRY, ALL_TIME)
            server.start()

            assert store.count(PUMP_TELEMETRY, ALL_TIME) == number * 500
        store.close()


def test_threads_share_one_store(store: TelemetryStore) -> None:
    failures: list[BaseException] = []

    def write_and_read(device: str) -> None:
        try:
            for number in range(5):
                store.write(PUMP_TELEMETRY, readings(*({DEVICE: device, TIME: 50 * number + i} for i in range(50))))
                assert store.read(PUMP_TELEMETRY, ALL_TIME, devices=[device]).num_rows == 50 * (number + 1)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write_and_read, args=(f"p{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []


# -- what other clients wrote


def test_integers_that_others_sent_as_floats_come_back_as_integers(
    influxd: Influxd, store: TelemetryStore, prefix: str
) -> None:
    mask = f"present={RPM_AND_NUMBER}i"
    influxd.write_lines(
        f"{prefix}_raw",
        f"pump_telemetry,device_id=p1 measurement_id=7,rpm=2850i,{mask} 1",
        f"pump_telemetry,device_id=p1 measurement_id=1e15,rpm=0i,{mask} 2",
    )

    found = store.read(PUMP_TELEMETRY, ALL_TIME)

    assert found.schema.equals(PUMP_TELEMETRY.schema, check_metadata=True)
    assert found["measurement_id"].to_pylist() == [7, 10**15]
    assert found["rpm"].to_pylist() == [2850.0, 0.0]


def test_integers_and_floats_of_one_field_are_both_kept_exactly(influxd: Influxd) -> None:
    prefix = f"store-{secrets.token_hex(4)}"
    influxd.create_bucket(f"{prefix}_raw", shard_group_s=3_600)  # the type of a field holds for an hour of event time
    mask, later_ns = f"present={RPM_AND_NUMBER}i", 10 * 3_600 * 10**9
    influxd.write_lines(f"{prefix}_raw", f"pump_telemetry,device_id=p1 measurement_id=7,rpm=3i,{mask} 1")
    store = open_store(influxd.store_url(prefix), token=influxd.operator_token)

    store.write(PUMP_TELEMETRY, readings({TIME: later_ns, "measurement_id": 2**60 + 1, "rpm": 0.5}))

    found = store.read(PUMP_TELEMETRY, ALL_TIME)
    assert found["measurement_id"].to_pylist() == [7, 2**60 + 1]
    assert found["rpm"].to_pylist() == [3.0, 0.5]
    store.close()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ("measurement_id=7.5", "field measurement_id has the value 7 as integer and 7.5 as float"),
        ("rpm=9007199254740993i", "field rpm has the value 9007199254740993 as integer"),
        ('rpm="fast"', "field rpm is string in the bucket, not float"),
        ("last_maintenance=1", "field last_maintenance is float in the bucket, not string"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error_that_names_it(
    influxd: Influxd, store: TelemetryStore, prefix: str, fields: str, named: str
) -> None:
    bit = 1 << PUMP_TELEMETRY.fields.index(fields.partition("=")[0])
    influxd.write_lines(f"{prefix}_raw", f"pump_telemetry,device_id=p1 {fields},present={bit}i 5")

    with pytest.raises(StoreError) as error:
        store.read(PUMP_TELEMETRY, ALL_TIME)

    assert named in error.value.what
    assert "Another client" in error.value.hint or "elsewhere" in error.value.hint


def test_points_of_other_clients_are_neither_read_nor_counted(
    influxd: Influxd, store: TelemetryStore, prefix: str
) -> None:
    influxd.write_lines(f"{prefix}_raw", "pump_telemetry,device_id=p1,site=north rpm=5 1", "weather temperature=5 1")
    assert store.read(PUMP_TELEMETRY, ALL_TIME).equals(PUMP_TELEMETRY.schema.empty_table())

    store.write(PUMP_TELEMETRY, readings({TIME: 2}))

    assert times(store.read(PUMP_TELEMETRY, ALL_TIME)) == [2]
    assert store.count(PUMP_TELEMETRY, ALL_TIME) == 1


# -- an answer in which something is missing


def test_an_answer_that_ends_early_is_an_error_and_not_a_shorter_table(
    store: TelemetryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(PUMP_TELEMETRY, readings(*({TIME: i} for i in range(10))))
    whole = Selection.select

    def cut_off(self: Selection, window: Window, columns: Any) -> Any:
        text, params = whole(self, window, columns)
        return f"{text} LIMIT 3", params

    monkeypatch.setattr(Selection, "select", cut_off)

    with pytest.raises(StoreError, match="only 3 of 10 points came"):
        store.read(PUMP_TELEMETRY, ALL_TIME)


def test_a_point_that_is_there_in_part_is_an_error_and_not_a_null(
    influxd: Influxd, store: TelemetryStore, prefix: str
) -> None:
    influxd.write_lines(f"{prefix}_raw", f"pump_telemetry,device_id=p1 rpm=1,present={RPM_AND_NUMBER}i 5")

    with pytest.raises(StoreError, match="1 points are there in part"):
        store.read(PUMP_TELEMETRY, ALL_TIME)


def test_fields_that_were_written_while_they_were_asked_for_are_read(
    store: TelemetryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(PUMP_TELEMETRY, readings(*({TIME: i, "rpm": float(i)} for i in range(10))))
    whole, asked = Selection.columns, []

    def none_at_first(self: Selection) -> Any:
        asked.append(self)
        return whole(self)[: 0 if len(asked) == 1 else None]

    monkeypatch.setattr(Selection, "columns", none_at_first)

    assert store.read(PUMP_TELEMETRY, ALL_TIME).column("rpm").to_pylist() == [float(i) for i in range(10)]


# -- large windows, many devices


def test_a_window_read_in_many_spans_is_the_same_window(store: TelemetryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    crowded = [{DEVICE: f"p{i % 3}", TIME: 10**18 + i // 3, "rpm": float(i)} for i in range(600)]
    sparse = [{DEVICE: f"p{i % 4}", TIME: i * 10**16 + 7_000, "measurement_id": i} for i in range(200)]
    store.write(PUMP_TELEMETRY, readings(*crowded, *sparse))
    whole = store.read(PUMP_TELEMETRY, ALL_TIME)
    monkeypatch.setattr(influx_reads, "POINTS_A_SPAN", 50)

    found = store.read(PUMP_TELEMETRY, ALL_TIME)

    assert whole.num_rows == 800
    assert found.equals(whole)
    assert store.read(PUMP_TELEMETRY, Window(10**18 + 10, 10**18 + 50)).num_rows == 3 * 40


def test_many_devices_are_asked_for_in_several_queries(store: TelemetryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influx_query, "DEVICES_A_QUERY", 3)
    odd = ["a.b", "axb", "a|b", "^a$", "(?:", "[a]", "a b", "é", "a\\b", "$devices", "#", "a'b", 'a"b', ""]
    store.write(PUMP_LABELS, pa.Table.from_pylist([{DEVICE: name, TIME: 1} for name in odd], PUMP_LABELS.schema))

    for name in odd:
        assert store.read(PUMP_LABELS, ALL_TIME, devices=[name])[DEVICE].to_pylist() == [name]
    found = store.read(PUMP_LABELS, ALL_TIME, devices=[*odd, *odd, "nobody"])

    assert found[DEVICE].to_pylist() == sorted(odd, key=str.encode)
    assert store.count(PUMP_LABELS, ALL_TIME, devices=odd) == len(odd)
