"""Runs a job of the definitions in this process and tells what happens, one JSON line a step, on stdout.

python -m pdm_platform.execute retrain --config run.json --select drift_report
"""

import argparse
import json
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import dagster as dg

from pdm_platform.defs.failures import description_of

_LOOK_EVERY_S: Final = 0.2
# stdout tells the progress; Dagster's own account of every event is in its instance
_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "WARNING"}}}}
_STEPS: Final = {
    dg.DagsterEventType.STEP_START: "start",
    dg.DagsterEventType.STEP_SUCCESS: "success",
    dg.DagsterEventType.STEP_FAILURE: "failure",
}


def lines_of(entry: dg.EventLogEntry) -> Iterator[dict[str, Any]]:
    """What one event of a run has to say; most say nothing."""
    event = entry.dagster_event
    if event is None:
        yield {"event": "log", "step": entry.step_key, "text": entry.user_message}
    elif event.event_type in _STEPS:
        line: dict[str, Any] = {"event": _STEPS[event.event_type], "step": event.step_key}
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            line["description"] = description_of(event)
        yield line
    elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        found = {name: check.metadata[name].value for name in ("observed", "expected") if name in check.metadata}
        yield {"event": "check", "step": event.step_key, "check": check.check_name, "passed": check.passed, **found}


class Teller:
    """Follows a run's event log from another thread and prints its lines as they come."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self._instance, self._run_id = instance, run_id
        self._cursor: str | None = None
        self._summaries: dict[str, str] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "Teller":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()
        self._tell()

    def _follow(self) -> None:
        while not self._done.wait(_LOOK_EVERY_S):
            self._tell()

    def _tell(self) -> None:
        found = self._instance.get_records_for_run(self._run_id, cursor=self._cursor)
        self._cursor = found.cursor
        for record in found.records:
            self._remember_summary(record.event_log_entry.dagster_event)
            for line in lines_of(record.event_log_entry):
                if line["event"] == "success":
                    line["summary"] = self._summaries.get(line["step"], "")
                say({**line, "at": record.event_log_entry.timestamp})

    def _remember_summary(self, event: dg.DagsterEvent | None) -> None:
        """A step says in a few words what it did where it materialises, which comes before its success."""
        if event is not None and event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            summary = event.step_materialization_data.materialization.metadata.get("summary")
            self._summaries[str(event.step_key)] = "" if summary is None else str(summary.value)


def say(line: dict[str, Any]) -> None:
    """One JSON line, at once: whoever reads it shows progress."""
    print(json.dumps(line, default=str), flush=True)


def execute(
    definitions: dg.Definitions,
    job: str,
    run_config: dict[str, Any],
    select: Sequence[str],
    instance: dg.DagsterInstance,
) -> bool:
    """Run it, print its lines and a last one for the whole. Returns whether it succeeded."""
    started_s, run_id = time.monotonic(), str(uuid.uuid4())
    with Teller(instance, run_id):
        result = definitions.resolve_job_def(job).execute_in_process(
            run_config={**_QUIET, **run_config},
            instance=instance,
            asset_selection=[dg.AssetKey(name) for name in select] or None,
            raise_on_error=False,
            run_id=run_id,
        )
    say(
        {
            "event": "done",
            "success": result.success,
            "run_id": run_id,
            "seconds": round(time.monotonic() - started_s, 2),
        }
    )
    return result.success


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 where the job succeeded, 1 where it failed, 2 where it could not begin."""
    parser = argparse.ArgumentParser(prog="python -m pdm_platform.execute", description=__doc__)
    parser.add_argument("job", help="`retrain` or `monitor`")
    parser.add_argument("--config", type=Path, help="JSON file with the run's configuration, as the launchpad takes it")
    parser.add_argument("--select", default="", help="only these assets of the job, separated by commas")
    chosen = parser.parse_args(arguments)
    from pdm_platform.definitions import defs

    try:
        run_config = json.loads(chosen.config.read_text(encoding="utf-8")) if chosen.config else {}
        select = [name.strip() for name in chosen.select.split(",") if name.strip()]
        return 0 if execute(defs, chosen.job, run_config, select, dg.DagsterInstance.get()) else 1
    except (OSError, ValueError, dg.DagsterError) as error:
        say({"event": "done", "success": False, "description": str(error)})
        return 2


if __name__ == "__main__":
    sys.exit(main())
