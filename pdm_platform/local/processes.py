"""Child processes: started in their own session, restarted when they die, all gone when the parent stops."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from pdm_platform.contract.errors import ProcessError

STOP_WITHIN_S = 4.0
_RESTART_DELAY_S = 0.3
_MAX_RESTARTS = 20
_LOG_TAIL_LINES = 15
_INTERRUPTS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
# a proxy of the environment must not be asked for what listens on loopback
_LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server can listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def pdmctl(*arguments: str) -> list[str]:
    """Command line that runs pdmctl with this very interpreter."""
    return [sys.executable, "-m", "pdm_platform.cli", *arguments]


@dataclass(slots=True)
class Process:
    """One child. `restart`: start it again when it dies without being told to."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log_path: Path
    http_port: int = 0
    restart: bool = True
    stdout: int | None = None
    restarts: int = 0
    handle: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start, or start again. Its stderr, and stdout where nobody reads it, go to the log file."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("a", encoding="utf-8") as log:
            self.handle = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment, "PDM_PARENT_PID": str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=self.stdout if self.stdout is not None else log,
                stderr=log,
                text=True,
                # a Ctrl-C at the terminal reaches the parent only, which stops its children in their order
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it is alive now."""
        return self.handle is not None and self.handle.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to what it started, where it is still there."""
        if self.handle is not None and self.handle.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.handle.pid, number)

    def kill_all(self) -> None:
        """Kill it and what it started, also where it has gone before them."""
        if self.handle is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.handle.pid, signal.SIGKILL)

    def log_tail(self) -> str:
        """The last lines of its log."""
        lines = (
            self.log_path.read_text(encoding="utf-8", errors="replace").splitlines() if self.log_path.exists() else []
        )
        return "\n".join(lines[-_LOG_TAIL_LINES:])

    def problems(self) -> dict[str, str]:
        """What its `/healthz` says is wrong, by part; empty when healthy."""
        try:
            with _LOOPBACK.open(f"http://127.0.0.1:{self.http_port}/healthz", timeout=1.0):
                return {}
        except urllib.error.HTTPError as error:
            with error:
                found: dict[str, str] = json.loads(error.read())["problems"]
            return found
        except (OSError, http.client.HTTPException) as error:
            return {"http": str(error)}


@dataclass
class Processes:
    """A group of children, in the order in which they were started."""

    children: list[Process] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _restarting: threading.Lock = field(default_factory=threading.Lock)
    _watcher: threading.Thread | None = None

    def start(self, process: Process) -> Process:
        """Start one child and look after it from now on. Only the main thread may call this, and `stop`."""
        if self._stopping.is_set():
            raise ProcessError(f"{process.name} is not started any more: the stack is stopping")
        with _interrupts_later():
            process.start()
            self.children.append(process)
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
            self._watcher.start()
        return process

    def wait_listening(self, process: Process, port: int, timeout_s: float = 15.0) -> None:
        """Wait until something listens on the port. Raises ProcessError with the log's end when that takes longer."""
        self._wait(process, lambda: not _refuses(port), f"listen on port {port}", timeout_s)

    def wait_healthy(self, process: Process, timeout_s: float = 30.0, *, besides: str = "") -> None:
        """Wait until `/healthz` finds nothing wrong, besides this one part. Raises ProcessError like above."""
        self._wait(process, lambda: not process.problems().keys() - {besides}, "become healthy", timeout_s)

    def _wait(self, process: Process, done: Callable[[], bool], what: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() > deadline or process.restarts >= _MAX_RESTARTS:
                raise ProcessError(
                    f"{process.name} did not {what} within {timeout_s:g} s",
                    hint=f"Its log, {process.log_path}, ends:\n{process.log_tail()}",
                )
            time.sleep(0.05)

    def _watch(self) -> None:
        while not self._stopping.wait(0.1):
            for process in self.children:
                if process.restart and not process.running and process.restarts < _MAX_RESTARTS:
                    process.restarts += 1
                    if process.restarts == _MAX_RESTARTS:
                        print(f"{process.name} keeps dying and is given up: {process.log_path}", file=sys.stderr)
                        continue
                    self._restart(process)
        # a child is told when the thread that started it ends: not before its turn to stop
        self._stopped.wait()

    def _restart(self, process: Process) -> None:
        self._stopping.wait(_RESTART_DELAY_S)
        with self._restarting:  # `stop` either comes before it or sees the new child
            if not self._stopping.is_set():
                process.start()

    def stop(self) -> None:
        """End all: the youngest first and the oldest, the broker, last; what does not go in time is killed."""
        self._stopping.set()
        # an impatient second Ctrl-C, or the terminal that closes, must not leave processes behind
        with _interrupts(lambda _number, _frame: None), self._restarting:
            self._end_all()
        self._stopped.set()

    def _end_all(self) -> None:
        deadline = time.monotonic() + STOP_WITHIN_S
        alive = [process for process in self.children if process.running]
        first, rest = self.children[:1], self.children[1:]
        for group, until in ((rest, deadline - 1.0), (first, deadline)):
            for process in group:
                process.signal(signal.SIGTERM)
            for process in group:
                if process.handle is not None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.handle.wait(max(0.05, until - time.monotonic()))
        for process in alive:
            process.kill_all()
            if process.handle is not None:
                process.handle.wait()


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """An interrupt between the start of a child and its entry in the list would leave it behind: it waits."""
    came: list[int] = []
    with _interrupts(lambda number, _frame: came.append(number)):
        yield
    for number in came[:1]:
        signal.raise_signal(number)


@contextlib.contextmanager
def _interrupts(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    # a function, never SIG_IGN: that one a child started meanwhile would inherit, and no SIGTERM would end it
    before = {number: signal.signal(number, handler) for number in _INTERRUPTS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def end_with_parent() -> None:
    """On Linux, ask for SIGTERM when the parent dies, so that even a killed parent leaves no orphan."""
    parent = os.environ.get("PDM_PARENT_PID", "")
    if not parent or not sys.platform.startswith("linux"):
        return
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    if not Path("/proc", parent).exists():  # it died before it could be asked for
        raise SystemExit(1)


def interrupt_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the program like Ctrl-C. SIGINT too: a shell starts background jobs without it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
