"""Figures that say how well states were told, and the plain rule a model must beat."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.states import STATES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# Upper bounds of zones A, B and C, mm/s RMS, category II (pumps for general use), up to 200 kW.
# Source: ISO 10816-7:2009, table 1.
ISO_10816_7_MM_S: Final = (3.2, 5.1, 8.5)


def confusion(true: IntArray, predicted: IntArray) -> IntArray:
    """Counts, shape (4, 4): rows are true states, columns predicted ones, both in the order of STATES."""
    cells = np.bincount(true * len(STATES) + predicted, minlength=len(STATES) ** 2)
    return np.asarray(cells.reshape(len(STATES), len(STATES)), np.int64)


def f1_per_state(counts: IntArray) -> FloatArray:
    """F1 of each state from a confusion matrix, shape (4,); NaN for a state that neither occurs nor is predicted."""
    hits, total = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1)
    return np.where(total > 0, 2.0 * hits / np.maximum(total, 1), np.nan)


def macro_f1(counts: IntArray) -> float:
    """Mean F1 of the states that occur or are predicted; NaN where there is no reading."""
    known = f1_per_state(counts)
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else float("nan")


def limit_states(vibration_rms_mm_s: FloatArray, limits_mm_s: Sequence[float] = ISO_10816_7_MM_S) -> IntArray:
    """The state that three ascending limits of vibration would tell, shape (n,); zones A to D are HEALTHY to BROKEN.

    A limit belongs to the better state. A missing reading counts as HEALTHY: a limit switch would be silent too.
    """
    zone = np.searchsorted(limits_mm_s, vibration_rms_mm_s, side="left")
    return np.where(np.isnan(vibration_rms_mm_s), 0, zone).astype(np.int64)


def fitted_limits(vibration_rms_mm_s: FloatArray, state_index: IntArray) -> tuple[float, ...]:
    """Limits set by the data: halfway between the median vibration of neighbouring states, never descending, mm/s.

    Every state must occur. NaN readings are passed over.
    """
    medians = [float(np.nanmedian(vibration_rms_mm_s[state_index == state])) for state in range(len(STATES))]
    halfway = [(lower + upper) / 2.0 for lower, upper in pairwise(medians)]
    return tuple(np.maximum.accumulate(halfway).tolist())
