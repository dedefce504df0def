"""What the demo says of itself is counted from the store and the stream, mistakes included."""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pyarrow as pa
import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import (
    DRIFT_SCORE,
    PUMP_ALARM,
    PUMP_LABELS,
    PUMP_PREDICTION,
    PUMP_TELEMETRY,
    Measurement,
)
from pdm_platform.local.report import write_report
from pdm_platform.local.summary import FleetFacts, Summary, failures_of, false_alarms_of, summarise
from pdm_platform.local.witness import Witness
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.manifest import Manifest
from pdm_platform.stores.sqlite import SqliteStore

NS = 10**9
START_NS = 1_800_000_000 * NS


def rows(measurement: Measurement, *items: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(
        [{**dict.fromkeys(measurement.schema.names), **item} for item in items], measurement.schema
    )


def telemetry(device: str, *healths: float, start: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "device_id": device,
            "time_ns": START_NS + (start + second) * NS,
            "measurement_id": start + second,
            "health_percent": health,
            **dict.fromkeys(CHANNEL_NAMES, 1.0),
        }
        for second, health in enumerate(healths)
    ]


def alarm(
    device: str, second: int, severity: int = 700, *, active: bool = True, hours: float | None = None
) -> dict[str, Any]:
    return {
        "device_id": device,
        "condition": "pump_state",
        "time_ns": START_NS + second * NS,
        "active": int(active),
        "severity": severity,
        "rul_hours": hours,
    }


def facts(readings: list[dict[str, Any]], alarms: list[dict[str, Any]]) -> FleetFacts:
    def frame(measurement: Measurement, items: list[dict[str, Any]]) -> pd.DataFrame:
        return pd.DataFrame(rows(measurement, *items).to_pydict())

    return FleetFacts(
        frame(PUMP_TELEMETRY, readings), frame(PUMP_ALARM, alarms), frame(PUMP_ALARM, alarms), frame(DRIFT_SCORE, [])
    )


WEARING = [100.0 - 10 * second for second in range(11)]  # BROKEN, at 10 %, after 9 s


def test_a_failure_is_warned_of_from_the_first_faulty_alarm_on() -> None:
    [failure] = failures_of(
        facts(telemetry("p", *WEARING), [alarm("p", 3, 300), alarm("p", 5, hours=6 / 3600), alarm("p", 7, 900)])
    )

    assert (failure.life_s, failure.warning_s, failure.late) == (9.0, 4.0, False)
    assert failure.said_left_s == pytest.approx(6.0)


@pytest.mark.parametrize(
    "alarms",
    [
        [],
        [alarm("p", 3, 300)],
        [alarm("p", 9)],
        [alarm("other", 5)],
        [alarm("p", 2), alarm("p", 4, active=False)],
    ],
    ids=["none", "only a WARNING", "too late", "of another pump", "taken back"],
)
def test_what_is_no_warning_of_a_failure_does_not_count_as_one(alarms: list[dict[str, Any]]) -> None:
    [failure] = failures_of(facts(telemetry("p", *WEARING), alarms))

    assert (failure.warning_s, failure.said_left_s) == (None, None)


def test_a_false_alarm_that_was_taken_back_does_not_lengthen_the_warning() -> None:
    [failure] = failures_of(
        facts(telemetry("p", *WEARING), [alarm("p", 0), alarm("p", 2, active=False), alarm("p", 6)])
    )

    assert failure.warning_s == 3.0


def test_a_pump_that_does_not_break_is_no_failure() -> None:
    assert failures_of(facts(telemetry("p", 100.0, 50.0, 10.1), [])) == []


def test_a_warning_in_the_last_twentieth_of_life_is_late() -> None:
    [failure] = failures_of(facts(telemetry("p", *[50.0] * 100, 5.0), [alarm("p", 96)]))

    assert (failure.warning_s, failure.late) == (4.0, True)


def test_a_faulty_alarm_on_a_healthy_pump_is_false_and_counts_each_time() -> None:
    found = facts(
        telemetry("p", 100.0, 99.0, 60.0, 30.0) + telemetry("q", 80.0),
        [alarm("p", 0), alarm("p", 1, 300), alarm("p", 3), alarm("q", 0, 900), alarm("p", 2, active=False)],
    )

    assert false_alarms_of(found) == ["p", "q"]
    assert false_alarms_of(facts(telemetry("p", 100.0), [])) == []


class Run:
    """A store and a witness that can be made to disagree."""

    def __init__(self, folder: Path) -> None:
        self.store = SqliteStore(folder / "telemetry.sqlite")
        self.witness = Witness(PlatformSettings(home=folder))

    def carry(
        self, measurement: Measurement, items: list[dict[str, Any]], *, lost: int = 0, unpredicted: int = 0
    ) -> None:
        """The broker carries these; the store has all but `lost` of them, and predictions for all but `unpredicted`."""
        keys = self.witness.training if measurement is PUMP_LABELS else self.witness.telemetry
        keys |= {(item["device_id"], item["time_ns"]) for item in items}
        stored = items[: len(items) - lost]
        self.store.write(measurement, rows(measurement, *stored))
        if measurement is PUMP_TELEMETRY:
            said = [
                {"device_id": item["device_id"], "time_ns": item["time_ns"], "health_percent": 90.0}
                for item in stored[: len(stored) - unpredicted]
            ]
            self.store.write(PUMP_PREDICTION, rows(PUMP_PREDICTION, *said))

    def summary(self, quarantined: int = 0) -> tuple[Summary, FleetFacts]:
        return summarise(self.store, self.witness, manifest(), seed=7, duration_s=12.34, quarantined=quarantined)


