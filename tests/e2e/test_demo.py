"""The real demo, small: every process, every step, with processes killed meanwhile."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
SUMMARY_FIELDS = {
    *("duration_s", "published", "stored", "predicted", "quarantined", "lost", "duplicated", "model_version"),
    *("macro_f1_unseen", "baseline_macro_f1", "devices", "failures", "failures_warned", "median_warning_s"),
    *("false_alarms", "drift_detected"),
}


@contextmanager
def running_demo(folder: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "pdm_platform.cli", "demo", "--small", "--folder", str(folder)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    ) as demo:
        children = psutil.Process(demo.pid)
        try:
            yield demo
        finally:
            left = children.children(recursive=True) if demo.poll() is None else []
            for process in left:
                process.kill()
            demo.kill()


def read_until(demo: subprocess.Popen[str], marker: str, lines: list[str]) -> None:
    assert demo.stdout is not None
    for line in demo.stdout:
        lines.append(line)
        if marker in line:
            return
    pytest.fail(f"the demo ended before {marker!r}:\n{''.join(lines)}")


def kill_service(demo: subprocess.Popen[str], is_it: Callable[[list[str]], bool]) -> None:
    (service,) = [child for child in psutil.Process(demo.pid).children() if is_it(child.cmdline())]
    service.kill()


def is_bridge(command: list[str]) -> bool:
    return command[-1:] == ["bridge"]


def is_broker(command: list[str]) -> bool:
    return Path(command[0]).name == "nats-server"


def test_nothing_is_lost_or_doubled_while_the_bridge_is_killed_twice_and_the_broker_once(tmp_path: Path) -> None:
    lines: list[str] = []

    with running_demo(tmp_path, PDM_DEMO_SEED="11") as demo:
        read_until(demo, "2/6", lines)
        read_until(demo, "the broker has", lines)
        kill_service(demo, is_bridge)
        read_until(demo, "4/6", lines)
        read_until(demo, "next:", lines)
        kill_service(demo, is_broker)
        read_until(demo, "next:", lines)
        kill_service(demo, is_bridge)
        assert demo.stdout is not None
        lines += demo.stdout.readlines()
        exit_code = demo.wait()

    assert exit_code == 0, "".join(lines)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary.keys() >= SUMMARY_FIELDS
    assert summary["seed"] == 11
    assert summary["stored"] == summary["published"] > 5_000
    assert (summary["lost"], summary["duplicated"], summary["unpredicted"]) == (0, 0, 0)
    assert summary["predicted"] > 1_000
    assert summary["devices"] == 10
    assert summary["failures"] == 2
    assert summary["macro_f1_unseen"] > summary["baseline_macro_f1"] + 0.05
    report = (tmp_path / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 4
    assert not re.search(r"""(src|href)=["']?http""", report)


@pytest.mark.parametrize("moment", ["1/6", "the broker has", "health regressor"])
def test_an_interrupt_stops_every_process_within_five_seconds(tmp_path: Path, moment: str) -> None:
    with running_demo(tmp_path) as demo:
        read_until(demo, moment, [])
        started = psutil.Process(demo.pid).children(recursive=True)

        demo.send_signal(signal.SIGINT)
        asked_s = time.monotonic()
        demo.wait(timeout=10)

    assert time.monotonic() - asked_s < 5
    assert demo.returncode == 130
    # where nobody reaps orphans, what has ended stays as a zombie
    assert not [each for each in started if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
