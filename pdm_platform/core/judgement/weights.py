"""Means in which each life counts the same, however many readings it has: 10,000 of one are not 10,000 witnesses."""

import numpy as np

from pdm_platform.core.judgement.verdicts import BoolArray, FloatArray, IntArray


def per_life_mean(values: FloatArray, owner: IntArray, where: BoolArray | None = None) -> float:
    """Mean over lives of each life's mean over its rows in `where`; NaN values are passed over, NaN if none is left.

    values: (n,). owner: (n,) index of each row's life.
    """
    known = ~np.isnan(values) if where is None else where & ~np.isnan(values)
    if not known.any():
        return float("nan")
    rows = np.bincount(owner[known])
    sums = np.bincount(owner[known], weights=values[known])
    return float((sums[rows > 0] / rows[rows > 0]).mean())


def life_weights(owner: IntArray, where: BoolArray | None = None) -> FloatArray:
    """Weight of each row, (n,), 0 outside `where`: those of a life sum to 1."""
    inside = np.ones(len(owner), np.bool_) if where is None else where
    rows = np.bincount(owner[inside], minlength=int(owner.max(initial=-1)) + 1)
    return np.where(inside, 1.0 / np.maximum(rows, 1)[owner], 0.0)


def runs(marked: BoolArray, owner: IntArray) -> list[tuple[int, int]]:
    """Maximal runs of marked rows within a life, as start and stop."""
    code = np.where(marked, owner + 1, 0)
    return [span for span in same_runs(code) if code[span[0]]]


def same_runs(code: IntArray) -> list[tuple[int, int]]:
    """Maximal runs of equal values, as start and stop."""
    if not len(code):
        return []
    starts = np.concatenate([[0], np.flatnonzero(np.diff(code)) + 1])
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(code)], strict=True))


def ratio(numerator: float, denominator: float) -> float:
    """NaN where there is nothing to divide by."""
    return float(numerator) / float(denominator) if denominator else float("nan")


def wilson(hits: int, trials: int, z: float = 1.645) -> tuple[float, float]:
    """Bounds of 90 % of a share. Source: Wilson (1927), JASA 22(158), 209-212."""
    if not trials:
        return float("nan"), float("nan")
    share, spread = hits / trials, z * z / trials
    middle = (share + spread / 2.0) / (1.0 + spread)
    half = z * np.sqrt(share * (1.0 - share) / trials + spread / (4.0 * trials)) / (1.0 + spread)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
