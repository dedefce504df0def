"""How fast pumps are simulated, as arrays and as lines of JSON: `python -m benchmarks.simulate`.

Whole lives through `simulators.bulk`, with sensor faults and disturbances in their usual shares, on one worker and on
several. The clock's rate counts what else the machine does. Beside it stands the fastest block of some thousand
readings on one thread: what a core gives while nothing disturbs it.
"""

import argparse
import os
import time
import timeit
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from simulators.bulk import block_of, keep_memory, places, simulate_arrays, simulate_json
from simulators.lines import LineFormat
from simulators.lives import Lives
from simulators.plans import LivesPlan

END_NS: Final = 1_770_000_000_000_000_000
TARGETS_PER_S: Final = {"arrays": 10e6, "json": 1e6}
_PLANS: Final = {
    "nominal": LivesPlan(stress=0, accelerated=0, nominal=300),
    "accelerated": LivesPlan(stress=0, accelerated=4_000, nominal=0),
    "stress": LivesPlan(stress=10_000, accelerated=0, nominal=0),
}


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=2, help="threads beside the measurement of one (default 2)")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts (default %(default)s)")
    parser.add_argument("--plan", choices=[*_PLANS], action="append", help="default: all three")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    for name in given.plan or _PLANS:
        _measure(name, sorted({1, given.workers}), given.rounds)


def _measure(name: str, workers: list[int], rounds: int) -> None:
    began_s = time.perf_counter()
    lives = Lives.lay_out(_PLANS[name], END_NS)
    print(f"{name}: {len(lives):,} readings of {len(lives.devices):,} pumps, laid out in {_since(began_s):.1f} s")
    _print_undisturbed(lives)
    for count in workers:
        arrays = _best(rounds, len(lives), partial(_steps, lives, count))
        lines = _best(rounds, len(lives), partial(_lines, lives, count))
        for kind, rate in (("arrays", arrays), ("json", lines)):
            verdict = "reached" if rate >= TARGETS_PER_S[kind] else "not reached"
            aim = f"{TARGETS_PER_S[kind] / 1e6:g} M/s {verdict}"
            print(f"  {kind:<6} {count} worker(s): {rate / 1e6:6.2f} M/s by the clock, best of {rounds}; {aim}")


def _print_undisturbed(lives: Lives) -> None:
    pump, step = next(places(lives.fleet, None))
    keep_memory()
    form = LineFormat.of(lives.devices)
    time_ms = lives.start_ms[pump] + step

    def lines() -> None:
        seen = block_of(lives.fleet, pump, step).observed
        form.write(pump, seen.channels, 100.0 * (1.0 - seen.wear.astype(np.float64)), step, time_ms)

    for kind, work in (("arrays", partial(block_of, lives.fleet, pump, step)), ("json", lines)):
        least_s = min(timeit.repeat(work, number=1, repeat=300))
        print(f"  {kind:<6} undisturbed: {len(step) / least_s / 1e6:6.2f} M/s a core")


def _best(rounds: int, readings: int, run: Callable[[], int]) -> float:
    """Best rate in readings a second."""
    rate = 0.0
    for _ in range(rounds):
        began_s = time.perf_counter()
        assert run() == readings
        rate = max(rate, readings / _since(began_s))
    return rate


def _steps(lives: Lives, workers: int) -> int:
    return sum(len(block.step) for block in simulate_arrays(lives.fleet, workers=workers))


def _lines(lives: Lives, workers: int) -> int:
    texts = simulate_json(lives.fleet, lives.devices, lives.start_ms, workers=workers)
    return sum(text.count(b"\n") for text in texts)


def _since(began_s: float) -> float:
    return time.perf_counter() - began_s


if __name__ == "__main__":
    main()
