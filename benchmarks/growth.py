"""What a reading costs as the fleet and the batch grow: the models alone, the inference service, the bridge."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
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


def measure(bench: Bench) -> dict[str, Any]:
    """Microseconds a reading, by subject; medians of some rounds, in turns."""
    subjects = {"models": _models, "inference": _inference, "bridge": _bridge}
    return {name: _told(subject(bench)) for name, subject in subjects.items()}


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


def _models(bench: Bench) -> dict[Case, float]:
    """Features, models, novelty and alarms in this process, without decoding and without a broker."""
    say("growth: features and models, in process")
    registry = Registry(registry_below(bench))
    pointer = registry.production()
    assert pointer is not None
    model = load_model(registry, pointer).model
    states = {case: (FleetState.empty(), count()) for case in CASES}

    def rate(case: Case) -> float:
        state, numbers = states[case]
        names = [f"pump-{device:05d}" for device in range(case.devices)]
        # as many batches as some thousand readings need, or once around the fleet
        batches = max(min(bench.work.growth_readings, 10_000), case.devices) // case.batch
        seconds = 0.0
        for _ in range(batches):
            turn = next(numbers) * case.batch + np.arange(case.batch)
            devices = [names[device] for device in (turn % case.devices).tolist()]
            time_ns = _START_NS + turn // case.devices * NS_PER_S
            channels = _USUAL * np.random.default_rng(int(turn[0])).uniform(0.98, 1.02, (case.batch, 8))
            began_s = time.perf_counter()
            rows = monitoring.observe(state, devices, time_ns, channels)
            monitoring.tell(state, model, devices, time_ns, rows)
            seconds += time.perf_counter() - began_s
        return batches * case.batch / seconds

    for case in CASES:
        rate(case)  # once, uncounted: the tables of all pumps have their size then
    return _us(bench, {case: partial(rate, case) for case in CASES})


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
