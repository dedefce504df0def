"""The store in InfluxDB against what a real influxd 2.9.1 answered, where there is no influxd.

influxd itself answers neither 429 nor 503: not with its cache full (500), its writes timing out (500), more queries
than its queue holds (400, and that for Flux only), while it starts (it does not listen yet) or while it ends (it
drops the connection). Both come from what stands in front of it: here from nginx and its limit on requests.
"""

import re
from itertools import product
from typing import Any

import pyarrow as pa
import pytest
import yaml

from pdm_platform.contract.errors import RowsRefusedError, StoreAccessError, StoreBusyError, StoreError
from pdm_platform.contract.measurements import (
    ALL_TIME,
    DEVICE,
    PUMP_ALARM,
    PUMP_LABELS,
    PUMP_PREDICTION,
    PUMP_TELEMETRY,
    TIME,
    Measurement,
    Window,
)
from tests.contract.recording import FOLDER, PREFIX, RECORD, Recorder, Setting, Tokens
from tests.contract.recording import recorder as recorder
from tests.servers.influxd import Influxd

BUCKET = f"{PREFIX}_raw"
RPM, NUMBER = (1 << PUMP_TELEMETRY.fields.index(name) for name in ("rpm", "measurement_id"))
T0 = 1_760_000_000_000_000_000


def table(measurement: Measurement, *rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=measurement.schema)


def readings(*rows: dict[str, Any]) -> pa.Table:
    return table(PUMP_TELEMETRY, *({DEVICE: "p1", **row} for row in rows))


def predictions(*rows: dict[str, Any]) -> pa.Table:
    return table(PUMP_PREDICTION, *({DEVICE: "p1", **row} for row in rows))


# -- written and read


def test_what_is_written_is_read_with_nulls_texts_and_odd_tags(recorder: Recorder) -> None:
    odd = ["", "a,b", "a=b", "a b", "a\\b", 'a"b', "é☃"]
    rows = readings(
        {TIME: T0, "rpm": 2850.5, "measurement_id": 2**53 + 1, "last_maintenance": 'Monday, "early"\nbearing\\seal'},
        {TIME: T0 + 1, "rpm": float("nan"), "temperature": None, "last_maintenance": ""},
        {TIME: T0 + 2},
        {TIME: T0, DEVICE: "p10", "rpm": 1e-300, "measurement_id": -(2**63)},
    )
    alarms = table(PUMP_ALARM, *({DEVICE: a, "condition": b, TIME: T0, "active": 1} for a, b in product(odd, repeat=2)))

    with recorder("write_and_read") as open_as:
        store = open_as("operator")
        store.write(PUMP_TELEMETRY, rows)
        store.write(PUMP_ALARM, alarms)
        found, found_alarms = store.read(PUMP_TELEMETRY, ALL_TIME), store.read(PUMP_ALARM, ALL_TIME)

    expected = rows.to_pylist()
    expected[1]["rpm"] = None
    assert found.schema.equals(PUMP_TELEMETRY.schema, check_metadata=True)
    assert found.to_pylist() == expected
    assert found_alarms.equals(alarms.sort_by([(DEVICE, "ascending"), ("condition", "ascending")]))


def test_a_rewritten_point_keeps_nothing_of_what_it_was(recorder: Recorder) -> None:
    with recorder("rewrite") as open_as:
        store = open_as("operator")
        store.write(PUMP_TELEMETRY, readings({TIME: T0, "rpm": 1.0, "last_maintenance": "x"}))
        store.write(PUMP_TELEMETRY, readings({TIME: T0, "pressure": 2.0}))
        found, count = store.read(PUMP_TELEMETRY, ALL_TIME), store.count(PUMP_TELEMETRY, ALL_TIME)

    assert found.equals(readings({TIME: T0, "pressure": 2.0}))
    assert count == 1


def test_a_window_and_devices_select_their_rows_and_an_empty_window_has_the_schema(recorder: Recorder) -> None:
    def fleet(server: Influxd) -> Tokens:
        server.create_buckets(PREFIX)
        lines = (f"pump_telemetry,device_id=p{i % 4} rpm={i},present={RPM}i {T0 + i}" for i in range(40))
        server.write_lines(BUCKET, *lines)
        return {}

    with recorder("windows_and_devices", Setting(fleet)) as open_as:
        store = open_as("operator")
        some = store.read(PUMP_TELEMETRY, Window(T0 + 10, T0 + 20), devices=["p3", "p1", "nobody"])
        none = store.read(PUMP_TELEMETRY, Window(T0 + 40, T0 + 50))
        never = store.read(PUMP_LABELS, ALL_TIME)
        counts = store.count(PUMP_TELEMETRY, ALL_TIME), store.count(PUMP_TELEMETRY, ALL_TIME, devices=["p3"])

    expected = readings(
        *({DEVICE: f"p{i % 4}", TIME: T0 + i, "rpm": float(i)} for i in (13, 17, 11, 15, 19)),
    )
    assert some.equals(expected)
    assert none.equals(PUMP_TELEMETRY.schema.empty_table())
    assert never.equals(PUMP_LABELS.schema.empty_table())
    assert counts == (40, 10)


