"""The monitors over a simulated fleet with predictions."""

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DRIFT_SCORE, PUMP_PREDICTION, PUMP_TELEMETRY, Measurement
from pdm_platform.contract.payloads import Telemetry, decode
from pdm_platform.contract.times import NS_PER_MS, time_ns_of
from simulators.live import LiveFleet
from simulators.plans import FleetPlan
from tests.world import WHOLE, World

LIVE_END = "2026-03-01T12:00:00Z"
PUMPS, READINGS = 24, 60
CONFIG: dict[str, Any] = {
    name: {"window_end": LIVE_END, "window_minutes": 30} for name in ("drift_report", "prediction_quality")
}


def run_fleet(world: World, *, heatwave: bool = False, warning: int = 0, unpredicted: int = 0) -> None:
    """Store a minute of a nearly new fleet and its predictions; `warning` pumps are predicted WARNING."""
    plan = FleetPlan(pumps=PUMPS, failing=0, chaos_pumps=0, seed=99, heatwave=heatwave)
    end_ms = time_ns_of(LIVE_END) // NS_PER_MS
    fleet = LiveFleet(plan, end_ms - READINGS * 1_000)
    rows = []
    while batch := fleet.take(end_ms - 1):
        rows += [_row(decode(Telemetry, payload)) for payload in batch.payloads]
    store_rows(world, PUMP_TELEMETRY, rows)
    said = [
        {**row, "state": "WARNING" if row["device_id"] <= f"pump-{warning:03d}" else "HEALTHY", "model_version": "v1"}
        for row in rows
    ]
    store_rows(world, PUMP_PREDICTION, said[unpredicted:])


def _row(reading: Telemetry) -> dict[str, Any]:
    assert reading.timestamp is not None
    return {**msgspec.structs.asdict(reading), "time_ns": time_ns_of(reading.timestamp)}


def store_rows(world: World, measurement: Measurement, rows: list[dict[str, Any]]) -> None:
    with world.store() as store:
        store.write(measurement, pa.Table.from_pylist(rows, schema=measurement.schema))


def test_a_healthy_fleet_of_other_pumps_has_not_drifted(trained: World) -> None:
    run_fleet(trained)

    run = trained.materialize("drift_report", config={"drift_report": CONFIG["drift_report"]})

    assert run.success, run.failures
    assert run.checks == {"no_drift": True, "sensors_agree": True}
    told = run.metadata("drift_report")
    assert (told["readings"], told["healthy_compared"], told["share_left_out"]) == (1_440, 1_440, 0.0)
    assert Path(told["report_path"]).stat().st_size > 100_000


def test_a_fleet_that_runs_fifteen_degrees_warmer_has_drifted(trained: World) -> None:
    run_fleet(trained, heatwave=True)

    run = trained.materialize("drift_report", config={"drift_report": CONFIG["drift_report"]})

    assert run.success, run.failures
    assert run.checks == {"no_drift": False, "sensors_agree": True}
    assert "cause: season" in run.check("no_drift")["observed"]
    assert "| season | yes |" in run.metadata("drift_report")["diagnosis"]


def test_scores_are_stored_by_channel_and_for_the_fleet_and_a_rerun_replaces_them(trained: World) -> None:
    run_fleet(trained, heatwave=True)
    pointer = trained.registry.production()
    assert pointer is not None

    for _ in range(2):
        trained.materialize("drift_report", config={"drift_report": CONFIG["drift_report"]})

    with trained.store() as store:
        rows = {row["channel"]: row for row in store.read(DRIFT_SCORE, WHOLE).to_pylist()}
        assert store.count(DRIFT_SCORE, WHOLE) == len(rows) == 9
    assert set(rows) == {*CHANNEL_NAMES, "fleet"}
    assert (rows["temperature"]["drifted"], rows["pressure"]["drifted"], rows["fleet"]["drifted"]) == (1, 0, 1)
    assert {row["model_version"] for row in rows.values()} == {pointer.version}
    assert {row["time_ns"] for row in rows.values()} == {time_ns_of(LIVE_END)}


def test_a_later_report_knows_where_the_pumps_ran_in_an_earlier_one(trained: World) -> None:
    run_fleet(trained)
    spans = [{"window_end": "2026-03-01T11:59:30Z"}, {"window_start": "2026-03-01T11:59:30Z", "window_end": LIVE_END}]

    early, later = (
        trained.materialize("drift_report", config={"drift_report": span}).metadata("drift_report") for span in spans
    )

    assert early["pumps_seen_before"] == 0
    assert later["pumps_seen_before"] == later["pumps"] > 0


def test_pumps_that_are_not_predicted_healthy_are_left_out_and_the_share_is_told(trained: World) -> None:
    run_fleet(trained, warning=6)

    told = trained.materialize("drift_report", config={"drift_report": CONFIG["drift_report"]}).metadata("drift_report")

    assert told["share_left_out"] == pytest.approx(0.25)


@pytest.mark.parametrize("asset", ["drift_report", "prediction_quality"])
def test_a_window_without_readings_is_an_error_and_not_an_all_clear(trained: World, asset: str) -> None:
    run = trained.materialize(asset, config={asset: CONFIG[asset]})

    assert "no live readings from 2026-03-01T11:30:00.000000Z" in run.failure


def test_readings_without_predictions_are_too_little_to_tell_drift(trained: World) -> None:
    run_fleet(trained, unpredicted=PUMPS * READINGS)

    run = trained.materialize("drift_report", config={"drift_report": CONFIG["drift_report"]})

    assert "the window 0" in run.failure


def test_drift_needs_a_version_in_production(world: World) -> None:
    run = world.materialize("drift_report")

    assert "no version is in production" in run.failure


def test_prediction_quality_tells_coverage_mix_and_error(trained: World) -> None:
    run_fleet(trained, warning=6)

    run = trained.materialize("prediction_quality", config={"prediction_quality": CONFIG["prediction_quality"]})

    told = run.metadata("prediction_quality")
    assert (told["readings"], told["predicted"], told["with_truth"], told["coverage"]) == (1_440, 1_440, 1_440, 1.0)
    assert told["health_mae_percent"] == 0.0
    # all are healthy, a quarter is called WARNING: F1 of HEALTHY is 2*1080/(1440+1080), of WARNING 0
    assert told["macro_f1"] == pytest.approx((2 * 1_080 / 2_520) / 2)
    assert run.checks == {"readings_are_predicted": True}


def test_readings_that_were_not_predicted_fail_the_coverage_check(trained: World) -> None:
    run_fleet(trained, unpredicted=144)

    run = trained.materialize("prediction_quality", config={"prediction_quality": CONFIG["prediction_quality"]})

    assert run.checks == {"readings_are_predicted": False}
    assert run.check("readings_are_predicted")["observed"] == pytest.approx(0.9)


def test_a_window_that_ends_before_it_begins_is_named(trained: World) -> None:
    config = {"drift_report": {"window_start": "2026-03-02T00:00:00Z", "window_end": LIVE_END}}

    run = trained.materialize("drift_report", config=config)

    assert "window_start: the window ends before it has begun" in run.failure
