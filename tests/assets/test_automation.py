"""What runs by itself, and when it does not."""

import json
import time
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from pdm_platform.contract.errors import StoreError
from pdm_platform.contract.measurements import DRIFT_SCORE, JOB_RUN
from pdm_platform.contract.times import NS_PER_HOUR, iso_of
from pdm_platform.definitions import defs
from pdm_platform.defs.automation import record_runs, report_failed_runs, retrain_on_lasting_drift
from pdm_platform.defs.resources import Platform
from tests.world import FLOW, SMALL, WHOLE, World


def drift_history(
    world: World, *drifted: bool, version: str = "", apart_ns: int = NS_PER_HOUR, cause: str | None = None
) -> None:
    """One fleet score an hour, the newest last, on the version in production."""
    pointer = world.registry.production()
    assert pointer is not None
    now_ns = time.time_ns()
    ends_ns = [now_ns - (len(drifted) - index) * apart_ns for index in range(len(drifted))]
    rows = [
        {"channel": "fleet", "time_ns": ends_ns[index], "score": 0.6,
         "threshold": 0.5, "drifted": int(drift), "window_start_ns": ends_ns[index] - NS_PER_HOUR, "rows": 100,
         "model_version": version or pointer.version, "cause": cause}
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


def test_a_change_of_regime_that_lasts_asks_for_retraining_and_says_so(trained: World) -> None:
    promoted_days_ago(trained, 3)
    drift_history(trained, True, True, True, cause="regime_change")

    asked = tick(trained)

    assert isinstance(asked, dg.SensorResult)
    (request,) = asked.run_requests or ()
    assert request.tags["pdm/reason"].endswith("regime_change")


@pytest.mark.parametrize(("cause", "drifted"), [("sensor_fault", False), ("wear", False), ("wear", True)])
def test_a_lying_sensor_and_wear_are_told_to_people_and_never_ask_for_retraining(
    trained: World, cause: str, drifted: bool
) -> None:
    promoted_days_ago(trained, 3)
    drift_history(trained, drifted, drifted, drifted, cause=cause)

    assert f"3 of them show {cause}, which retraining does not cure" in str(tick(trained))


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


def job_runs(world: World) -> list[dict[str, Any]]:
    with world.store() as store:
        rows: list[dict[str, Any]] = store.read(JOB_RUN, WHOLE).to_pylist()
        return rows


def look(world: World, cursor: str | None = None) -> tuple[str | None, str]:
    """Where the sensor that tells the store of runs has got to, and what it says."""
    answer = record_runs(dg.build_sensor_context(instance=world.instance, cursor=cursor), platform=Platform())
    assert isinstance(answer, dg.SensorResult)
    assert isinstance(answer.skip_reason, dg.SkipReason)
    return answer.cursor, answer.skip_reason.skip_message or ""


def test_a_failed_run_is_reported_with_what_failed_and_why(world: World) -> None:
    run = world.materialize("telemetry_window")
    (event,) = [event for event in run.result.all_events if event.event_type is dg.DagsterEventType.RUN_FAILURE]
    context = dg.build_run_status_sensor_context(
        sensor_name="report_failed_runs",
        dagster_event=event,
        dagster_instance=world.instance,
        dagster_run=run.result.dagster_run,
    )

    report_failed_runs(context.for_run_failure(), platform=Platform())

    (line,) = (world.home / "failed_runs.jsonl").read_text("utf-8").splitlines()
    report = json.loads(line)
    assert report["run_id"] == run.result.run_id
    assert "no labelled readings" in report["failures"]["telemetry_window"]


def test_the_store_is_told_of_each_run_once_with_its_end_its_duration_and_what_failed(trained: World) -> None:
    good = trained.materialize("telemetry_window", config={"telemetry_window": SMALL["telemetry_window"]})
    cursor, _ = look(trained)
    first = job_runs(trained)

    bad = trained.materialize("telemetry_window", config={"telemetry_window": {"window_end": "2020-01-01"}})
    cursor, said = look(trained, cursor)
    _, again = look(trained, cursor)

    assert next(row for row in first if row["run_id"] == good.result.run_id)["success"] == 1
    assert (said, again) == ("told the store of 1 runs", "no run has ended since the last look")
    (row,) = [row for row in job_runs(trained) if row not in first]
    assert (row["job"], row["success"], row["run_id"]) == ("chosen", 0, bad.result.run_id)
    assert "telemetry_window" in json.loads(row["message"])
    assert 0 < row["duration_s"] < 60
    assert abs(row["time_ns"] - time.time_ns()) < NS_PER_HOUR


def test_a_run_that_ended_while_the_store_was_away_is_told_when_it_is_back(world: World) -> None:
    run = world.materialize("telemetry_window")
    (world.home / "store").rename(world.home / "away")
    (world.home / "store").write_text("no folder")

    with pytest.raises(StoreError):
        look(world)
    (world.home / "store").unlink()
    (world.home / "away").rename(world.home / "store")
    look(world)

    (row,) = job_runs(world)
    assert (row["run_id"], row["success"]) == (run.result.run_id, 0)


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