def test_parts_hold_whole_devices_and_each_asks_for_its_own_only(recorder: Recorder) -> None:
    def fleet(server: Influxd) -> Tokens:
        server.create_buckets(PREFIX)
        lines = (f"pump_telemetry,device_id=p{i % 4} rpm={i},present={RPM}i {T0 + i}" for i in range(0, 40, 3))
        server.write_lines(BUCKET, *lines)
        return {}

    with recorder("parts_by_device", Setting(fleet)) as open_as:
        store = open_as("operator")
        parts = list(store.read_by_device(PUMP_TELEMETRY, Window(T0 + 10, T0 + 40), max_rows=6))
        none = list(store.read_by_device(PUMP_TELEMETRY, Window(T0 + 40, T0 + 50), max_rows=6))

    assert [sorted(set(part[DEVICE].to_pylist())) for part in parts] == [["p0", "p1"], ["p2", "p3"]]
    assert sorted(pa.concat_tables(parts)["rpm"].to_pylist()) == [float(i) for i in range(12, 40, 3)]
    assert none == []


def test_integers_sent_as_floats_and_points_of_other_clients_are_told_apart(recorder: Recorder) -> None:
    def others(server: Influxd) -> Tokens:
        server.create_bucket(BUCKET, shard_group_s=3_600)  # a field's type holds for an hour of event time
        both = f"present={RPM | NUMBER}i"
        server.write_lines(
            BUCKET,
            f"pump_telemetry,device_id=p1 measurement_id=7,rpm=2850i,{both} 1",
            "pump_telemetry,device_id=p1,site=north rpm=5i 1",
            f"pump_telemetry,device_id=p1 measurement_id={2**60 + 1}i,rpm=0.5,{both} {T0}",
        )
        return {}

    with recorder("integers_as_floats", Setting(others)) as open_as:
        store = open_as("operator")
        found, count = store.read(PUMP_TELEMETRY, ALL_TIME), store.count(PUMP_TELEMETRY, ALL_TIME)

    whole, fraction = {"measurement_id": 7, "rpm": 2850.0}, {"measurement_id": 2**60 + 1, "rpm": 0.5}
    assert found.equals(readings({TIME: 1, **whole}, {TIME: T0, **fraction}))
    assert count == 2


def test_points_of_an_older_release_are_read_beside_those_that_say_more(recorder: Recorder) -> None:
    first_ten = ("state", "rul_hours", "model_version")  # of the ten fields that the first release had
    present = sum(1 << PUMP_PREDICTION.fields.index(name) for name in first_ten)

    def older(server: Influxd) -> Tokens:
        server.create_buckets(PREFIX)
        said = 'state="WARNING",rul_hours=2,model_version="v1"'
        server.write_lines(BUCKET, f"pump_prediction,device_id=p1 {said},present={present}i {T0}")
        return {}

    more = {
        **{"rul_hours": 1.5, "rul_lower_hours": 1.0, "rul_upper_hours": 2.5, "novelty": 0.25},
        **{"failure_mode": "seal_leakage", "failure_mode_probability": 0.75, "novel": 0, "provisional": 1},
    }
    fault = {"rul_hours": None, "novelty": 3.0, "novel": 1, "sensor_fault": "rpm", "sensor_fault_probability": 1.0}
    with recorder("older_release", Setting(older)) as open_as:
        store = open_as("operator")
        before = store.read(PUMP_PREDICTION, ALL_TIME)
        store.write(PUMP_PREDICTION, predictions({TIME: T0 + 1, **more}, {TIME: T0 + 2, **fault}))
        after = store.read(PUMP_PREDICTION, ALL_TIME)

    told = {TIME: T0, "state": "WARNING", "rul_hours": 2.0, "model_version": "v1"}
    assert before.equals(predictions(told))
    assert after.equals(predictions(told, {TIME: T0 + 1, **more}, {TIME: T0 + 2, **fault}))


# -- refused in part


def test_a_partial_write_names_its_culprits_and_costs_no_other_row(recorder: Recorder) -> None:
    def float_first(server: Influxd) -> Tokens:
        server.create_buckets(PREFIX)
        server.write_lines(BUCKET, f"pump_telemetry,device_id=other measurement_id=0.5 {T0}")
        return {}

    rows = [{TIME: T0 + i, "rpm": float(i), "measurement_id": 9 if i in (2, 5) else None} for i in range(6)]
    with recorder("partial_write", Setting(float_first)) as open_as:
        store = open_as("operator")
        with pytest.raises(RowsRefusedError, match="refused 2 of 6 rows, the first, row 2") as error:
            store.write(PUMP_TELEMETRY, readings(*rows))
        found = store.read(PUMP_TELEMETRY, ALL_TIME)

    conflict = (
        'input field "measurement_id" on measurement "pump_telemetry" is type integer, already exists as type float'
    )
    assert {row: conflict in reason for row, reason in error.value.refused.items()} == {2: True, 5: True}
    assert found.equals(readings(*(row for i, row in enumerate(rows) if i not in (2, 5))))


