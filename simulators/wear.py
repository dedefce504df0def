"""Paths of wear: a gamma process between new and failed, one for each failure mode of a pump.

Damage grows in random, positive steps, slowly at first: a gamma process whose mean follows a power of time, tied to 1
at the end of the mode's life (a gamma bridge). Source: van Noortwijk, A survey of the application of gamma processes in
maintenance, Reliability Engineering & System Safety 94 (2009), 2-21.
"""

import math
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.failure_modes import FailureMode
from simulators.draws import DRAWS, LEVELS, Stream, levels
from simulators.lifetimes import MODES
from simulators.runs import Runs

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
KNOTS: Final = 64
# two more than the bridge has, both 1: interpolation needs a right neighbour also at the very end
TABLE_KNOTS: Final = KNOTS + 2
# shape of the whole bridge: half-way the wear scatters by a standard deviation of 0.07 around its mean
BRIDGE_SHAPE: Final = 48.0
EXPONENT_LEVELS: Final = 32
# mean wear is time to a power between these, as drawn: fatigue and clogging begin late, erosion grows steadily
EXPONENTS: Final = {
    FailureMode.BEARING_WEAR: (1.5, 2.2),
    FailureMode.IMPELLER_WEAR: (1.2, 1.6),
    FailureMode.SEAL_LEAKAGE: (1.3, 2.0),
    FailureMode.CAVITATION: (1.3, 2.0),
    FailureMode.UNBALANCE: (1.2, 1.8),
    FailureMode.MISALIGNMENT: (1.2, 1.9),
    FailureMode.WINDING_DEGRADATION: (1.4, 2.2),
    FailureMode.PLUGGED_SUCTION: (1.2, 2.0),
}
# share of a mode's life before its damage begins (the P of the P-F curve), as drawn
STARTS: Final = (0.05, 0.30)
START_LEVELS: Final = 8
_BLOCKS: Final = KNOTS // DRAWS


def draw_knots(
    seed: int,
    number: IntArray,
    generation: IntArray,
    exponent_level: IntArray,
    start_level: IntArray,
    residual: FloatArray,
) -> Float32Array:
    """Wear of each mode at 65 equal parts of its own life: shape (p, 8, 66), from `residual` to 1 and never falling.

    number, generation: shape (p,). exponent_level: (p, 8), 0 to 31, from the smallest to the largest exponent of the
    mode. start_level: (p, 8), 0 to 7, from the earliest to the latest start of damage. residual: (p, 8), wear that the
    last repair left.
    """
    pumps, modes = len(number), len(MODES)
    block = np.arange(modes * _BLOCKS)[None, :]
    drawn = levels(seed, Stream.WEAR, number[:, None], generation[:, None], block)
    growth = _gamma_quantiles()[drawn].reshape(pumps, modes, KNOTS)
    path = np.zeros((pumps, modes, TABLE_KNOTS))
    np.cumsum(growth, axis=2, out=path[:, :, 1 : KNOTS + 1])
    path /= path[:, :, KNOTS : KNOTS + 1]
    path[:, :, KNOTS:] = 1.0
    place, part = _clock()
    drawn_clock = np.arange(modes), exponent_level, start_level
    at = place[drawn_clock]
    left, right = (np.take_along_axis(path, at + offset, axis=2) for offset in (0, 1))
    worn = left + part[drawn_clock] * (right - left)
    return np.asarray(residual[:, :, None] + (1.0 - residual[:, :, None]) * worn, dtype=np.float32)


@cache
def _clock() -> tuple[IntArray, FloatArray]:
    """Where on the bridge each equal part of a life lies: knot and part of the way to the next, both (8, 32, 8, 66)."""
    place = np.array(
        [
            [[_places(mode, level, start) for start in range(START_LEVELS)] for level in range(EXPONENT_LEVELS)]
            for mode in MODES
        ]
    )
    knot = np.floor(place).astype(np.int64)
    return knot, place - knot


def _places(mode: FailureMode, exponent_level: int, start_level: int) -> list[float]:
    (low, high), (early, late) = EXPONENTS[mode], STARTS
    exponent = low + (high - low) * exponent_level / (EXPONENT_LEVELS - 1)
    start = early + (late - early) * start_level / (START_LEVELS - 1)
    # scalar arithmetic: vectors give other last bits in their body than in their tail
    age = [min(k / KNOTS, 1.0) for k in range(TABLE_KNOTS)]
    return [KNOTS * max((one - start) / (1.0 - start), 0.0) ** exponent for one in age]


@cache
def _gamma_quantiles() -> FloatArray:
    """Quantiles of the gamma law of one increment at 65,536 levels, shape (65536,); its scale cancels in the bridge."""
    shape = BRIDGE_SHAPE / KNOTS
    # with y = x ** shape the density exp(-y ** (1 / shape)) is smooth also where the gamma density is infinite
    y = np.linspace(0.0, 24.0**shape, 200_001)
    density = np.exp(-(y ** (1.0 / shape))) / math.gamma(shape + 1.0)
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) * (y[1] - y[0]) / 2.0)])
    return np.asarray(np.interp((np.arange(LEVELS) + 0.5) / LEVELS, below, y) ** (1.0 / shape))


def wear_at(knots: Float32Array, pump: IntArray, last_step: Float32Array, step: Float32Array) -> Float32Array:
    """Wear of each mode, shape (8, n), 0 to 1.

    knots: of `draw_knots`. pump: shape (n,) or (1,), index into knots. last_step: (8, n) or (8, 1), the end of each
    mode's life; infinite where a mode does not wear. step: (n,).
    """
    place = step * np.float32(KNOTS) / last_step
    # against a row, not a number: numpy has no vector instructions for an extreme against a single number
    np.minimum(place, np.full_like(step, KNOTS), out=place)
    knot = np.trunc(place)
    runs = _between_knots(knot, pump)
    mode, row = np.divmod(runs.first, len(step))
    at = (np.broadcast_to(pump, step.shape)[row] * len(MODES) + mode) * TABLE_KNOTS
    at += knot.reshape(-1)[runs.first].astype(np.int64)
    flat = knots.reshape(-1)
    left = flat[at]
    place -= knot
    place *= runs.spread(flat[at + 1] - left).reshape(place.shape)
    place += runs.spread(left).reshape(place.shape)
    return place


def _between_knots(knot: Float32Array, pump: IntArray) -> Runs:
    """Runs of the raveled rows of (8, n) in which one pump's mode lies between the same two knots."""
    begins = np.ones(knot.shape, dtype=np.bool_)
    np.not_equal(knot[:, 1:], knot[:, :-1], out=begins[:, 1:])
    if len(pump) > 1:
        begins[:, 1:] |= pump[1:] != pump[:-1]
    return Runs.beginning(begins.reshape(-1))
