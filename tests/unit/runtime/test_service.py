"""A process of the platform: it stops on signals, says how it is, and prints what a user can mend."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Counter

from pdm_platform.contract.errors import ProcessError
from pdm_platform.local.processes import free_port
from pdm_platform.runtime.service import Health, serve_health


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_part_is_healthy_only_while_it_makes_progress() -> None:
    health = Health()
    health.require("loop", within_s=0.05)

    fresh = health.problems()
    time.sleep(0.08)
    stalled = health.problems()
    health.progress("loop")

    assert fresh == {}
    assert list(stalled) == ["loop"]
    assert "allowed: 0.05 s" in stalled["loop"]
    assert health.problems() == {}


def test_a_watch_tells_what_it_finds_at_each_look() -> None:
    health, fault = Health(), ["store is locked"]
    health.watch("store", lambda: fault[0] if fault else None)

    before = health.problems()
    fault.clear()

    assert before == {"store": "store is locked"}
    assert health.problems() == {}


def test_health_and_metrics_are_answered_on_loopback_while_the_block_runs() -> None:
    port, health, registry = free_port(), Health(), CollectorRegistry()
    Counter("pdm_test_things", "Things", registry=registry).inc(3)

    with serve_health("bridge", health, registry, port):
        well = get(port, "/healthz")
        health.watch("broker", lambda: "not connected")
        ill = get(port, "/healthz")
        metrics = get(port, "/metrics")
        elsewhere = get(port, "/")

    assert (well[0], json.loads(well[1])) == (200, {"service": "bridge", "healthy": True, "problems": {}})
    assert (ill[0], json.loads(ill[1])["problems"]) == (503, {"broker": "not connected"})
    assert "pdm_test_things_total 3.0" in metrics[1]
    assert elsewhere[0] == 404
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_port_zero_serves_nothing() -> None:
    before = threading.active_count()

    with serve_health("bridge", Health(), CollectorRegistry(), 0):
        assert threading.active_count() == before


def test_a_taken_port_is_an_error_that_names_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])

        with (
            pytest.raises(ProcessError, match=f"127.0.0.1:{port}") as refused,
            serve_health("bridge", Health(), CollectorRegistry(), port),
        ):
            raise AssertionError

    assert "PDM_BRIDGE_HTTP_PORT" in refused.value.hint


def test_a_client_that_says_nothing_does_not_hold_back_the_end() -> None:
    port = free_port()

    with serve_health("bridge", Health(), CollectorRegistry(), port):
        silent = socket.create_connection(("127.0.0.1", port), timeout=5)
        assert get(port, "/healthz")[0] == 200
        began_s = time.monotonic()

    assert time.monotonic() - began_s < 2.0
    silent.close()


def run(body: str) -> subprocess.Popen[str]:
    script = textwrap.dedent("""
        from pdm_platform.contract.errors import SettingsError
        from pdm_platform.runtime.service import run_service
        def body(stop, health, registry):
        {body}
        raise SystemExit(run_service("test", body, http_port=0, log_level="INFO"))
    """).replace("{body}", textwrap.indent(body, "    "))
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_stop_and_the_process_ends_with_zero(number: signal.Signals) -> None:
    process = run("print('up', flush=True)\nwhile not stop.is_set(): stop.wait(0.05)\nprint('finished')")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"

    process.send_signal(number)
    out, log = process.communicate(timeout=10)

    assert (process.returncode, out) == (0, "finished\n")
    assert "test started" in log
    assert "test stopped" in log


def test_an_error_that_a_user_can_mend_is_printed_without_a_trace() -> None:
    process = run("raise SettingsError('PDM_X is wrong', hint='Set it right.')")

    _, log = process.communicate(timeout=10)

    assert process.returncode == 1
    assert "PDM-CONFIG-001 PDM_X is wrong\n  Set it right." in log
    assert "Traceback" not in log


def test_log_lines_carry_utc_time_and_level() -> None:
    process = run("import logging; logging.getLogger('part').warning('look')")

    _, log = process.communicate(timeout=10)

    assert time.strftime("%Y-%m-%d", time.gmtime()) in log
    assert "Z WARNING part: look" in log


def test_a_service_is_not_healthy_before_it_has_said_what_its_health_depends_on() -> None:
    health = Health()
    health.starting()
    before = health.problems()

    health.require("loop", 10.0)

    assert before == {"start": "it is starting"}
    assert health.problems() == {}
