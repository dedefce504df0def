"""How fast pumps are simulated, as arrays and as JSON, beside numpy and msgspec doing the least of it."""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
import numpy as np

from benchmarks.bench import Bench, Measured, say
from benchmarks.figures import Figure
from benchmarks.simulate import END_NS, handed_over, lines_of
from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.payloads import Telemetry
from simulators.lives import Lives
from simulators.plans import LivesPlan

NAMES: Final = ("simulate_arrays", "simulate_json")
WORKERS: Final = min(2, os.cpu_count() or 1)
_BLOCK: Final = 4_096
_ENCODED: Final = 20_000


def measure(bench: Bench) -> Measured:
    """Whole long lives, the start of the processes included."""
    say(f"simulators: {WORKERS} workers, the references on one core")
    arrays, lines = (_lives(count) for count in (bench.work.array_lives, bench.work.json_lives))
    noise_readings, encoded = len(arrays) // 10, max(len(lines) // 10, _ENCODED)
    found = bench.in_turns(
        {
            "numpy": partial(_rate, noise_readings, lambda: _noise(noise_readings)),
            "arrays": partial(_rate, len(arrays), lambda: handed_over(arrays, WORKERS)),
            "msgspec": partial(_rate, encoded, lambda: _encode(encoded)),
            "json": partial(_rate, len(lines), lambda: lines_of(lines, WORKERS)),
        }
    )
    return {
        "simulate_arrays": Figure(
            "pump-steps/s",
            "higher",
            f"{len(arrays):,} readings of {len(arrays.devices):,} long lives as arrays, by {WORKERS} workers",
            "numpy on one core drawing eight normal numbers a reading and adding them to levels, nothing else",
            found["arrays"],
            found["numpy"],
        ),
        "simulate_json": Figure(
            "pump-steps/s",
            "higher",
            f"{len(lines):,} readings of {len(lines.devices):,} long lives as lines of JSON, by {WORKERS} workers",
            "msgspec on one core encoding readings that are there already",
            found["json"],
            found["msgspec"],
        ),
    }


def _lives(count: int) -> Lives:
    return Lives.lay_out(LivesPlan(stress=0, accelerated=0, nominal=count), END_NS)


def _rate(readings: int, run: Callable[[], int]) -> float:
    began_s = time.perf_counter()
    assert run() == readings
    return readings / (time.perf_counter() - began_s)


def _noise(readings: int) -> int:
    draw, levels, done = np.random.default_rng(1), np.ones((len(CHANNEL_NAMES), 1)), 0
    while done < readings:
        size = min(_BLOCK, readings - done)
        block = draw.standard_normal((len(CHANNEL_NAMES), size))
        block += levels
        done += size
    return done


def _encode(readings: int) -> int:
    draw, encoder = np.random.default_rng(1), msgspec.json.Encoder()
    channels = np.round(draw.normal(10.0, 0.3, (_BLOCK, len(CHANNEL_NAMES))), 3).tolist()
    ready = [
        Telemetry(
            device_id=f"pump-{number:04d}",
            measurement_id=number,
            timestamp=END_NS // 1_000_000 + number,
            **dict(zip(CHANNEL_NAMES, row, strict=True)),
        )
        for number, row in enumerate(channels)
    ]
    lines = 0
    for first in range(0, readings, _BLOCK):
        lines += encoder.encode_lines(ready[: readings - first]).count(b"\n")
    return lines
