"""A `pdmctl` command run as a user runs it: its output, its store, a Ctrl-C, and everything that it started."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from pdm_platform.contract.measurements import Measurement, Window
from pdm_platform.stores.telemetry import open_store

ALL_TIME = Window(0, 2**63 - 1)
_MARK = "E2E_RUN"


@dataclass
class Program:
    """The running command. All that it starts inherits `mark`, by which it is found also where its parent is gone."""

    process: subprocess.Popen[str]
    mark: str
    output: str = ""

    def read_until(self, marker: str) -> str:
        """Wait for a line with `marker` and return it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if marker in line:
                return line
        pytest.fail(f"the program ended before {marker!r}:\n{self.output}")

    def read_to_end(self) -> int:
        """Wait until it ends by itself; its exit code."""
        assert self.process.stdout is not None
        self.output += self.process.stdout.read()
        return self.process.wait()

    def interrupt(self) -> float:
        """Ctrl-C; returns the seconds until it has ended."""
        asked_s = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=10)
        return time.monotonic() - asked_s

    def alive(self) -> list[psutil.Process]:
        """What of it runs now. Where nobody reaps orphans, what has ended stays as a zombie: that does not run."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):  # it has gone, is a zombie, or is another user's
            return process.environ().get(_MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE
        return False


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[Program]:
    """`pdmctl ARGUMENTS` in a session of its own; whatever is left of it at the end is killed."""
    mark = uuid.uuid4().hex
    with subprocess.Popen(
        [sys.executable, "-m", "pdm_platform.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment, _MARK: mark},
        start_new_session=True,
    ) as process:
        program = Program(process, mark)
        try:
            yield program
        finally:
            for left in program.alive():
                with suppress(psutil.NoSuchProcess):
                    left.kill()


def wait_until(done: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline_s, f"waited {within_s:g} s in vain: {what}"
        time.sleep(0.05)


def stored(home: Path, measurement: Measurement, devices: list[str] | None = None) -> pa.Table:
    """What the store below `home` has of some devices, or of all."""
    store = open_store(f"sqlite:///{home / 'store' / 'telemetry.sqlite'}")
    try:
        return store.read(measurement, ALL_TIME, devices=devices)
    finally:
        store.close()
