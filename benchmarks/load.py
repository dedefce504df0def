"""The load generator: built from `load.c`, run as a child, its one JSON line read."""

import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.figures import UnavailableError

SOURCE: Final = Path(__file__).with_name("load.c")
FLAGS: Final = ("-O2", "-Wall", "-Wextra", "-Werror")
WITHIN_S: Final = 300.0
TELEMETRY: Final = "factory/pumps/+/telemetry"
PREDICTIONS: Final = "factory/pumps/+/predictions"


class LoadError(Exception):
    """The load generator failed, or what it waited for did not come."""


class Published(msgspec.Struct):
    """began_ns: of the monotonic clock, which `time.monotonic_ns` reads too. late_ms: by how much a reading was."""

    sent: int
    acknowledged: int
    began_ns: int
    seconds: float
    rate: float
    late_ms: float
    processor_s: float


class Received(msgspec.Struct):
    """received: readings told of, in so many messages; distinct: of so many times, which no two readings share.

    Latencies are since the `timestamp` that is echoed. versions: messages by the model that they name.
    """

    received: int
    distinct: int
    messages: int
    first_ns: int
    last_ns: int
    rate: float
    bytes_each: float
    p50_us: int
    p90_us: int
    p99_us: int
    max_us: int
    versions: dict[str, int]
    processor_s: float


class Relayed(msgspec.Struct):
    """How many readings the relay answered."""

    relayed: int
    processor_s: float


@dataclass
class Running:
    """A child that is subscribed."""

    process: "subprocess.Popen[str]"

    def output(self, within_s: float = WITHIN_S) -> str:
        """What it said when it ended. Raises LoadError where it failed or does not end."""
        try:
            said, complaint = self.process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            raise LoadError(f"the load generator did not end within {within_s:g} s") from None
        if self.process.returncode != 0:
            raise LoadError(complaint.strip())
        return said

    def received(self, wanted: int) -> Received:
        """What came. Raises LoadError where that is not exactly what was wanted, each reading once."""
        found = msgspec.json.decode(self.output(), type=Received)
        if found.received != wanted:
            raise LoadError(f"{found.received} of {wanted} came")
        if found.distinct != wanted:
            raise LoadError(f"{wanted} came, but {wanted - found.distinct} of them twice")
        return found


@dataclass(frozen=True, slots=True)
class Load:
    """The built program."""

    program: Path

    def publish(
        self,
        port: int,
        readings: int,
        *,
        devices: int = 1_000,
        rate: float = 0.0,
        first: int = 0,
        connections: int = 8,
    ) -> Published:
        """Publish, and return when the broker has acknowledged all. first: number of each device's first reading."""
        options = {"count": readings, "devices": devices, "rate": rate, "first": first, "connections": connections}
        with self._running("publish", port, options) as child:
            lasts_s = readings / rate if rate else 0.0
            return msgspec.json.decode(child.output(lasts_s + WITHIN_S), type=Published)

    @contextmanager
    def receiving(self, port: int, count: int, topic: str = PREDICTIONS) -> Iterator[Running]:
        """Count what comes on a topic, and acknowledge it."""
        with self._running("receive", port, {"count": count, "topic": topic}) as child:
            _wait_ready(child)
            yield child

    @contextmanager
    def relaying(self, port: int, size: int = 150) -> Iterator[Running]:
        """Answer each reading with a message of so many bytes while the block runs."""
        with self._running("relay", port, {"bytes": size}) as child:
            _wait_ready(child)
            yield child

    @contextmanager
    def _running(self, command: str, port: int, options: Mapping[str, object]) -> Iterator[Running]:
        arguments = [str(self.program), command, "--port", str(port)]
        arguments += [text for name, value in options.items() for text in (f"--{name}", str(value))]
        pipe = subprocess.PIPE
        with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as process:
            try:
                yield Running(process)
            finally:
                if process.poll() is None:
                    process.kill()


def _wait_ready(child: Running) -> None:
    assert child.process.stderr is not None
    said = child.process.stderr.readline()
    if said != "ready\n":
        raise LoadError(said.strip())


def stop(child: Running) -> Relayed:
    """End a relay; what it has done."""
    child.process.send_signal(signal.SIGTERM)
    return msgspec.json.decode(child.output(), type=Relayed)


def build(folder: Path) -> Load:
    """Compile into `folder`. Raises UnavailableError where there is no compiler, or it refuses."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise UnavailableError("no C compiler on PATH: Debian's package gcc brings one")
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "load"
    done = subprocess.run([compiler, *FLAGS, "-o", str(program), str(SOURCE)], capture_output=True, text=True)
    if done.returncode != 0:
        raise UnavailableError(f"the load generator cannot be built: {done.stderr.strip()[:500]}")
    return Load(program)