def manifest() -> Manifest:
    return Manifest(
        version="v1",
        created_at="2027-01-15T08:00:00Z",
        files={},
        feature_contract="f",
        feature_names=[],
        classes=[],
        libraries={},
        training_window=(0, 1),
        data_fingerprint="d",
        metrics={"macro_f1": 0.9, "baseline_macro_f1": 0.5, "health_mae_percent": 5.0, "unseen_pumps": 8.0},
        parent_run="r",
        opset={},
    )


def test_a_run_in_which_all_went_well_adds_up(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.carry(PUMP_LABELS, telemetry("life-1", 100.0, 50.0))
    run.carry(PUMP_TELEMETRY, telemetry("p", *WEARING) + telemetry("q", 100.0))
    run.store.write(PUMP_ALARM, rows(PUMP_ALARM, alarm("p", 5)))

    summary, _ = run.summary()

    assert (summary.published, summary.stored, summary.predicted) == (14, 14, 12)
    assert (summary.lost, summary.duplicated, summary.unpredicted, summary.quarantined) == (0, 0, 0, 0)
    assert (summary.devices, summary.failures, summary.failures_warned, summary.false_alarms) == (2, 1, 1, 0)
    assert (summary.median_warning_s, summary.drift_detected, summary.unseen_pumps) == (4.0, False, 8)


def test_what_was_lost_stored_twice_or_not_predicted_is_counted_and_said(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.carry(PUMP_LABELS, telemetry("life-1", 100.0, 50.0), lost=1)
    run.carry(PUMP_TELEMETRY, telemetry("p", *[100.0] * 10), lost=2, unpredicted=3)
    again = [{**item, "time_ns": item["time_ns"] + 1} for item in telemetry("p", 100.0)]
    run.store.write(PUMP_TELEMETRY, rows(PUMP_TELEMETRY, *again))

    summary, _ = run.summary(quarantined=5)

    assert (summary.published, summary.stored, summary.lost) == (12, 10, 3)
    assert (summary.duplicated, summary.unpredicted) == (1, 5)
    for said in ("3 readings were lost", "1 readings were stored twice", "5 readings were not predicted", "5 payloads"):
        assert any(said in text for text in summary.wrong)


def test_readings_without_a_timestamp_are_counted_since_nothing_tells_them_apart(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.carry(PUMP_TELEMETRY, telemetry("p", 100.0, 100.0))
    run.witness.untimed = 2
    arrived = [{**item, "device_id": "foreign"} for item in telemetry("foreign", 100.0)]
    run.store.write(PUMP_TELEMETRY, rows(PUMP_TELEMETRY, *arrived))

    summary, _ = run.summary()

    assert (summary.published, summary.stored, summary.lost, summary.unpredicted) == (4, 3, 1, 2)


def test_drift_is_detected_where_the_fleet_drifted(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.carry(PUMP_TELEMETRY, telemetry("p", 100.0))
    channel = {"channel": "temperature", "time_ns": START_NS, "score": 2.0, "threshold": 1.0, "drifted": 1}
    run.store.write(DRIFT_SCORE, rows(DRIFT_SCORE, channel, {**channel, "channel": "fleet", "drifted": 0}))
    before = run.summary()[0].drift_detected
    run.store.write(DRIFT_SCORE, rows(DRIFT_SCORE, {**channel, "channel": "fleet"}))

    assert (before, run.summary()[0].drift_detected) == (False, True)


def test_a_run_without_any_row_can_still_be_summed_up(tmp_path: Path) -> None:
    summary, _ = Run(tmp_path).summary()

    assert (summary.published, summary.stored, summary.failures, summary.median_warning_s) == (0, 0, 0, None)
    assert json.loads(json.dumps(summary.to_dict())) == summary.to_dict()


@pytest.mark.parametrize("healths", [WEARING, [100.0, 99.0]], ids=["a failure", "no failure"])
@pytest.mark.parametrize("warned", [True, False])
def test_the_report_is_one_page_that_needs_nothing_else(tmp_path: Path, healths: list[float], warned: bool) -> None:
    run = Run(tmp_path)
    run.carry(PUMP_TELEMETRY, telemetry("p<script>", *healths))
    if warned:
        run.store.write(PUMP_ALARM, rows(PUMP_ALARM, alarm("p<script>", 5, hours=0.001)))
    summary, found = run.summary()

    write_report(tmp_path / "report.html", summary, found, {"confusion": [[5, 0, 0, 0]] * 4})

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 4
    assert all(reference not in page for reference in ("http://", "https://", "<script", "src='", 'href="'))
    assert "What was wrong" in page
    assert mpl.get_backend().lower() == "agg"
