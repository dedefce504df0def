"""Children are started, looked after, restarted, and all gone at the end, whatever they or the user do."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from pdm_platform.contract.errors import ProcessError
from pdm_platform.local.processes import STOP_WITHIN_S, Process, Processes, free_port, is_free

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and signals")
SLEEP = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
NOTES_ITS_END = """
import pathlib, signal, sys, time
def end(*_):
    time.sleep(float(sys.argv[2]))
    pathlib.Path(sys.argv[1]).write_text(str(time.monotonic()))
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print('up', flush=True)
time.sleep(60)
"""


def child(folder: Path, script: str, *arguments: str, name: str = "child", **changes: object) -> Process:
    command = [sys.executable, "-c", script, *arguments]
    return Process(name=name, command=command, environment={}, log_path=folder / f"{name}.log", **changes)  # type: ignore[arg-type]


def until(done: Callable[[], object], within_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def is_up(process: Process) -> bool:
    return "up" in process.log_tail()


def pid(process: Process) -> int:
    assert process.handle is not None
    return process.handle.pid


@pytest.fixture
def processes() -> Iterator[Processes]:
    started = Processes()
    yield started
    started.stop()


def test_a_child_that_dies_is_started_again(tmp_path: Path, processes: Processes) -> None:
    process = processes.start(child(tmp_path, SLEEP))
    first = pid(process)

    os.kill(first, signal.SIGKILL)
    until(lambda: pid(process) != first and process.running)

    assert process.restarts == 1


def test_a_child_that_is_not_to_be_restarted_stays_ended(tmp_path: Path, processes: Processes) -> None:
    once = processes.start(child(tmp_path, "print('done')", restart=False, name="once"))
    other = processes.start(child(tmp_path, SLEEP, name="other"))
    assert once.handle is not None
    assert once.handle.wait(10) == 0
    os.kill(pid(other), signal.SIGKILL)
    until(lambda: other.restarts == 1)

    assert not once.running
    assert once.restarts == 0


def test_at_the_end_all_are_gone_the_oldest_last(tmp_path: Path) -> None:
    processes, ends = Processes(), [tmp_path / "broker-end", tmp_path / "a-end", tmp_path / "b-end"]
    children = [
        processes.start(child(tmp_path, NOTES_ITS_END, str(end), delay, name=end.name))
        for end, delay in zip(ends, ("0", "0.3", "0"), strict=True)
    ]
    until(lambda: all(is_up(process) for process in children))

    processes.stop()

    moments = [float(end.read_text(encoding="utf-8")) for end in ends]
    assert not any(process.running for process in children)
    assert moments[0] > max(moments[1:])


def test_a_child_that_ignores_the_signal_is_killed_in_time(tmp_path: Path) -> None:
    processes = Processes()
    stubborn = [processes.start(child(tmp_path, STUBBORN, name=f"stubborn-{number}")) for number in range(2)]
    until(lambda: all(is_up(process) for process in stubborn))
    began_s = time.monotonic()

    processes.stop()

    assert time.monotonic() - began_s < STOP_WITHIN_S + 0.7
    assert not any(process.running for process in stubborn)


def test_what_a_child_started_goes_with_it_even_where_the_child_goes_first(tmp_path: Path) -> None:
    script = f"""
        import subprocess, sys
        grandchild = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], stdout=subprocess.PIPE)
        grandchild.stdout.readline()
        print('up', grandchild.pid, flush=True)
        grandchild.wait()
    """
    processes = Processes()
    process = processes.start(child(tmp_path, textwrap.dedent(script)))
    until(lambda: is_up(process))
    grandchild = psutil.Process(int(process.log_tail().split()[1]))

    processes.stop()

    until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)
    assert not process.running


def test_a_stop_during_a_restart_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processes, process = Processes(), child(tmp_path, SLEEP)
    processes.start(process)
    restarting, started = threading.Event(), Process.start

    def slow_start(self: Process) -> None:
        restarting.set()
        time.sleep(0.3)
        started(self)

    monkeypatch.setattr(Process, "start", slow_start)
    os.kill(pid(process), signal.SIGKILL)
    assert restarting.wait(10)

    processes.stop()

    assert process.restarts == 1
    assert not process.running


def test_an_interrupt_during_a_start_waits_until_the_child_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes, process, started = Processes(), child(tmp_path, SLEEP), Process.start

    def interrupted(self: Process) -> None:
        started(self)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)

    monkeypatch.setattr(Process, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        processes.start(process)
    known = processes.children == [process]
    processes.stop()

    assert known
    assert not process.running


def test_an_impatient_second_interrupt_does_not_cut_the_end_short(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    processes = Processes()
    process = processes.start(child(tmp_path, NOTES_ITS_END, str(tmp_path / "end"), "0.4"))
    until(lambda: is_up(process))
    impatience = [
        threading.Timer(0.1, os.kill, (os.getpid(), n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ]
    for timer in impatience:
        timer.start()

    processes.stop()

    assert (tmp_path / "end").exists()
    assert not process.running
    assert signal.getsignal(signal.SIGINT) is before


def test_nothing_is_started_once_the_end_has_begun(tmp_path: Path) -> None:
    processes = Processes()
    processes.stop()

    with pytest.raises(ProcessError, match="late is not started any more"):
        processes.start(child(tmp_path, SLEEP, name="late"))


def test_no_orphan_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    script = f"""
        import sys, time
        from pathlib import Path
        from pdm_platform.local.processes import Process, Processes
        child = "from pdm_platform.local.processes import end_with_parent; import time; end_with_parent();" \\
            "print('up', flush=True); time.sleep(60)"
        processes = Processes()
        process = Process("child", [sys.executable, "-c", child], {{}}, Path({str(tmp_path)!r}) / "child.log")
        processes.start(process)
        while "up" not in process.log_tail():
            time.sleep(0.01)
        print(process.handle.pid, flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    orphan = psutil.Process(int(parent.stdout.readline()))

    parent.kill()
    parent.wait()
    parent.stdout.close()

    with suppress(psutil.NoSuchProcess):
        until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the kernel")
def test_a_child_whose_parent_is_already_gone_ends_at_once() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    script = "from pdm_platform.local.processes import end_with_parent; end_with_parent(); print('lives on')"

    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PDM_PARENT_PID": str(gone.pid)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (1, "")


def test_waiting_for_a_child_that_never_listens_names_it_and_shows_its_log(
    tmp_path: Path, processes: Processes
) -> None:
    process = processes.start(child(tmp_path, "print('no such table'); raise SystemExit(1)", restart=False))
    assert process.handle is not None
    process.handle.wait(10)

    with pytest.raises(ProcessError, match=r"child did not listen on port \d+ within 0.2 s") as failed:
        processes.wait_listening(process, free_port(), timeout_s=0.2)

    assert "no such table" in failed.value.hint


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"problems": {"model": "none yet", "store": "locked"}}'
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""


def test_health_is_asked_on_loopback_itself_whatever_proxy_the_environment_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    problems = child(tmp_path, SLEEP, http_port=server.server_port).problems()
    server.shutdown()
    server.server_close()

    assert problems == {"model": "none yet", "store": "locked"}


def test_a_service_that_does_not_answer_has_a_problem(tmp_path: Path) -> None:
    problems = child(tmp_path, SLEEP, http_port=free_port()).problems()

    assert list(problems) == ["http"]


def test_waiting_for_health_looks_past_one_part_only(
    tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = child(tmp_path, SLEEP)
    monkeypatch.setattr(Process, "problems", lambda _self: {"model": "none yet"})

    processes.wait_healthy(process, timeout_s=0.1, besides="model")

    with pytest.raises(ProcessError, match="become healthy"):
        processes.wait_healthy(process, timeout_s=0.1)


def test_a_free_port_is_free_until_somebody_listens() -> None:
    port = free_port()
    before = is_free(port)
    server = HTTPServer(("127.0.0.1", port), Answer)

    during = is_free(port)
    server.server_close()

    assert (before, during) == (True, False)
