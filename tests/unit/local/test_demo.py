"""The demo ends with zero only if all of it happened, and leaves nothing behind however it ends."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pdm_platform.contract.errors import ProcessError
from pdm_platform.local import demo
from pdm_platform.local.demo import SMALL, Scale, run_demo, unmet
from pdm_platform.local.dev import run_dev
from pdm_platform.local.processes import free_port
from pdm_platform.local.summary import Summary

GOOD = Summary(
    seed=7,
    duration_s=60.0,
    published=100,
    stored=100,
    predicted=50,
    quarantined=0,
    lost=0,
    duplicated=0,
    unpredicted=0,
    redelivered=0,
    model_version="v1",
    macro_f1_unseen=0.9,
    baseline_macro_f1=0.5,
    health_mae_percent_unseen=5.0,
    unseen_pumps=8,
    devices=10,
    failures=2,
    failures_warned=2,
    late_warnings=0,
    median_warning_s=10.0,
    false_alarms=0,
    drift_detected=False,
)


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"stored": 99}, "stored 99, published 100"),
        ({"lost": 3}, "3 readings lost"),
        ({"duplicated": 4}, "4 readings stored twice"),
        ({"unpredicted": 5}, "5 readings without a prediction"),
        ({"failures": 0, "failures_warned": 0}, "no pump failed"),
        ({"failures_warned": 0}, "no failure was warned of"),
    ],
)
def test_whatever_did_not_happen_is_named_and_the_exit_code_is_not_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], complaint: str
) -> None:
    summary = dataclasses.replace(GOOD, **change)
    monkeypatch.setattr(demo, "_run", lambda *_arguments: summary)

    code = run_demo(tmp_path, 7, small=True)

    assert code == 1
    assert any(complaint in text for text in unmet(summary))


def test_a_run_in_which_all_happened_ends_with_zero_and_gets_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[tuple[Path, int, Scale]] = []

    def ran(_console: object, home: Path, seed: int, scale: Scale) -> Summary:
        runs.append((home, seed, scale))
        return GOOD

    monkeypatch.setattr(demo, "_run", ran)

    codes = [run_demo(tmp_path, seed, small=True) for seed in (7, 8)]

    assert codes == [0, 0]
    assert [(seed, scale) for _, seed, scale in runs] == [(7, SMALL), (8, SMALL)]
    assert runs[0][0] != runs[1][0]
    assert all(home.parent == tmp_path for home, _, _ in runs)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [(ProcessError("the job failed", hint="Look there."), 1, "Look there."), (KeyboardInterrupt(), 130, "has ended")],
)
def test_a_run_that_breaks_off_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    def broken(*_arguments: object) -> Summary:
        raise error

    monkeypatch.setattr(demo, "_run", broken)

    assert run_demo(tmp_path, 7, small=True) == code
    assert said in capsys.readouterr().out


@pytest.mark.integration
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_ends_and_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "pdm_platform.cli", "demo", "--small", "--folder", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    for line in running.stdout:  # to its second step: all services are up and the job begins
        if line.startswith("2/6"):
            break
    family = psutil.Process(running.pid).children(recursive=True)

    running.send_signal(number)
    rest, _ = running.communicate(timeout=60)

    assert running.returncode == 130
    assert "every process has ended" in rest
    assert len(family) >= 3
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_the_development_stack_says_so_where_its_port_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()

        code = run_dev(tmp_path, port, 4)

    assert code == 1
    said = capsys.readouterr().out
    assert f"port {port} is taken" in said
    assert "--ui-port" in said
