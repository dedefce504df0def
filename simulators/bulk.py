"""Whole lives in bulk, as arrays or as lines of JSON, in several processes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from simulators.lines import LineFormat
from simulators.observe import Observed, observe
from simulators.pump import CHUNK, Fleet
from simulators.workers import in_order

IntArray = NDArray[np.int64]
Result = TypeVar("Result")
# Blocks handed to a worker together: to hand over costs about half a millisecond, a block two. As arrays they fill the
# memory that a worker shares.
_TOGETHER: Final = 8


class Piece(NamedTuple):
    """Steps from `start` to before `stop` of one pump's life; pump: index into the fleet."""

    pump: int
    start: int
    stop: int


Pieces = list[Piece]


@dataclass(frozen=True, slots=True)
class Block:
    """Readings of consecutive steps, some thousands. pump: index into the fleet, step: of its life, both shape (n,)."""

    pump: IntArray
    step: IntArray
    observed: Observed


def simulate(
    fleet: Fleet, work: Callable[[Block], Result], *, readings: int | None = None, workers: int = 2
) -> Iterator[Result]:
    """What `work` makes of every reading of the fleet's present lives, block by block, pump by pump.

    It is done where the readings are made, so only what it returns is handed over: with more than one worker it is
    pickled, a function of a module. readings: so many of each pump instead of its whole life; needed where pumps do
    not wear. workers: processes, see `workers.in_order`.
    """
    blocks = pieces(fleet, readings)
    tasks = iter(lambda: list(islice(blocks, _TOGETHER)), [])
    for results in in_order(_Several(_Simulated(fleet, work)), tasks, workers):
        yield from results


def simulate_arrays(fleet: Fleet, *, readings: int | None = None, workers: int = 2) -> Iterator[Block]:
    """The readings themselves, equal to `Fleet.readings` bit for bit; arguments as of `simulate`."""
    return simulate(fleet, _itself, readings=readings, workers=workers)


def simulate_json(
    fleet: Fleet, names: tuple[str, ...], start_ms: IntArray, *, readings: int | None = None, workers: int = 2
) -> Iterator[bytes]:
    """The same as telemetry payloads, one a line, some thousands together.

    names: device id of each pump. start_ms: shape (p,), epoch ms of each pump's first reading.
    """
    lines = _Lines(LineFormat.of(names), start_ms, np.round(fleet.interval_s * 1_000).astype(np.int64))
    # one by one: two blocks of lines would not fit into the memory that a worker shares, and go through a pipe
    return in_order(_Simulated(fleet, lines), pieces(fleet, readings), workers)


def block_of(fleet: Fleet, several: Pieces) -> Block:
    """Readings of these pieces, some thousands in all."""
    pumps, start, stop = np.array(several).T
    length = stop - start
    before = np.cumsum(length) - length
    step = np.arange(length.sum()) + np.repeat(start - before, length)
    pump = np.repeat(pumps, length)
    # one pump's parameters need no copy for each step
    return Block(pump, step, observe(fleet, pump if len(several) > 1 else pumps, step))


def pieces(fleet: Fleet, readings: int | None) -> Iterator[Pieces]:
    """All readings, in blocks of up to `CHUNK`: a long life in several, many short lives in one."""
    lengths = fleet.life.readings if readings is None else np.full(len(fleet.number), readings)
    waiting: Pieces = []
    room = CHUNK
    for pump, length in enumerate(lengths.tolist()):
        if waiting and length > room:
            yield waiting
            waiting, room = [], CHUNK
        rest = length % CHUNK
        for start in range(0, length - rest, CHUNK):
            yield [Piece(pump, start, start + CHUNK)]
        if rest:
            waiting.append(Piece(pump, length - rest, length))
            room -= rest
    if waiting:
        yield waiting


def _itself(block: Block) -> Block:
    return block


@dataclass(frozen=True, slots=True)
class _Simulated(Generic[Result]):
    fleet: Fleet
    work: Callable[[Block], Result]

    def __call__(self, block: Pieces) -> Result:
        return self.work(block_of(self.fleet, block))


@dataclass(frozen=True, slots=True)
class _Several(Generic[Result]):
    each: _Simulated[Result]

    def __call__(self, blocks: list[Pieces]) -> list[Result]:
        return [self.each(block) for block in blocks]


@dataclass(frozen=True, slots=True)
class _Lines:
    """start_ms, interval_ms: shape (p,), of each pump."""

    form: LineFormat
    start_ms: IntArray
    interval_ms: IntArray

    def __call__(self, block: Block) -> bytes:
        interval = self.interval_ms[block.pump]
        time_ms = self.start_ms[block.pump] + block.step * interval
        time_ms -= np.round(block.observed.behind * interval).astype(np.int64)
        health = 100.0 * (1.0 - block.observed.wear.astype(np.float64))
        return self.form.write(block.pump, block.observed.channels, health, block.step, time_ms)
