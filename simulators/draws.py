"""Random numbers by place instead of by order: what is drawn for (seed, pump, step) never depends on what came before.

So a run that resumes, or publishes pumps in another order, sends the same bytes.
"""

from enum import IntEnum
from functools import cache
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS: Final = 8
LEVELS: Final = 2**16
_LOW: Final = np.uint64(0xFFFFFFFF)
_WORD: Final = np.uint64(32)
_MULTIPLIERS: Final = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL: Final = (0x9E3779B9, 0xBB67AE85)
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_LAST_SHIFT: Final = np.uint64(31)


class Stream(IntEnum):
    """What a draw is for. Streams never share numbers."""

    NOISE = 0
    BUILD = 1
    LIFE = 2
    WEAR = 3
    DUTY = 4
    REPAIR = 5
    RANK = 6
    CHAOS = 7
    CHAOS_SIZE = 8
    CHAOS_STEP = 9
    SENSOR = 10
    SENSOR_SIZE = 11
    SENSOR_STEP = 12


def philox(key: int, counter: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Philox4x32 with ten rounds: four words of 32 bits for each counter.

    key: 64 bits. counter: shape (n, 4), values below 2**32. Returns shape (n, 4), values below 2**32.
    Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
    """
    c0, c1, c2, c3 = (counter[:, word] for word in range(4))
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (p1 >> _WORD) ^ c1 ^ np.uint64(k0),
            p1 & _LOW,
            (p0 >> _WORD) ^ c3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack((c0, c1, c2, c3), axis=1)


def _words(seed: int, stream: Stream, pump: ArrayLike, generation: ArrayLike, step: ArrayLike) -> NDArray[np.uint64]:
    words = np.broadcast_arrays(step, pump, generation, int(stream))
    return philox(seed, np.stack([np.ravel(word) for word in words], axis=1).astype(np.uint64))


def levels(seed: int, stream: Stream, pump: ArrayLike, generation: ArrayLike, step: ArrayLike = 0) -> NDArray[np.int64]:
    """Eight draws for each place from 0 to 65,535, to look up in a table; bounds and shape as for `uniforms`."""
    drawn = _words(seed, stream, pump, generation, step)
    halves = np.stack((drawn >> np.uint64(16), drawn & np.uint64(LEVELS - 1)), axis=2)
    return halves.reshape(len(drawn), DRAWS).astype(np.int64)


def uniforms(
    seed: int, stream: Stream, pump: ArrayLike, generation: ArrayLike, step: ArrayLike = 0
) -> NDArray[np.float64]:
    """Eight draws for each place, evenly spread over (0, 1) in 65,536 levels.

    seed: 0 to 2**64 - 1. pump, generation, step: shapes that broadcast, values 0 to 2**32 - 1; n places in all.
    Returns shape (n, 8).
    """
    return (levels(seed, stream, pump, generation, step) + 0.5) / LEVELS


def noise_keys(seed: int, pump: ArrayLike, generation: ArrayLike) -> NDArray[np.uint64]:
    """Two keys of 64 bits for the noise of each pump and life, shape (2, p)."""
    words = _words(seed, Stream.NOISE, pump, generation, 0)
    return np.stack([words[:, low] | words[:, low + 1] << _WORD for low in (0, 2)])


def _mixed(keys: NDArray[np.uint64], place: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Eight draws from 0 to 65,535 for each place, shape (2, n, 4), from keys (2, n) or (2, 1) and places (n,).

    A key is the seed of a SplitMix64 sequence, in which this generator reaches any place directly: a fifth of the cost
    of Philox. Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    state = np.empty((2, len(place)), dtype=np.uint64)
    np.multiply(place, _GOLDEN, out=state)
    state += keys
    shifted = np.empty_like(state)
    for shift, factor in _MIX:
        state ^= np.right_shift(state, shift, out=shifted)
        state *= factor
    state ^= np.right_shift(state, _LAST_SHIFT, out=shifted)
    return state.view(np.uint16).reshape(2, len(place), 4)


def chances(keys: NDArray[np.uint64], stream: Stream, place: NDArray[np.int64]) -> NDArray[np.float64]:
    """Eight draws for each place of one stream, evenly spread over (0, 1): shape (n, 8).

    keys: of `noise_keys`, (2, n). place: (n,), below 2**40.
    """
    quarters = _mixed(keys, place.astype(np.uint64) + np.uint64(stream << 40))
    drawn = np.moveaxis(quarters, 0, 1).reshape(len(place), DRAWS)
    return (drawn.astype(np.float64) + 0.5) / LEVELS


def normals(keys: NDArray[np.uint64], step: NDArray[np.int64]) -> NDArray[np.float32]:
    """Eight standard normal draws of the noise stream for each step: shape (8, n).

    keys: of `noise_keys`, (2, n) or (2, 1). step: (n,), below 2**40.
    """
    quarters = _mixed(keys, step.astype(np.uint64))
    drawn = np.empty((DRAWS, len(step)), dtype=np.float32)
    table = _quantiles()
    for row in range(DRAWS):
        np.take(table, quarters[row // 4, :, row % 4], out=drawn[row], mode="wrap")
    return drawn


@cache
def _quantiles() -> NDArray[np.float32]:
    # A table rather than log and cosine: these differ in the last bit between a vector's body and its tail.
    inverse = NormalDist().inv_cdf
    return np.array([inverse((level + 0.5) / LEVELS) for level in range(LEVELS)], dtype=np.float32)
