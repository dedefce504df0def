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
_LEVELS: Final = 2**16
_LOW: Final = np.uint64(0xFFFFFFFF)
_WORD: Final = np.uint64(32)
_MULTIPLIERS: Final = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL: Final = (0x9E3779B9, 0xBB67AE85)


class Stream(IntEnum):
    """What a draw is for. Streams never share numbers."""

    NOISE = 0
    BUILD = 1
    LIFE = 2
    GLITCH = 3
    HEATWAVE = 4


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


def _levels(seed: int, stream: Stream, pump: ArrayLike, generation: ArrayLike, step: ArrayLike) -> NDArray[np.int64]:
    words = np.broadcast_arrays(step, pump, generation, int(stream))
    drawn = philox(seed, np.stack(words, axis=1).astype(np.uint64))
    halves = np.stack((drawn >> np.uint64(16), drawn & np.uint64(_LEVELS - 1)), axis=2)
    return halves.reshape(len(drawn), DRAWS).astype(np.int64)


def uniforms(
    seed: int, stream: Stream, pump: ArrayLike, generation: ArrayLike, step: ArrayLike = 0
) -> NDArray[np.float64]:
    """Eight draws for each place, evenly spread over (0, 1) in 65,536 levels.

    seed: 0 to 2**64 - 1. pump, generation, step: shapes that broadcast to (n,), values 0 to 2**32 - 1.
    Returns shape (n, 8).
    """
    return (_levels(seed, stream, pump, generation, step) + 0.5) / _LEVELS


def normals(seed: int, pump: ArrayLike, generation: ArrayLike, step: ArrayLike) -> NDArray[np.float64]:
    """Eight standard normal draws of the noise stream for each place, shape (n, 8); bounds as for `uniforms`."""
    return _quantiles()[_levels(seed, Stream.NOISE, pump, generation, step)]


@cache
def _quantiles() -> NDArray[np.float64]:
    # A table rather than log and cosine: these differ in the last bit between a vector's body and its tail.
    inverse = NormalDist().inv_cdf
    return np.array([inverse((level + 0.5) / _LEVELS) for level in range(_LEVELS)])
