"""What runs by itself: two jobs, their schedules (stopped until someone starts them), and three sensors."""

import json
import logging
import time
from datetime import UTC, datetime
from typing import Final

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from pdm_platform.contract.errors import PdmError
from pdm_platform.contract.measurements import DRIFT_SCORE, JOB_RUN, Window
from pdm_platform.contract.times import NS_PER_S, iso_of, time_ns_of
from pdm_platform.core.drift_lasting import Looked, cooled_down, disjoint, reason_to_wait
from pdm_platform.defs.drift_result import FLEET
from pdm_platform.defs.failures import description_of
from pdm_platform.defs.monitor import LOOK_BACK_NS
from pdm_platform.defs.resources import Platform

log = logging.getLogger(__name__)
DRIFTED_WINDOWS_NEEDED: Final = 3
COOL_DOWN_HOURS: Final = 24.0
_ENDED: Final = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
_RUNS_AT_ONCE: Final = 100

retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.groups("simulate", "extract", "validate", "features", "train", "evaluate", "promote"),
    description="The whole flow: life cycles, gate, features, training, judgement on unseen pumps, promotion.",
)
monitor = dg.define_asset_job(
    "monitor",
    selection=dg.AssetSelection.groups("monitor"),
    description="Drift of healthy operation and quality of the predictions over the last hour.",
)
weekly_retraining = dg.ScheduleDefinition(
    name="weekly_retraining",
    job=retrain,
    cron_schedule="0 3 * * 1",
    execution_timezone="UTC",
    description="Mondays at 03:00 UTC.",
)
hourly_monitoring = dg.ScheduleDefinition(
    name="hourly_monitoring",
    job=monitor,
    cron_schedule="5 * * * *",
    execution_timezone="UTC",
    description="Five minutes past each hour.",
)


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        f"Asks for retraining when the last {DRIFTED_WINDOWS_NEEDED} drift reports on the version in production have"
        f" all drifted for a reason that training cures, at most once in {COOL_DOWN_HOURS:g} hours. A lying sensor and"
        " worn pumps it names instead."
    ),
)
def retrain_on_lasting_drift(
    context: dg.SensorEvaluationContext, platform: Platform
) -> dg.SensorResult | dg.SkipReason:
    """The cursor holds when retraining was last asked for, so that a run which fails is not repeated at once."""
    try:
        windows, last_ns = _drift_of_production(platform)
    except PdmError as error:
        return dg.SkipReason(str(error))
    asked_ns = int(context.cursor) if context.cursor else None
    last_ns = max((moment for moment in (asked_ns, last_ns) if moment is not None), default=None)
    if reason := reason_to_wait(windows, needed=DRIFTED_WINDOWS_NEEDED):
        return dg.SkipReason(reason)
    now_ns = time.time_ns()
    if not cooled_down(now_ns, last_ns, cool_down_hours=COOL_DOWN_HOURS):
        return dg.SkipReason(f"drift lasts, but the last training was at {iso_of(last_ns or 0)}: cooling down")
    newest = windows[-1]
    reason = f"drift until {iso_of(newest.end_ns)}" + (f": {newest.cause}" if newest.cause else "")
    request = dg.RunRequest(run_key=f"drift-{newest.end_ns}", tags={"pdm/reason": reason})
    return dg.SensorResult(run_requests=[request], cursor=str(now_ns))


def _drift_of_production(platform: Platform) -> tuple[list[Looked], int | None]:
    """The disjoint windows that were judged against the version in production; when it was promoted."""
    pointer = platform.registry.production()
    if pointer is None:
        return [], None
    now_ns = time.time_ns()
    with platform.store() as store:
        scores = store.read(DRIFT_SCORE, Window(now_ns - LOOK_BACK_NS, now_ns))
    chosen = pc.and_(pc.equal(scores["channel"], FLEET), pc.equal(scores["model_version"], pointer.version))
    fleet = scores.filter(chosen).sort_by("time_ns")
    columns = (fleet[name].to_pylist() for name in ("window_start_ns", "time_ns", "drifted", "cause"))
    windows = [Looked(start, end, bool(drift), cause or "") for start, end, drift, cause in zip(*columns, strict=True)]
    return disjoint(windows), time_ns_of(pointer.promoted_at)


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Appends each failed run to `failed_runs.jsonl` in the platform's home, with what failed and why.",
)
def report_failed_runs(context: dg.RunFailureSensorContext, platform: Platform) -> None:
    """One JSON line a failed run, for whoever watches the file; the same text goes to the log."""
    failures = {event.step_key or "run": description_of(event) for event in context.get_step_failure_events()}
    line = {
        "at": datetime.now(UTC).isoformat(),
        "job": context.dagster_run.job_name,
        "run_id": context.dagster_run.run_id,
        "failures": failures or {"run": context.failure_event.message or "no reason was given"},
    }
    path = platform.settings.home.absolute() / "failed_runs.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    log.error("run %s of %s failed: %s", line["run_id"], line["job"], line["failures"])


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the store how each run ended, for the panel and the alert on jobs.",
)
def record_runs(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """One row of JOB_RUN for each run that ended since the last look. Where the store is away it fails and looks again.

    Dagster's own sensors on the end of a run would not: they pass over a run whose sensor failed.
    """
    since = datetime.fromtimestamp(float(context.cursor or 0), UTC)
    ended = dg.RunsFilter(statuses=list(_ENDED), updated_after=since)
    records = context.instance.get_run_records(ended, limit=_RUNS_AT_ONCE, order_by="update_timestamp", ascending=True)
    if not records:
        return dg.SensorResult(skip_reason="no run has ended since the last look", cursor=context.cursor)
    rows = [_row_of(context.instance, record) for record in records]
    with platform.store() as store:
        store.write(JOB_RUN, pa.Table.from_pylist(rows, schema=JOB_RUN.schema))
    seen = str(records[-1].update_timestamp.timestamp())
    return dg.SensorResult(skip_reason=f"told the store of {len(rows)} runs", cursor=seen)


def _row_of(instance: dg.DagsterInstance, record: dg.RunRecord) -> dict[str, object]:
    run = record.dagster_run
    ended_s = record.end_time or record.update_timestamp.timestamp()
    failed = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    events = [entry.dagster_event for entry in failed if entry.dagster_event is not None]
    return {
        "job": run.job_name,
        "time_ns": int(ended_s * NS_PER_S),
        "success": int(run.status is dg.DagsterRunStatus.SUCCESS),
        "duration_s": ended_s - (record.start_time or ended_s),
        "run_id": run.run_id,
        "message": json.dumps({event.step_key or "run": description_of(event) for event in events}) if events else "",
    }
