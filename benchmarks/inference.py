"""How fast the inference service predicts, and how late it is, beside a relay that answers without a model."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

from benchmarks import servers
from benchmarks.bench import Bench, Measured, say
from benchmarks.figures import Figure
from benchmarks.load import Load, Received
from benchmarks.model import copy_to, registry_below
from benchmarks.servers import Service
from pdm_platform.stores.registry import Registry

NAMES: Final = ("inference_simple", "inference_full")
LATENCY_NAMES: Final = ("latency_simple", "latency_full")
DEVICES: Final = 1_000
RATES_HZ: Final = (10_000, 1_000)
_LATENCIES: Final = ("p50", "p90", "p99")
Output = Literal["simple", "full"]
OUTPUTS: Final[tuple[Output, ...]] = ("simple", "full")
RELAY: Final = "a C relay at a broker alike: it answers each reading with 150 bytes and knows no model"


@dataclass
class Contestant:
    """Something that answers readings, at a broker of its own: idle ones must not see what is published."""

    load: Load
    port: int
    turns: Iterator[int]

    def answer(self, readings: int, devices: int, rate_hz: float = 0.0) -> tuple[Received, float]:
        """Publish, count the answers; what came, and answers a second from the first published to the last answered.

        Raises LoadError where a reading got no answer, or two.
        """
        # a device's numbers rise from turn to turn
        first = next(self.turns) * 100_000
        with self.load.receiving(self.port, readings) as receiver:
            published = self.load.publish(self.port, readings, devices=devices, rate=rate_hz, first=first)
            came = receiver.received(readings)
        return came, readings / ((came.last_ns - published.began_ns) / 1e9)

    def throughput_hz(self, readings: int, devices: int) -> float:
        """Answers a second, flat out."""
        return self.answer(readings, devices)[1]


@dataclass
class Predictor(Contestant):
    """The inference service as one of them. registry: its own, from which it takes its model."""

    service: Service
    registry: Registry


@contextmanager
def relay(load: Load, folder: Path) -> Iterator[Contestant]:
    """The limit without a model."""
    with servers.mosquitto(folder) as port, load.relaying(port):
        yield Contestant(load, port, count())


@contextmanager
def predictor(load: Load, folder: Path, registry: Path, output: Output, **settings: str) -> Iterator[Predictor]:
    """The inference service with a production model. settings: further ones."""
    home = folder / "home"
    copy_to(registry, home)
    settings = {"PDM_INFERENCE_OUTPUT": output, **settings}
    with (
        servers.mosquitto(folder / "broker") as port,
        servers.service("inference", home, port, settings) as service,
    ):
        yield Predictor(load, port, count(), service, Registry(home / "registry"))


@contextmanager
def _contestants(bench: Bench) -> Iterator[dict[str, Contestant]]:
    load, registry = bench.load, registry_below(bench)
    with ExitStack() as stack:
        folder = stack.enter_context(bench.scratch())
        found: dict[str, Contestant] = {"relay": stack.enter_context(relay(load, folder / "relay"))}
        for output in OUTPUTS:
            found[output] = stack.enter_context(predictor(load, folder / output, registry, output))
        for contestant in found.values():
            contestant.answer(2 * DEVICES, DEVICES)  # once, uncounted: all pumps are known then
        yield found


def measure(bench: Bench) -> Measured:
    """Predictions a second of 1,000 pumps, flat out."""
    readings = bench.work.readings
    say(f"inference: relay and service in turns, {readings:,} readings each")
    came: dict[str, Received] = {}
    with _contestants(bench) as contestants:

        def turn(name: str) -> float:
            came[name], rate_hz = contestants[name].answer(readings, DEVICES)
            return rate_hz

        found = bench.in_turns({name: partial(turn, name) for name in contestants})

    def figure(output: Output) -> Figure:
        what = f"{readings:,} readings of {DEVICES:,} pumps, flat out, until all have their prediction ({output})"
        details = {"messages": came[output].messages, "bytes_a_message": came[output].bytes_each}
        return Figure("predictions/s", "higher", what, RELAY, found[output], found["relay"], details)

    return {f"inference_{output}": figure(output) for output in OUTPUTS}


def measure_latency(bench: Bench) -> Measured:
    """From a reading's time to its prediction at a subscriber, at two rates."""
    say(f"latency: relay and service in turns, {bench.work.latency_s:g} s at each rate")
    came: dict[str, dict[int, list[Received]]] = {}
    with _contestants(bench) as contestants:

        def turn(name: str, rate_hz: int) -> float:
            readings = int(rate_hz * bench.work.latency_s)
            received, _rate = contestants[name].answer(readings, DEVICES, rate_hz)
            came.setdefault(name, {}).setdefault(rate_hz, []).append(received)
            return received.p99_us / 1e3

        bench.in_turns({f"{name} at {rate}/s": partial(turn, name, rate) for rate in RATES_HZ for name in contestants})

    def figure(output: Output) -> Figure:
        here, limit = came[output], came["relay"]
        details = {"latency_ms": {f"{rate:,}/s": _latencies(here[rate], limit[rate]) for rate in RATES_HZ}}
        values, references = ([each.p99_us / 1e3 for each in side[RATES_HZ[0]]] for side in (here, limit))
        what = f"99th percentile from reading to prediction ({output}) at {RATES_HZ[0]:,} readings a second"
        return Figure("ms", "lower", what, RELAY, values, references, details)

    return {f"latency_{output}": figure(output) for output in OUTPUTS}


def _latencies(here: list[Received], limit: list[Received]) -> dict[str, Any]:
    """Medians over the rounds, ms."""
    sides = {"service": here, "relay": limit}
    return {side: {name: _median_ms(found, name) for name in _LATENCIES} for side, found in sides.items()}


def _median_ms(found: list[Received], name: str) -> float:
    return median(int(getattr(each, f"{name}_us")) for each in found) / 1e3
