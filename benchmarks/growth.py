"""What a reading costs as the fleet and the batch grow: the models alone, the inference service, the bridge."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from benchmarks import servers
from benchmarks.bench import Bench, Turn, say
from benchmarks.bridge import stored_hz
from benchmarks.figures import Batches, dearer_from
from benchmarks.inference import predictor
from benchmarks.model import registry_below
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.core import monitoring
from pdm_platform.core.monitoring import FleetState
from pdm_platform.core.serving import ServingModel
from pdm_platform.inference import snapshot
from pdm_platform.inference.loader import load as load_model
from pdm_platform.stores.registry import Registry

DEVICES: Final = (100, 1_000, 10_000)
BATCHES: Final = (10, 100, 1_000)
_USUAL: Final = np.array([0.6, 0.6, 0.5, 0.985, 38.0, 4.2, 7.8, 2_850.0])
_START_NS: Final = 1_750_000_000 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Case:
    """So many devices, so many readings a batch at most."""

    devices: int
    batch: int


# The fleet grows in batches of 1,000, the batch with 1,000 devices: five cases for six points.
CASES: Final = tuple(dict.fromkeys([*(Case(n, 1_000) for n in DEVICES), *(Case(1_000, n) for n in BATCHES)]))

LARGEST: Final = Case(max(DEVICES), 1_000)


def measure(bench: Bench) -> dict[str, Any]:
    """Microseconds a reading, by subject; medians of some rounds, in turns. And how large the fleet's state is."""
    fleets = _fleets(bench)
    told = {"models": _told(_models(bench, fleets))}
    # taken now, when each of its pumps has been told of, in every table
    told["models"]["state"] = _state_size(bench, fleets[LARGEST].state)
    return {**told, "inference": _told(_inference(bench)), "bridge": _told(_bridge(bench))}


def _told(us: Mapping[Case, float]) -> dict[str, Any]:
    by_devices = {case.devices: cost for case, cost in us.items() if case.batch == 1_000}
    by_batch = {case.batch: cost for case, cost in us.items() if case.devices == 1_000}
    parts = Batches.fitted(by_batch)
    return {
        "us_by_devices": {str(devices): round(by_devices[devices], 2) for devices in DEVICES},
        "us_by_batch": {str(batch): round(by_batch[batch], 2) for batch in BATCHES},
        "each_us": round(parts.each_us, 2),
        "batch_us": round(parts.batch_us, 1),
        "knee_batch": None if parts.knee is None else round(parts.knee),
        "knee_devices": dearer_from(by_devices),
    }


def _us(bench: Bench, turns: Mapping[Case, Turn]) -> dict[Case, float]:
    named = {f"{case.devices} devices by {case.batch}": turn for case, turn in turns.items()}
    found = bench.in_turns(named, bench.work.growth_rounds)
    return {case: 1e6 / median(rates) for case, rates in zip(turns, found.values(), strict=True)}


@dataclass
class _Fleet:
    """A case's pumps, and what is remembered of them."""

    case: Case
    model: ServingModel
    state: FleetState = field(default_factory=FleetState.empty)
    numbers: Iterator[int] = field(default_factory=count)

    def rate_hz(self, readings: int) -> float:
        """Readings a second; at least once around the fleet."""
        case, seconds = self.case, 0.0
        names = [f"pump-{device:05d}" for device in range(case.devices)]
        batches = max(readings, case.devices) // case.batch
        for _ in range(batches):
            turn = next(self.numbers) * case.batch + np.arange(case.batch)
            devices = [names[device] for device in (turn % case.devices).tolist()]
            time_ns = _START_NS + turn // case.devices * NS_PER_S
            channels = _USUAL * np.random.default_rng(int(turn[0])).uniform(0.98, 1.02, (case.batch, 8))
            began_s = time.perf_counter()
            rows = monitoring.observe(self.state, devices, time_ns, channels)
            monitoring.tell(self.state, self.model, devices, time_ns, rows)
            seconds += time.perf_counter() - began_s
        return batches * case.batch / seconds


def _fleets(bench: Bench) -> dict[Case, _Fleet]:
    registry = Registry(registry_below(bench))
    pointer = registry.production()
    assert pointer is not None
    model = load_model(registry, pointer).model
    return {case: _Fleet(case, model) for case in CASES}


def _models(bench: Bench, fleets: Mapping[Case, _Fleet]) -> dict[Case, float]:
    """Features, models, novelty and alarms in this process, without decoding and without a broker."""
    say("growth: features and models, in process")
    # some thousand are enough: nothing but the models has to get going
    readings = min(bench.work.growth_readings, 10_000)
    for fleet in fleets.values():
        fleet.rate_hz(readings)  # once, uncounted: the tables of all pumps have their size then
    return _us(bench, {case: partial(fleet.rate_hz, readings) for case, fleet in fleets.items()})


def _state_size(bench: Bench, state: FleetState) -> dict[str, float]:
    """What is remembered of a fleet: bytes a pump in arrays, names included, and of the whole fleet's snapshot."""
    arrays = snapshot.to_arrays(state, 1)
    devices = len(state.pumps)
    with bench.scratch() as folder:
        snapshot.save(arrays, folder / "state.npz")
        on_disk = (folder / "state.npz").stat().st_size
    in_memory = sum(array.nbytes for array in arrays.values())
    return {"devices": devices, "bytes_a_device": round(in_memory / devices, 1), "snapshot_bytes": on_disk}


def _readings(bench: Bench, case: Case) -> int:
    """Fewer where a reading is dear; at least once around the fleet."""
    wanted = bench.work.growth_readings
    return max(wanted // 5 if case.batch == 10 else wanted, case.devices)


def _inference(bench: Bench) -> dict[Case, float]:
    say("growth: the inference service behind Mosquitto, full output")
    registry, load = registry_below(bench), bench.load
    with ExitStack() as stack:
        folder = stack.enter_context(bench.scratch())
        turns: dict[Case, Turn] = {}
        for number, case in enumerate(CASES):
            settings = {"PDM_INFERENCE_MAX_BATCH": str(case.batch)}
            own = stack.enter_context(predictor(load, folder / str(number), registry, "full", **settings))
            own.answer(case.devices, case.devices)  # once, uncounted: all pumps are known then
            turns[case] = partial(own.throughput_hz, _readings(bench, case), case.devices)
        return _us(bench, turns)


def _bridge(bench: Bench) -> dict[Case, float]:
    say("growth: the bridge between Mosquitto and SQLite")
    with ExitStack() as stack:
        folder = stack.enter_context(bench.scratch())
        return _us(bench, {case: _stored(bench, stack, folder / str(n), case) for n, case in enumerate(CASES)})


def _stored(bench: Bench, stack: ExitStack, folder: Path, case: Case) -> Turn:
    port = stack.enter_context(servers.mosquitto(folder / "broker"))
    settings = {"PDM_BRIDGE_BATCH_SIZE": str(case.batch)}
    bridge = stack.enter_context(servers.service("bridge", folder / "home", port, settings))
    readings, numbers = _readings(bench, case), count()
    stored_hz(bench.load, bridge, case.devices, case.devices, 0)
    return lambda: stored_hz(
        bench.load, bridge, readings, case.devices, 1 + next(numbers) * -(-readings // case.devices)
    )
