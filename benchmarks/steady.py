"""Whether bridge and inference service keep their memory at a load that lasts: half of what they are to carry."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import servers
from benchmarks.bench import Bench, Measured, say
from benchmarks.bridge import DEVICES, influxdb, stored_hz
from benchmarks.figures import Alone, UnavailableError
from benchmarks.inference import predictor
from benchmarks.load import LoadError
from benchmarks.model import registry_below
from pdm_platform.local.processes import Process

EMBEDDED_HZ: Final = 15_000
INFLUXDB_HZ: Final = 10_000
INFERENCE_HZ: Final = 5_000
INFERENCE_DEVICES: Final = 10_000
# the whole is ten minutes, or what a quick run takes for them
_MINUTES: Final = 10
_LOOKS_A_MINUTE: Final = 12
_KIB_A_MIB: Final = 1_024
_RSS: Final = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Look:
    """Memory at one moment. at_s: since the load began."""

    at_s: float
    rss_mib: float


def rss_mib(pid: int) -> float:
    """Memory that a process has resident now. Raises LoadError where it has ended, UnavailableError off Linux."""
    if not Path("/proc/self/status").exists():
        raise UnavailableError("no /proc on this machine: memory is read where Linux tells it")
    try:
        found = _RSS.search(Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    except (FileNotFoundError, ProcessLookupError):
        found = None
    if found is None:
        raise LoadError(f"process {pid} has ended under the load")
    return int(found[1]) / _KIB_A_MIB


@contextmanager
def watching(process: Process, every_s: float) -> Iterator[list[Look]]:
    """Look at a process's memory while the block runs; the list grows meanwhile. Raises as `rss_mib`."""
    assert process.handle is not None
    pid, began_s, ended = process.handle.pid, time.monotonic(), threading.Event()
    looks = [Look(0.0, rss_mib(pid))]

    def look() -> None:
        while not ended.wait(every_s):
            looks.append(Look(time.monotonic() - began_s, rss_mib(pid)))

    with ThreadPoolExecutor(1, "memory") as pool:
        looking = pool.submit(look)
        try:
            yield looks
        finally:
            ended.set()
        looking.result()


def memory(looks: Sequence[Look], minute_s: float) -> dict[str, float]:
    """Medians of the first minute after one of warm-up and of the last, and the highest of all looks, MiB.

    Raises LoadError where one of the minutes has no look.
    """
    last_s = max(look.at_s for look in looks)
    minutes = {"first_minute_mib": minute_s, "last_minute_mib": last_s - minute_s}
    found: dict[str, float] = {}
    for name, from_s in minutes.items():
        within = [look.rss_mib for look in looks if from_s <= look.at_s <= from_s + minute_s]
        if not within:
            raise LoadError(f"nobody looked at the memory from {from_s:g} s on for {minute_s:g} s")
        found[name] = round(median(within), 2)
    return {**found, "highest_mib": round(max(look.rss_mib for look in looks), 2)}


def _figure(bench: Bench, what: str, looks: Sequence[Look], details: Mapping[str, Any]) -> Alone:
    found = memory(looks, bench.work.steady_s / _MINUTES)
    growth_mib = found["last_minute_mib"] - found["first_minute_mib"]
    what = f"growth of resident memory in {bench.work.steady_s:g} s at a steady load: {what}"
    return Alone("MiB", "lower", what, "0 is the aim, on any machine", growth_mib, {**found, **details})


def _every_s(bench: Bench) -> float:
    return bench.work.steady_s / _MINUTES / _LOOKS_A_MINUTE


def _stored(bench: Bench, what: str, rate_hz: int, store: Mapping[str, str]) -> Alone:
    readings = int(rate_hz * bench.work.steady_s)
    say(f"steady: {what}, {rate_hz:,} readings/s for {bench.work.steady_s:g} s")
    with ExitStack() as stack:
        folder = stack.enter_context(bench.scratch())
        port = stack.enter_context(servers.mosquitto(folder / "broker"))
        bridge = stack.enter_context(servers.service("bridge", folder / "home", port, store))
        with watching(bridge.process, _every_s(bench)) as looks:
            came_hz = stored_hz(bench.load, bridge, readings, DEVICES, 0, rate_hz)
    what = f"bridge, {rate_hz:,} readings/s of {DEVICES:,} pumps, {what}"
    return _figure(bench, what, looks, {"published": readings, "stored": readings, "rate_hz": round(came_hz)})


def _embedded(bench: Bench) -> Measured:
    return {"steady_bridge_embedded": _stored(bench, "Mosquitto to SQLite", EMBEDDED_HZ, {})}


def _influxdb(bench: Bench) -> Measured:
    with influxdb(bench) as store:
        return {"steady_bridge_influxdb": _stored(bench, "Mosquitto to InfluxDB", INFLUXDB_HZ, store)}


def _inference(bench: Bench) -> Measured:
    registry, readings = registry_below(bench), int(INFERENCE_HZ * bench.work.steady_s)
    say(f"steady: inference service, {INFERENCE_HZ:,} readings/s for {bench.work.steady_s:g} s")
    with ExitStack() as stack:
        folder = stack.enter_context(bench.scratch())
        own = stack.enter_context(predictor(bench.load, folder, registry, "full"))
        with watching(own.service.process, _every_s(bench)) as looks:
            came, came_hz = own.answer(readings, INFERENCE_DEVICES, INFERENCE_HZ)
    what = f"inference service, full output, {INFERENCE_HZ:,} readings/s of {INFERENCE_DEVICES:,} pumps"
    details = {"published": readings, "answered": came.received, "rate_hz": round(came_hz)}
    return {"steady_inference": _figure(bench, what, looks, details)}


# each on its own: what fails after twenty minutes must not cost what came before it
PARTS: Final[dict[str, Callable[[Bench], Measured]]] = {
    "steady_bridge_embedded": _embedded,
    "steady_bridge_influxdb": _influxdb,
    "steady_inference": _inference,
}
