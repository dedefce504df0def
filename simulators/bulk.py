"""Whole lives in bulk, as arrays or as lines of JSON, on several threads: numpy works without Python's lock."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from simulators.lines import LineFormat
from simulators.observe import Observed, observe
from simulators.pump import CHUNK, Fleet

IntArray = NDArray[np.int64]
T = TypeVar("T")
# blocks finished ahead of the one that is asked for, for each worker
_AHEAD: Final = 3
_KEEP_BYTES: Final = 24 * 2**20


@dataclass(frozen=True, slots=True)
class Block:
    """Readings of consecutive steps, a few thousand. pump: index into the fleet, step: of its life, both shape (n,)."""

    pump: IntArray
    step: IntArray
    observed: Observed


def simulate_arrays(fleet: Fleet, *, readings: int | None = None, workers: int = 2) -> Iterator[Block]:
    """Every reading of the fleet's present lives, pump by pump, equal to `Fleet.readings` bit for bit.

    readings: so many of each pump instead of its whole life; needed where pumps do not wear. workers: threads.
    """
    return _in_order(lambda place: block_of(fleet, *place), places(fleet, readings), workers)


def simulate_json(
    fleet: Fleet, names: tuple[str, ...], start_ms: IntArray, *, readings: int | None = None, workers: int = 2
) -> Iterator[bytes]:
    """The same as telemetry payloads, one a line, some thousands together.

    names: device id of each pump. start_ms: shape (p,), epoch ms of each pump's first reading.
    """
    form = LineFormat.of(names)
    interval_ms = np.round(fleet.interval_s * 1_000).astype(np.int64)

    def lines(place: tuple[IntArray, IntArray]) -> bytes:
        block = block_of(fleet, *place)
        interval = interval_ms[block.pump]
        time_ms = start_ms[block.pump] + block.step * interval
        time_ms -= np.round(block.observed.behind * interval).astype(np.int64)
        health = 100.0 * (1.0 - block.observed.wear.astype(np.float64))
        return form.write(block.pump, block.observed.channels, health, block.step, time_ms)

    return _in_order(lines, places(fleet, readings), workers)


def block_of(fleet: Fleet, pump: IntArray, step: IntArray) -> Block:
    """Readings of these pumps (indices) at these steps, some thousands, both shape (n,)."""
    # one pump's parameters need no copy for each step
    alone = pump[:1] if pump[0] == pump[-1] else pump
    return Block(pump, step, observe(fleet, alone, step))


def places(fleet: Fleet, readings: int | None) -> Iterator[tuple[IntArray, IntArray]]:
    """Pump and step of every reading, in pieces: a long life in several, many short lives in one."""
    lengths = fleet.life.readings if readings is None else np.full(len(fleet.number), readings)
    waiting: list[tuple[int, int]] = []
    room = CHUNK
    for pump, length in enumerate(lengths.tolist()):
        for start in range(0, length - CHUNK + 1, CHUNK):
            yield np.full(CHUNK, pump), np.arange(start, start + CHUNK)
        rest = length % CHUNK
        if rest > room:
            yield _joined(waiting, lengths)
            waiting, room = [], CHUNK
        if rest:
            waiting.append((pump, length - rest))
            room -= rest
    if waiting:
        yield _joined(waiting, lengths)


def _joined(pieces: list[tuple[int, int]], lengths: IntArray) -> tuple[IntArray, IntArray]:
    pumps = [np.full(int(lengths[pump]) - start, pump) for pump, start in pieces]
    return np.concatenate(pumps), np.concatenate([np.arange(start, int(lengths[pump])) for pump, start in pieces])


def keep_memory() -> None:
    """Make the C library keep freed memory instead of giving it back to the system and faulting it in again.

    It does so once a large piece was freed. Otherwise that costs as much as the arithmetic.
    """
    np.empty(_KEEP_BYTES, dtype=np.uint8)


def _in_order(work: Callable[[tuple[IntArray, IntArray]], T], places: Iterator[tuple[IntArray, IntArray]],
              workers: int) -> Iterator[T]:  # fmt: skip
    keep_memory()
    with ThreadPoolExecutor(workers) as pool:
        running: deque[Future[T]] = deque()
        for place in places:
            running.append(pool.submit(work, place))
            if len(running) > _AHEAD * workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
