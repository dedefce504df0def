"""How fast pumps are simulated, as arrays and as lines of JSON: `python -m benchmarks.simulate`.

Whole lives through `simulators.bulk`, with sensor faults and disturbances in their usual shares, on one worker and on
several. The clock's rate counts what else the machine does; the processor's rate divides by the processor time that
this process took, of all its threads, and tells what a core gives that has nothing else to do.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from typing import Final

from simulators.bulk import Block, simulate_arrays, simulate_json
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
    for count in workers:
        rates = {
            "arrays": _best(
                rounds, len(lives), lambda count=count: _steps(simulate_arrays(lives.fleet, workers=count))
            ),
            "json": _best(rounds, len(lives), lambda count=count: _lines(lives, count)),
        }
        for kind, (wall, processor) in rates.items():
            verdict = "reached" if wall >= TARGETS_PER_S[kind] else "not reached"
            print(
                f"  {kind:<6} {count} worker(s): {wall / 1e6:6.2f} M/s by the clock, {processor / 1e6:6.2f} M/s a core"
                f" by processor time; {TARGETS_PER_S[kind] / 1e6:g} M/s {verdict}"
            )


def _best(rounds: int, readings: int, run: Callable[[], int]) -> tuple[float, float]:
    """Best rates in readings a second: by the clock and by processor time."""
    wall, processor = 0.0, 0.0
    for _ in range(rounds):
        began_s, worked_s = time.perf_counter(), time.process_time()
        assert run() == readings
        wall = max(wall, readings / _since(began_s))
        processor = max(processor, readings / (time.process_time() - worked_s))
    return wall, processor


def _steps(blocks: Iterator[Block]) -> int:
    return sum(len(block.step) for block in blocks)


def _lines(lives: Lives, workers: int) -> int:
    texts = simulate_json(lives.fleet, lives.devices, lives.start_ms, workers=workers)
    return sum(text.count(b"\n") for text in texts)


def _since(began_s: float) -> float:
    return time.perf_counter() - began_s


if __name__ == "__main__":
    main()
