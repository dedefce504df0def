"""How fast pumps are simulated, as arrays and as lines of JSON: `python -m benchmarks.simulate`.

Whole lives through `simulators.bulk`, with sensor faults and disturbances in their usual shares, on one worker and on
several. The clock runs from the call, the start of the processes included, until the last block lies in this process as
arrays of its own; it counts what else the machine does. Beside it stands what a core gives while nothing disturbs it:
the fastest of many runs of each of the first blocks, in this process.
"""

import argparse
import os
import time
import timeit
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.bulk import Block, Pieces, block_of, pieces, simulate, simulate_arrays, simulate_json
from simulators.lines import LineFormat
from simulators.lives import Lives
from simulators.plans import LivesPlan
from simulators.workers import keep_memory

END_NS: Final = 1_770_000_000_000_000_000
TARGETS_PER_S: Final = {"arrays": 10e6, "json": 1e6}
FloatArray = NDArray[np.float64]
# 1.6 to 30 million readings: the processes start in a third of a second
_PLANS: Final = {
    "nominal": LivesPlan(stress=0, accelerated=0, nominal=3_000),
    "accelerated": LivesPlan(stress=0, accelerated=10_000, nominal=0),
    "stress": LivesPlan(stress=10_000, accelerated=0, nominal=0),
}
_BLOCKS: Final = 20


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=2, help="processes beside the measurement of one (default 2)")
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
        for kind, run in (
            ("arrays, summed where made", _used),
            ("arrays, handed over", handed_over),
            ("json", lines_of),
        ):
            rate = _best(rounds, len(lives), partial(run, lives, count))
            target = TARGETS_PER_S[kind.partition(",")[0]]
            aim = f"{target / 1e6:g} M/s {'reached' if rate >= target else 'not reached'}"
            print(f"  {kind:<26} {count} worker(s): {rate / 1e6:6.2f} M/s by the clock, best of {rounds}; {aim}")


def _print_undisturbed(lives: Lives) -> None:
    keep_memory()
    form = LineFormat.of(lives.devices)

    def lines(block: Pieces) -> None:
        found = block_of(lives.fleet, block)
        health = 100.0 * (1.0 - found.observed.wear.astype(np.float64))
        time_ms = lives.start_ms[found.pump] + found.step
        form.write(found.pump, found.observed.channels, health, found.step, time_ms)

    blocks = list(islice(pieces(lives.fleet, None), _BLOCKS))
    readings = sum(piece.stop - piece.start for block in blocks for piece in block)
    for kind, work in (("arrays", partial(block_of, lives.fleet)), ("json", lines)):
        least_s = sum(min(timeit.repeat(partial(work, block), number=1, repeat=100)) for block in blocks)
        print(f"  {kind:<6} undisturbed: {readings / least_s / 1e6:6.2f} M/s a core")


def _best(rounds: int, readings: int, run: Callable[[], int]) -> float:
    """Best rate in readings a second."""
    rate = 0.0
    for _ in range(rounds):
        began_s = time.perf_counter()
        assert run() == readings
        rate = max(rate, readings / _since(began_s))
    return rate


def channel_sums(block: Block) -> FloatArray:
    """Sum of each channel, then the number of readings, shape (9,): something cheap that reads all values."""
    channels = block.observed.channels
    return np.append(channels.sum(axis=1), channels.shape[1])


def _used(lives: Lives, workers: int) -> int:
    return sum(int(sums[-1]) for sums in simulate(lives.fleet, channel_sums, workers=workers))


def handed_over(lives: Lives, workers: int) -> int:
    """Readings that came as arrays."""
    return sum(len(block.step) for block in simulate_arrays(lives.fleet, workers=workers))


def lines_of(lives: Lives, workers: int) -> int:
    """Readings that came as lines of JSON."""
    texts = simulate_json(lives.fleet, lives.devices, lives.start_ms, workers=workers)
    return sum(text.count(b"\n") for text in texts)


def _since(began_s: float) -> float:
    return time.perf_counter() - began_s


if __name__ == "__main__":
    main()
