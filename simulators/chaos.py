"""Disturbances that are no wear: seeded, placed by step, so that a run can be judged against what really happened."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.draws import Stream, uniforms
from simulators.pump import Fleet, FloatArray, IntArray, vibration_rms

BoolArray = NDArray[np.bool_]
GLITCH_MM_S: Final = 12.0
HEATWAVE_C: Final = 15.0
GLITCH_SHARE: Final = 1 / 50
SPELL_EVERY: Final = 150
SPELL_READINGS: Final = 40
# a spell leaves the first readings of a life alone: they are the pump's healthy baseline
_SPELL_NOT_BEFORE: Final = 40
_TEMPERATURE: Final = 4


def glitches(fleet: Fleet, pumps: IntArray, steps: IntArray) -> BoolArray:
    """Whether the vibration sensor glitches at each (pump index, step), shape (n,): one reading in fifty."""
    drawn = uniforms(fleet.seed, Stream.GLITCH, fleet.number[pumps], fleet.generation[pumps], steps)
    return drawn[:, 0] < GLITCH_SHARE


def spell_starts(fleet: Fleet, pumps: IntArray, steps: IntArray) -> IntArray:
    """Step at which the spell of heat begins in the stretch of 150 readings that each step lies in, shape (n,)."""
    stretch = steps // SPELL_EVERY
    drawn = uniforms(fleet.seed, Stream.HEATWAVE, fleet.number[pumps], fleet.generation[pumps], stretch)
    room = SPELL_EVERY - SPELL_READINGS - _SPELL_NOT_BEFORE
    offset = _SPELL_NOT_BEFORE + (drawn[:, 0] * room).astype(np.int64)
    return np.asarray(stretch * SPELL_EVERY + offset)


def heated(steps: IntArray, starts: IntArray) -> BoolArray:
    """Whether each step lies in its stretch's spell of 40 readings, shape (n,)."""
    return (steps >= starts) & (steps < starts + SPELL_READINGS)


def disturb(channels: FloatArray, *, glitch: BoolArray, heat: BoolArray) -> FloatArray:
    """Channels (n, 8) with total vibration at 12 mm/s where `glitch`, and 15 °C more where `heat`; both shape (n,)."""
    factor = np.where(glitch, GLITCH_MM_S / np.maximum(vibration_rms(channels), 1e-9), 1.0)
    disturbed = channels.copy()
    disturbed[:, :4] *= factor[:, None]
    disturbed[:, _TEMPERATURE] += np.where(heat, HEATWAVE_C, 0.0)
    return disturbed
