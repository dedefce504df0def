"""What runs by itself, and when it does not."""

import json
import shutil
import time
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from pdm_platform.contract.measurements import DRIFT_SCORE, JOB_RUN
from pdm_platform.contract.times import NS_PER_HOUR, iso_of
from pdm_platform.definitions import defs
from pdm_platform.defs.automation import record_successful_runs, report_failed_runs, retrain_on_lasting_drift
from pdm_platform.defs.resources import Platform
from tests.assets.conftest import FLOW, SMALL, WHOLE, Run, World


def drift_history(world: World, *drifted: bool, version: str = "", apart_ns: int = NS_PER_HOUR) -> None:
    """One fleet score an hour, the newest last, on the version in production."""
    pointer = world.registry.production()
    assert pointer is not None
    now_ns = time.time_ns()
    ends_ns = [now_ns - (len(drifted) - index) * apart_ns for index in range(len(drifted))]
    rows = [
        {"channel": "fleet", "time_ns": ends_ns[index], "score": 0.6,
         "threshold": 0.5, "drifted": int(drift), "window_start_ns": ends_ns[index] - NS_PER_HOUR, "rows": 100,
         "model_version": version or pointer.version}
        for index, drift in enumerate(drifted)
    ]  # fmt: skip
    with world.store() as store:
        store.write(DRIFT_SCORE, pa.Table.from_pylist(rows, schema=DRIFT_SCORE.schema))


def promoted_days_ago(world: World, days: float) -> None:
    path = world.home / "registry" / "production.json"
    pointer = json.loads(path.read_text("utf-8"))
    pointer["promoted_at"] = iso_of(time.time_ns() - int(days * 24 * NS_PER_HOUR))
    path.write_text(json.dumps(pointer), encoding="utf-8")


def tick(world: World, cursor: str | None = None) -> dg.SensorResult | str:
    """What the sensor asks for, or why it does not."""
    context = dg.build_sensor_context(instance=world.instance, cursor=cursor)
    answer = retrain_on_lasting_drift(context, platform=Platform())
    if isinstance(answer, dg.SkipReason):
        return answer.skip_message or ""
    assert isinstance(answer, dg.SensorResult)
    return answer


def test_drift_over_three_windows_asks_for_retraining(trained: World) -> None:
    promoted_days_ago(trained, 3)
    drift_history(trained, False, True, True, True)

    asked = tick(trained)

    assert isinstance(asked, dg.SensorResult)
    (request,) = asked.run_requests or ()
    assert request.run_key is not None
    assert request.run_key.startswith("drift-")


def test_one_blip_asks_for_nothing(trained: World) -> None:
    promoted_days_ago(trained, 3)
    drift_history(trained, False, True, False)

    assert tick(trained) == "1 of the last 3 windows drifted"


