"""Rows as line protocol."""

from typing import Any

import pyarrow as pa
import pytest

from pdm_platform.contract.measurements import DEVICE, MODEL_METRIC, PUMP_ALARM, PUMP_TELEMETRY, TIME, Measurement
from pdm_platform.stores.influx_lines import Lines, to_lines


def rows_of(measurement: Measurement, *rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=measurement.schema)


def text(lines: Lines) -> str:
    return lines.body(0, len(lines)).decode()


def present(measurement: Measurement, *fields: str) -> str:
    return f"present={sum(1 << measurement.fields.index(field) for field in fields)}i"


def test_a_row_is_one_line_of_its_tags_its_fields_and_its_time_in_ns() -> None:
    row = {DEVICE: "p1", TIME: 1_767_225_600_000_000_001, "rpm": 2850.5, "measurement_id": -7, "last_maintenance": "x"}

    lines = to_lines(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, row))

    mask = present(PUMP_TELEMETRY, "rpm", "measurement_id", "last_maintenance")
    assert text(lines) == (
        f'pump_telemetry,device_id=p1 rpm=2850.5,measurement_id=-7i,last_maintenance="x",{mask} 1767225600000000001\n'
    )


def test_what_is_missing_is_left_out_and_present_says_so() -> None:
    rows = [{DEVICE: "p1", TIME: 1, "rpm": float("nan")}, {DEVICE: "p1", TIME: 2, "last_maintenance": ""}]

    lines = to_lines(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, *rows))

    assert text(lines).splitlines() == [
        "pump_telemetry,device_id=p1 present=0i 1",
        f'pump_telemetry,device_id=p1 last_maintenance="",{present(PUMP_TELEMETRY, "last_maintenance")} 2',
    ]


def test_tags_are_sorted_and_what_would_end_them_is_escaped() -> None:
    row = {DEVICE: "a, b=c\\d", "condition": 'é"', TIME: 1}

    lines = to_lines(PUMP_ALARM, rows_of(PUMP_ALARM, row))

    assert text(lines) == 'pump_alarm,condition=é",device_id=a\\,\\ b\\=c\\d present=0i 1\n'


def test_an_empty_tag_is_left_out() -> None:
    rows = [{DEVICE: "", "condition": "wear", TIME: 1}, {DEVICE: "", "condition": "", TIME: 1}]

    lines = to_lines(PUMP_ALARM, rows_of(PUMP_ALARM, *rows))

    assert text(lines) == "pump_alarm,condition=wear present=0i 1\npump_alarm present=0i 1\n"


def test_text_with_quotes_backslashes_and_line_ends_stays_within_its_quotes() -> None:
    row = {DEVICE: "p1", TIME: 1, "last_maintenance": 'a"b\\c\nd\\'}

    lines = to_lines(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, row))

    assert 'last_maintenance="a\\"b\\\\c\nd\\\\",' in text(lines)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({DEVICE: "a\nb"}, r"tag device_id 'a\nb'"),
        ({DEVICE: "a\\"}, r"tag device_id 'a\\'"),
        ({DEVICE: "p1", "rpm": float("inf")}, "field rpm is infinite"),
        ({DEVICE: "p1", "health_percent": float("-inf")}, "field health_percent is infinite"),
    ],
)
def test_a_row_that_no_line_can_carry_is_refused_and_the_others_keep_their_places(
    row: dict[str, Any], reason: str
) -> None:
    good = {DEVICE: "p1", TIME: 1}

    lines = to_lines(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, good, {TIME: 1, **row}, good))

    assert list(lines.refused) == [1]
    assert reason in lines.refused[1]
    assert lines.rows.tolist() == [0, 2]
    assert len(text(lines).splitlines()) == 2


def test_no_rows_are_no_lines() -> None:
    lines = to_lines(MODEL_METRIC, MODEL_METRIC.schema.empty_table())

    assert (len(lines), lines.body(0, 0), list(lines.cuts(10))) == (0, b"", [])


def test_lines_are_cut_into_bodies_of_bounded_size_or_of_one_line() -> None:
    rows = [{DEVICE: "p1", TIME: 1}] * 5 + [{DEVICE: "p" * 200, TIME: 1}] + [{DEVICE: "p1", TIME: 1}] * 2
    lines = to_lines(PUMP_TELEMETRY, rows_of(PUMP_TELEMETRY, *rows))
    one = len(lines.body(0, 1))

    cuts = list(lines.cuts(2 * one))

    assert cuts == [(0, 2), (2, 4), (4, 5), (5, 6), (6, 8)]
    assert b"".join(lines.body(*cut) for cut in cuts).decode() == text(lines)


def test_a_part_of_a_larger_table_gives_the_lines_of_that_part() -> None:
    table = pa.concat_tables([rows_of(PUMP_TELEMETRY, {DEVICE: f"p{i}", TIME: i, "rpm": i}) for i in range(4)])

    lines = to_lines(PUMP_TELEMETRY, table.slice(1, 2))

    assert [line.rpartition(" ")[2] for line in text(lines).splitlines()] == ["1", "2"]
