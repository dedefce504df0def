"""When something passes over a pump or its sensors: placed by draws, so that it is known without looking back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from simulators.draws import Stream, chances, uniforms
from simulators.runs import Runs

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Keys = NDArray[np.uint64]
# the first readings of a life are left alone: they are the pump's healthy baseline
NOT_BEFORE: Final = 40
KINDS: Final = 16  # room for the kinds of one stream


@dataclass(frozen=True, slots=True)
class Rule:
    """Something of index `kind` that begins with a probability at each reading and lasts `readings`.

    Within two durations it begins at most once, so it takes up to half of the time and no more.
    """

    kind: int
    probability: float
    readings: int


@dataclass(frozen=True, slots=True)
class Episode:
    """Rows of a request that lie in episodes of one kind: row numbers, and each one's first step and length."""

    kind: int
    row: IntArray
    since: IntArray
    length: IntArray

    def runs(self, keys: Keys) -> Runs:
        """Runs of rows in the same episode; keys: (2, n), of all rows of the request."""
        return Runs.of(self.since, keys[0, self.row])

    def draws(self, keys: Keys, stream: Stream) -> FloatArray:
        """Eight even draws of the episode in which each row lies, shape (m, 8); keys: (2, n), of all rows."""
        runs = self.runs(keys)
        drawn = chances(keys[:, self.row[runs.first]], stream, self.since[runs.first] * KINDS + self.kind)
        return runs.spread(drawn.T).T

    def draws_of_reading(self, keys: Keys, stream: Stream, step: IntArray) -> FloatArray:
        """Eight even draws of each row alone, shape (m, 8); keys: (2, n), and step: (n,), of all rows."""
        return chances(keys[:, self.row], stream, step[self.row] * KINDS + self.kind)


class Schedule(Protocol):
    """What happens when. keys: (2, n), of `draws.noise_keys`. pump: (n,) or (1,), indices. step: (n,), of a life."""

    def at(self, keys: Keys, pump: IntArray, step: IntArray) -> Iterator[Episode]: ...


@dataclass(frozen=True, slots=True)
class ByRules:
    """Episodes at random times, without end: for a live fleet. among: shape (p,), the pumps they happen to."""

    stream: Stream
    rules: Sequence[Rule]
    among: BoolArray

    def at(self, keys: Keys, pump: IntArray, step: IntArray) -> Iterator[Episode]:
        """Episodes, one for each rule that meets any row."""
        (among,) = np.nonzero(np.broadcast_to(self.among[pump], step.shape))
        if not len(among):
            return
        for rule in self.rules:
            stretch = 2 * rule.readings
            within = step[among] // stretch
            drawn = chances(keys[:, among], self.stream, within * KINDS + rule.kind)
            # anywhere in the first half: it ends within the stretch
            since = within * stretch + (drawn[:, 1] * rule.readings).astype(np.int64)
            happens = (drawn[:, 0] < rule.probability * stretch) & (since >= NOT_BEFORE)
            happens &= (step[among] >= since) & (step[among] < since + rule.readings)
            if happens.any():
                row = among[happens]
                yield Episode(rule.kind, row, since[happens], np.full(len(row), rule.readings))


@dataclass(frozen=True, slots=True)
class OnceALife:
    """At most one episode in each life: for training. kind: shape (p,), -1 where there is none; since, length: (p,)."""

    kind: IntArray
    since: IntArray
    length: IntArray

    @classmethod
    def draw(
        cls,
        stream: Stream,
        seed: int,
        number: IntArray,
        generation: IntArray,
        readings: IntArray,
        *,
        kinds: int,
        share: float,
    ) -> Self:
        """Draw for lives of so many readings: a `share` of them has an episode, of 8 to 25 % of the life."""
        drawn = uniforms(seed, stream, number, generation)
        length = np.maximum((readings * (0.08 + 0.17 * drawn[:, 2])).astype(np.int64), 5)
        since = NOT_BEFORE + (drawn[:, 3] * (readings - length - NOT_BEFORE)).astype(np.int64)
        # in turn instead of drawn, so that a small plan has them all
        kind = np.where(drawn[:, 0] < share, (number + generation + seed % kinds) % kinds, -1)
        return cls(kind, since, length)

    def at(self, _keys: Keys, pump: IntArray, step: IntArray) -> Iterator[Episode]:
        """Episodes, one for each kind that meets any row."""
        runs = Runs.of(pump)
        own = pump[runs.first]
        length = np.where(self.kind[own] >= 0, self.length[own], 0)
        if not length.any():
            return
        age = step - runs.spread(self.since[own])
        # as an unsigned number, what lies before the episode is past its end
        rows = np.flatnonzero(age.view(np.uint64) < runs.spread(length).view(np.uint64))
        pumps = np.broadcast_to(pump, step.shape)[rows]
        kinds = self.kind[pumps]
        for kind in np.flatnonzero(np.bincount(kinds)).tolist():
            chosen = kinds == kind
            yield Episode(kind, rows[chosen], self.since[pumps[chosen]], self.length[pumps[chosen]])
