"""The parts of a plant that faults happen to: servers, children of `pdmctl`, the embedded store's file."""

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pdm_platform.local.processes import Process, Processes
from tests.servers.small_disk import fill

BACK_WITHIN_S = 60.0


class Server(Protocol):
    """What can be done to a process of the plant."""

    def kill(self) -> object:
        """SIGKILL, and wait until it is gone."""

    def stop(self) -> object:
        """SIGTERM, and wait until it has ended."""

    def start(self) -> None:
        """Start it again, and wait until it listens."""

    def frozen(self) -> AbstractContextManager[None]:
        """SIGSTOP while the block runs."""


@dataclass
class Child:
    """A process of `pdmctl`, which listens on `port`."""

    process: Process
    processes: Processes
    port: int

    def kill(self) -> None:
        """See Server."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """See Server."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        self.process.restart = False
        self.process.signal(how)
        assert self.process.handle is not None
        self.process.handle.wait(BACK_WITHIN_S)

    def start(self) -> None:
        """See Server. Left to the thread that watches all of them: a child is told when the thread it is of ends."""
        self.process.restarts = 0  # after too many it is given up
        self.process.restart = True
        self.processes.wait_listening(self.process, self.port, BACK_WITHIN_S)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """See Server."""
        self.process.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.signal(signal.SIGCONT)


@dataclass
class SqliteFile:
    """The embedded store. disk: the small one it lies on, None where none can be mounted."""

    path: Path
    disk: Path | None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another process writes while the block runs."""
        other = sqlite3.connect(self.path, timeout=30.0, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        finally:
            other.close()

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is free while the block runs."""
        assert self.disk is not None
        ballast = fill(self.disk)
        try:
            yield
        finally:
            ballast.unlink()