def test_rows_beyond_the_retention_are_refused_in_one_request(recorder: Recorder) -> None:
    def an_hour(server: Influxd) -> Tokens:
        server.create_bucket(BUCKET, retention_s=3_600)
        return {}

    with recorder("beyond_retention", Setting(an_hour)) as open_as:
        store = open_as("operator")
        with pytest.raises(RowsRefusedError) as error:
            store.write(PUMP_TELEMETRY, readings({TIME: 5}, {TIME: 6}))

    assert list(error.value.refused) == [0, 1]
    assert "dropped 2 points outside retention policy of duration 1h0m0s" in error.value.refused[0]


# -- refused whole


def test_an_unknown_token_is_refused_when_the_store_is_opened(recorder: Recorder) -> None:
    with recorder("token_unknown") as open_as, pytest.raises(StoreAccessError) as refused:
        open_as("nobody")

    assert refused.value.what == "InfluxDB refused the token (401): unauthorized access"
    assert "the token of nobody" in refused.value.hint


def test_a_token_for_one_thing_is_refused_the_other(recorder: Recorder) -> None:
    def one_each(server: Influxd) -> Tokens:
        bucket_id = server.create_bucket(BUCKET)
        return {action: server.create_token((action, bucket_id)) for action in ("read", "write")}

    with recorder("token_for_one_thing", Setting(one_each)) as open_as:
        reader, writer = open_as("read"), open_as("write")
        with pytest.raises(StoreAccessError, match=rf"'{BUCKET}' \(403\): insufficient permissions for write"):
            reader.write(PUMP_TELEMETRY, readings({TIME: T0}))
        for ask in (writer.read, writer.count):
            with pytest.raises(StoreAccessError, match=f"cannot read bucket '{BUCKET}': .* the token may not read it"):
                ask(PUMP_TELEMETRY, ALL_TIME)


def test_a_missing_bucket_is_named_with_what_makes_it(recorder: Recorder) -> None:
    with recorder("bucket_missing", Setting(lambda _server: {})) as open_as:
        store = open_as("operator")
        with pytest.raises(StoreError, match=f"cannot write to bucket '{BUCKET}': bucket .* not found") as unwritten:
            store.write(PUMP_TELEMETRY, readings({TIME: T0}))
        with pytest.raises(StoreError, match=f"cannot read bucket '{BUCKET}': it does not exist") as unread:
            store.read(PUMP_TELEMETRY, ALL_TIME)

    assert "pdmctl store init" in unwritten.value.hint
    assert "pdmctl store init" in unread.value.hint


# -- come back later


@pytest.mark.parametrize(("status", "header", "seconds"), [(429, "7", 7.0), (503, "", 0.0)])
def test_a_gateway_that_is_asked_too_often_says_when_to_come_back(
    recorder: Recorder, status: int, header: str, seconds: float
) -> None:
    with recorder(f"busy_{status}", Setting(limit=(status, header))) as open_as:
        store = open_as("operator")
        for action in (
            lambda: store.write(PUMP_TELEMETRY, readings({TIME: T0})),
            lambda: store.read(PUMP_TELEMETRY, ALL_TIME),
        ):
            with pytest.raises(StoreBusyError, match=f"'{BUCKET}': InfluxDB answered {status}: ") as busy:
                action()
            assert busy.value.retry_after_s == seconds


@pytest.mark.parametrize(
    ("name", "setting", "cause"),
    [
        ("cache_full", Setting(flags=("--storage-cache-max-memory-size", "200")), "cache-max-memory-size exceeded"),
        ("disk_full", Setting(full_disk=True), "no space left on device"),
    ],
)
def test_a_server_that_cannot_write_now_fails_and_refuses_no_row(
    recorder: Recorder, name: str, setting: Setting, cause: str
) -> None:
    with recorder(name, setting) as open_as:
        store = open_as("operator")
        with pytest.raises(StoreError, match=cause) as error:
            store.write(PUMP_TELEMETRY, readings(*({TIME: T0 + i, "rpm": 1.0} for i in range(20))))

    assert type(error.value) is StoreError
    assert "Is its disk full?" in error.value.hint


# -- the recordings themselves


@pytest.mark.skipif(RECORD, reason="they are being made")
def test_recordings_come_from_influxdb_2_9_and_nginx_and_hold_no_token() -> None:
    paths = sorted(FOLDER.glob("*.yaml"))
    answers = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?i)authorization|/tmp/|/home/|/root/|127\.0\.0\.1", text), path.name
        assert len(text) < 40_000, f"{path.name} is large"
        answers += [exchange["response"] for exchange in yaml.safe_load(text)["interactions"]]

    by_nginx = [answer for answer in answers if answer["headers"].get("X-Influxdb-Version") != ["v2.9.1"]]
    assert len(paths) == 15
    assert sorted(answer["status"]["code"] for answer in by_nginx) == [429, 429, 503, 503]
    assert {answer["headers"]["Server"][0] for answer in by_nginx} == {"nginx/1.22.1"}
