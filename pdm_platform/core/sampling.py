"""Fewer rows of long lives, so that what a model learns from is bounded however long the history is."""

import zlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pdm_platform.contract.measurements import DEVICE

IntArray = NDArray[np.int64]


def thinned(part: pa.Table, *, rows_per_device: int, seed: int) -> pa.Table:
    """At most `rows_per_device` rows of each device, spread evenly over its rows, in the same order.

    part: whole devices, each device's rows together, in the order of time. Where a device has more, its rows are cut
    into that many stretches of equal length and one is drawn of each: a fixed step would see always the same phase of
    what repeats. What is drawn depends on the device, its rows and the seed alone, not on the parts of the history.
    Raises ValueError where nothing would be left.
    """
    if rows_per_device < 1:
        raise ValueError(f"rows_per_device is {rows_per_device}, at least one row of each device is needed")
    if not part.num_rows:
        return part
    runs = pc.run_end_encode(part[DEVICE].combine_chunks().cast(pa.string()))
    ends = runs.run_ends.to_numpy().astype(np.int64)
    starts = np.concatenate([[0], ends[:-1]])
    if (ends - starts).max() <= rows_per_device:
        return part
    kept = [
        start + drawn_evenly(end - start, rows_per_device, seed=seed, key=device)
        for start, end, device in zip(starts.tolist(), ends.tolist(), runs.values.to_pylist(), strict=True)
    ]
    return part.take(pa.array(np.concatenate(kept)))


def drawn_evenly(rows: int, most: int, *, seed: int, key: str) -> IntArray:
    """Positions of at most `most` of `rows` rows, ascending, one drawn from each of as many equal stretches."""
    if rows <= most:
        return np.arange(rows, dtype=np.int64)
    bounds = np.arange(most + 1, dtype=np.int64) * rows // most
    draw = np.random.default_rng([seed, zlib.crc32(key.encode())])
    return draw.integers(bounds[:-1], bounds[1:])