def test_looking_at_one_blip_again_and_again_asks_for_nothing(trained: World) -> None:
    promoted_days_ago(trained, 3)
    drift_history(trained, True, True, True, apart_ns=NS_PER_HOUR // 60)

    assert tick(trained) == "1 of the last 3 windows drifted"


def test_after_asking_it_cools_down_even_where_the_run_failed(trained: World) -> None:
    promoted_days_ago(trained, 3)
    drift_history(trained, True, True, True)
    asked = tick(trained)
    assert isinstance(asked, dg.SensorResult)

    again = tick(trained, asked.cursor)

    assert "cooling down" in str(again)


def test_a_model_promoted_an_hour_ago_is_given_time(trained: World) -> None:
    promoted_days_ago(trained, 1 / 24)
    drift_history(trained, True, True, True)

    assert "cooling down" in str(tick(trained))


def test_drift_from_an_earlier_version_does_not_count(trained: World) -> None:
    promoted_days_ago(trained, 3)
    drift_history(trained, True, True, True, version="v20250101T000000-00000000")

    assert tick(trained) == "0 of the last 3 windows drifted"


def test_without_a_model_or_with_a_broken_registry_the_sensor_waits(world: World) -> None:
    assert tick(world) == "0 of the last 3 windows drifted"

    (world.home / "registry").mkdir()
    (world.home / "registry" / "production.json").write_text("{", encoding="utf-8")

    assert "PDM-REGISTRY-002" in str(tick(world))


def status_context(world: World, run: Run, ended: dg.DagsterEventType) -> dg.RunStatusSensorContext:
    """What Dagster's daemon hands to a sensor that follows the ends of runs."""
    (event,) = [event for event in run.result.all_events if event.event_type is ended]
    return dg.build_run_status_sensor_context(
        sensor_name="follows_runs",
        dagster_event=event,
        dagster_instance=world.instance,
        dagster_run=run.result.dagster_run,
    )


def job_runs(world: World) -> list[dict[str, Any]]:
    with world.store() as store:
        rows: list[dict[str, Any]] = store.read(JOB_RUN, WHOLE).to_pylist()
        return rows


def test_a_failed_run_is_reported_with_what_failed_and_why(world: World) -> None:
    run = world.materialize("telemetry_window")

    context = status_context(world, run, dg.DagsterEventType.RUN_FAILURE).for_run_failure()
    report_failed_runs(context, platform=Platform())

    (line,) = (world.home / "failed_runs.jsonl").read_text("utf-8").splitlines()
    report = json.loads(line)
    assert report["run_id"] == run.result.run_id
    assert "no labelled readings" in report["failures"]["telemetry_window"]
    (row,) = job_runs(world)
    assert (row["job"], row["success"], row["run_id"]) == ("chosen", 0, run.result.run_id)
    assert "no labelled readings" in row["message"]


def test_a_failed_run_is_reported_although_the_store_is_away(world: World) -> None:
    run = world.materialize("telemetry_window")
    shutil.rmtree(world.home / "store")

    context = status_context(world, run, dg.DagsterEventType.RUN_FAILURE).for_run_failure()
    report_failed_runs(context, platform=Platform())

    assert len((world.home / "failed_runs.jsonl").read_text("utf-8").splitlines()) == 1


def test_a_successful_run_is_kept_in_the_store_once_with_its_duration(trained: World) -> None:
    run = trained.materialize("telemetry_window", config={"telemetry_window": SMALL["telemetry_window"]})
    context = status_context(trained, run, dg.DagsterEventType.RUN_SUCCESS)

    record_successful_runs(context, platform=Platform())
    record_successful_runs(context, platform=Platform())

    (row,) = job_runs(trained)
    assert (row["job"], row["success"], row["run_id"]) == ("chosen", 1, run.result.run_id)
    assert 0 < row["duration_s"] < 60
    assert abs(row["time_ns"] - time.time_ns()) < NS_PER_HOUR


def test_the_definitions_hold_the_flow_in_groups_with_descriptions_and_checks() -> None:
    graph = defs.resolve_asset_graph()
    groups = [graph.get(dg.AssetKey(name)).group_name for name in FLOW]

    assert groups == ["simulate", "extract", "validate", "features", "train", "evaluate", "promote"]
    for child, parent in zip(FLOW[1:], FLOW[:-1], strict=True):
        assert graph.get(dg.AssetKey(child)).parent_keys == {dg.AssetKey(parent)}
    assert {key.path[-1] for key in graph.get_all_asset_keys()} == {*FLOW, "drift_report", "prediction_quality"}
    assert all(graph.get(key).description for key in graph.get_all_asset_keys())


def test_schedules_are_stopped_until_someone_starts_them() -> None:
    schedules = {schedule.name: schedule for schedule in defs.get_repository_def().schedule_defs}

    assert {name: schedule.default_status for name, schedule in schedules.items()} == {
        "weekly_retraining": dg.DefaultScheduleStatus.STOPPED,
        "hourly_monitoring": dg.DefaultScheduleStatus.STOPPED,
    }
    assert schedules["weekly_retraining"].cron_schedule == "0 3 * * 1"
    assert schedules["hourly_monitoring"].cron_schedule == "5 * * * *"


@pytest.mark.parametrize(
    ("job", "steps"), [("retrain", set(FLOW)), ("monitor", {"drift_report", "prediction_quality"})]
)
def test_a_job_runs_its_assets_and_their_checks(job: str, steps: set[str]) -> None:
    definition = defs.resolve_job_def(job)

    assert {key.path[-1] for key in definition.asset_layer.selected_asset_keys} == steps
    assert definition.asset_layer.asset_graph.asset_check_keys
