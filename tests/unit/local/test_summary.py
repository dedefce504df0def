"""What the demo says of itself is counted from the store and the stream, mistakes included."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
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
from pdm_platform.local.facts import FleetFacts, frame_of
from pdm_platform.local.failures import failures_of, false_alarms_of
from pdm_platform.local.report import write_report
from pdm_platform.local.summary import Summary, summarise
from pdm_platform.local.summary_text import lines_of
from pdm_platform.local.truth import TrueEvent
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


def said(device: str, second: int, **fields: Any) -> dict[str, Any]:
    """A prediction; times of the remaining life in seconds, as `left=(lower, told, upper)`."""
    left = dict(zip(("rul_lower_hours", "rul_hours", "rul_upper_hours"), fields.pop("left", ()), strict=False))
    hours = {name: seconds / 3600 for name, seconds in left.items()}
    return {"device_id": device, "time_ns": START_NS + second * NS, "health_percent": 90.0, **hours, **fields}


def event(kind: str, device: str, second: int, detail: str) -> TrueEvent:
    return TrueEvent(kind, device, START_NS + second * NS, detail)


def facts(
    readings: list[dict[str, Any]],
    alarms: list[dict[str, Any]],
    predictions: list[dict[str, Any]] | None = None,
    truth: Sequence[TrueEvent] = (),
) -> FleetFacts:
    return FleetFacts(
        frame_of(rows(PUMP_TELEMETRY, *readings)),
        frame_of(rows(PUMP_PREDICTION, *(predictions or []))),
        frame_of(rows(PUMP_ALARM, *alarms)),
        frame_of(rows(DRIFT_SCORE)),
        truth,
    )


WEARING = [100.0 - 10 * second for second in range(11)]  # BROKEN, at 10 %, after 9 s


def test_a_failure_is_warned_of_from_the_first_faulty_alarm_on() -> None:
    [failure] = failures_of(
        facts(telemetry("p", *WEARING), [alarm("p", 3, 300), alarm("p", 5, hours=6 / 3600), alarm("p", 7, 900)])
    )

    assert (failure.life_s, failure.warning_s, failure.late) == (9.0, 4.0, False)
    assert failure.said_left_s == pytest.approx(6.0)
    assert (failure.true_left_s, failure.inside, failure.mode_right) == (5.0, None, None)


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


def test_alarms_of_other_conditions_neither_warn_nor_take_a_warning_back() -> None:
    others = [{**alarm("p", 1, 900), "condition": "novelty"}, {**alarm("p", 6, active=False), "condition": "novelty"}]

    [failure] = failures_of(facts(telemetry("p", *WEARING), [alarm("p", 5), *others]))

    assert failure.warning_s == 4.0
    assert false_alarms_of(facts(telemetry("p", *WEARING), others)) == []


@pytest.mark.parametrize(("left", "inside"), [((4.0, 6.0, 9.0), True), ((5.5, 6.0, 9.0), False)])
def test_what_was_told_with_the_warning_is_held_against_the_failure_itself(
    left: tuple[float, float, float], inside: bool
) -> None:
    told = [
        said("p", 4, left=(0.0, 1.0, 2.0), failure_mode="unbalance"),
        said("p", 5, left=left, failure_mode="seal_leakage"),
        said("p", 8, left=(0.0, 1.0, 2.0), failure_mode="cavitation"),
    ]
    truth = [event("failure", "q", 10, "unbalance"), event("failure", "p", 10, "seal_leakage")]

    [failure] = failures_of(facts(telemetry("p", *WEARING), [alarm("p", 5, hours=6 / 3600)], told, truth))

    assert (failure.said_lower_s, failure.said_upper_s) == pytest.approx((left[0], left[2]))
    assert (failure.true_left_s, failure.inside) == (5.0, inside)
    assert (failure.said_mode, failure.true_mode, failure.mode_right) == ("seal_leakage", "seal_leakage", True)


def test_without_a_mode_at_the_warning_the_last_before_the_failure_counts() -> None:
    told = [said("p", 5), said("p", 9, failure_mode="cavitation"), said("p", 10), said("p", 12, failure_mode="x")]

    [failure] = failures_of(facts(telemetry("p", *WEARING), [alarm("p", 5)], told, [event("failure", "p", 10, "x")]))

    assert (failure.said_mode, failure.mode_right) == ("cavitation", False)


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

    def summary(self, quarantined: int = 0, truth: Sequence[TrueEvent] = ()) -> tuple[Summary, FleetFacts]:
        return summarise(
            self.store, self.witness, manifest(), seed=7, duration_s=12.34, quarantined=quarantined, truth=truth
        )


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


def judged_run(folder: Path) -> Run:
    """A pump fails: half of its intervals hold the truth, the mode is told wrongly, one of two sensors is called."""
    run = Run(folder)
    run.carry(PUMP_TELEMETRY, telemetry("p", *WEARING) + telemetry("q", *[100.0] * 11))
    told = [
        *(said("p", second, left=(9.0 - second, 10.0, 11.0), novel=1) for second in range(5)),
        *(said("p", second, left=(20.0, 30.0, 40.0), failure_mode="unbalance") for second in range(5, 10)),
        *(said("q", second, sensor_fault="rpm", provisional=1) for second in range(3)),
        said("q", 3, sensor_fault="pressure"),
    ]
    run.store.write(PUMP_PREDICTION, rows(PUMP_PREDICTION, *told))
    run.store.write(PUMP_ALARM, rows(PUMP_ALARM, alarm("p", 5, hours=30 / 3600)))
    return run


TRUTH = (
    event("sensor_fault", "q", 0, "rpm:freeze"),
    event("sensor_freeze", "p", 0, "temperature for 40 readings"),
    event("failure", "p", 10, "seal_leakage"),
)


def test_intervals_modes_novelty_and_sensor_faults_are_counted_against_the_truth(tmp_path: Path) -> None:
    summary, _ = judged_run(tmp_path).summary(truth=TRUTH)

    assert (summary.intervals_told, summary.interval_share_held) == (10, 0.5)
    assert (summary.intervals_at_warning, summary.intervals_at_warning_held) == (1, 0)
    assert (summary.modes_told, summary.modes_right) == (1, 0)
    assert (summary.novel_readings, summary.novel_while_healthy, summary.novel_pumps) == (5, 3, 1)
    assert summary.provisional_readings == 3
    counts = (summary.sensor_faults_called, summary.sensor_faults_right, summary.sensor_faults_missed)
    assert counts == (2, 1, 1)
    [failed] = summary.failed_pumps
    assert (failed["true_mode"], failed["said_mode"], failed["inside"]) == ("seal_leakage", "unbalance", False)


def test_every_mistake_of_what_was_said_stands_in_words(tmp_path: Path) -> None:
    summary, _ = judged_run(tmp_path).summary(truth=TRUTH)

    for told in (
        "p: the first FAULTY alarm said 20 to 40 s left, it was 5 s",
        "only 50% of the 10 intervals of the life left held the truth, not 90%",
        "p: said to fail of unbalance, failed of seal_leakage",
        "sensors that were right were said to lie: q pressure (1 readings)",
        "sensors that lied were not found out: p temperature",
    ):
        assert told in summary.wrong


def test_the_terminal_shows_what_was_told_beside_what_was_so(tmp_path: Path) -> None:
    summary, _ = judged_run(tmp_path).summary(truth=TRUTH)

    text = "\n".join(lines_of(summary, tmp_path / "run-1"))

    assert (
        "p: warned 4 s before BROKEN, told 30 s left (20 - 40), it was 5 s, OUTSIDE; told unbalance, was seal" in text
    )
    assert "50% of 10 intervals (90 %) held the truth, 0 of 1 at the warning" in text
    assert "0 of 1 failures were of the mode that was told" in text
    assert "5 novel readings on 1 pumps, 3 of them while HEALTHY; sensor faults called 2, right 1, missed 1" in text
    assert "3 predictions provisional" in text


def test_where_models_say_nothing_more_and_nobody_knows_the_truth_nothing_is_made_up(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.carry(PUMP_TELEMETRY, telemetry("p", *WEARING))

    summary, _ = run.summary()

    assert (summary.intervals_told, summary.interval_share_held, summary.sensor_faults_right) == (0, None, None)
    assert (summary.modes_told, summary.novel_readings, summary.provisional_readings) == (0, 0, 0)
    text = "\n".join(lines_of(summary, tmp_path / "run-1"))
    assert "no interval told of a pump that failed" in text
    assert "p: no warning; no mode told" in text


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
    assert ("no mode told" in page) is (healths is WEARING)
    assert mpl.get_backend().lower() == "agg"
