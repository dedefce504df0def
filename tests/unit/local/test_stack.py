"""The embedded stack: real processes on free ports, a job's events as they come, and nothing left at the end."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from pdm_platform.contract.errors import ProcessError
from pdm_platform.local import stack as stack_module
from pdm_platform.local.processes import Process, Processes, is_free, pdmctl
from pdm_platform.local.stack import Stack, embedded_stack
from pdm_platform.runtime.settings import PlatformSettings

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups")


def job_that(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack whose `pdmctl job` is this script; its arguments are those of pdmctl."""
    monkeypatch.setattr(stack_module, "pdmctl", lambda *arguments: [sys.executable, "-c", script, *arguments])
    return Stack(PlatformSettings(home=tmp_path), {}, Processes())


def test_a_jobs_events_arrive_as_they_are_and_its_configuration_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """
import json, pathlib, sys
print(json.dumps({"event": "start", "step": "a"}), flush=True)
config = json.loads(pathlib.Path(sys.argv[sys.argv.index("--config") + 1]).read_text())
print(json.dumps({"event": "success", "step": "a", "job": sys.argv[2], "config": config}))
"""
    stack, events = job_that(script, tmp_path, monkeypatch), list[dict[str, Any]]()

    stack.run_job("retrain", events.append, config={"ops": {"seed": 7}})
    stack.processes.stop()

    assert events == [
        {"event": "start", "step": "a"},
        {"event": "success", "step": "a", "job": "retrain", "config": {"ops": {"seed": 7}}},
    ]


def test_a_job_that_fails_is_an_error_with_its_description_and_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = json.dumps({"event": "failure", "step": "validated_telemetry", "description": "12 % nulls in pressure"})
    stack = job_that(
        f"import sys; print('deep inside', file=sys.stderr); print('''{said}'''); sys.exit(1)", tmp_path, monkeypatch
    )

    with pytest.raises(ProcessError, match="job 'retrain' failed: 12 % nulls in pressure") as failed:
        stack.run_job("retrain", lambda _event: None)
    stack.processes.stop()

    assert "deep inside" in failed.value.hint


@pytest.mark.integration
def test_the_stack_runs_apart_from_the_environment_and_ends_with_all_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PDM_MQTT_HOST", "plant.example")
    monkeypatch.setenv("PDM_MQTT_USERNAME", "operator")
    monkeypatch.setenv("PDM_STORE_URL", f"sqlite:///{tmp_path / 'plant.sqlite'}")

    with embedded_stack(tmp_path / "home") as stack:
        problems = {name: process.problems() for name, process in stack.by_name.items() if process.http_port}
        children = list(stack.processes.children)
        os.kill(_pid(stack.by_name["bridge"]), signal.SIGKILL)
        while stack.by_name["bridge"].restarts == 0 or not stack.by_name["bridge"].running:
            assert all(process.restarts <= 1 for process in children)
            time.sleep(0.01)
        stack.processes.wait_healthy(stack.by_name["bridge"])

    assert [process.name for process in children] == ["broker", "bridge", "inference"]
    assert problems["bridge"] == {}
    assert problems["inference"].keys() == {"model"}
    assert not any(process.running for process in children)
    assert is_free(stack.platform.mqtt_port)
    assert not (tmp_path / "plant.sqlite").exists()
    assert (stack.platform.mqtt_host, stack.platform.mqtt_username) == ("127.0.0.1", "")


@pytest.mark.integration
def test_a_part_that_cannot_start_ends_the_others_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends_at_once = [sys.executable, "-c", "import sys; sys.exit('no inference today')"]
    before_pdmctl = pdmctl
    monkeypatch.setattr(
        stack_module, "pdmctl", lambda *words: ends_at_once if words == ("inference",) else before_pdmctl(*words)
    )
    monkeypatch.setattr(Processes, "wait_healthy", _soon(Processes.wait_healthy))
    started: list[Process] = []
    before = Processes.start

    def noting(self: Processes, process: Process) -> Process:
        started.append(process)
        return before(self, process)

    monkeypatch.setattr(Processes, "start", noting)

    with pytest.raises(ProcessError, match="inference did not become healthy") as failed, embedded_stack(tmp_path):
        raise AssertionError

    assert "no inference today" in failed.value.hint
    assert [process.name for process in started] == ["broker", "bridge", "inference"]
    assert not any(process.running for process in started)


def _soon(wait: Any) -> Any:
    return lambda self, process, **named: wait(self, process, 2.0 if process.name == "inference" else 30.0, **named)


def _pid(process: Process) -> int:
    assert process.handle is not None
    return process.handle.pid


def test_a_second_stack_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    refused = pytest.raises(ProcessError, match=r"a stack runs on .* already")
    with FileLock(tmp_path / "stack.lock"), refused, embedded_stack(tmp_path):
        raise AssertionError
