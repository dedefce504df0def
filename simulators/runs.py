"""Stretches of rows in which nothing changes: what belongs to one is looked up once and repeated.

Readings come mostly in the order of their time, so pump, duty and knots of wear stay the same for tens to thousands of
rows. To repeat a value costs a tenth of looking it up for every row. Rows in any other order only make more runs.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Runs:
    """r runs of `rows` rows in all. first, length: shape (r,), where each begins and how many rows it has."""

    rows: int
    first: IntArray
    length: IntArray

    @classmethod
    def of(cls, *columns: NDArray[Any]) -> Self:
        """Runs of rows in which none of the columns changes; each of shape (n,)."""
        begins = np.ones(len(columns[0]), dtype=np.bool_)
        np.not_equal(columns[0][1:], columns[0][:-1], out=begins[1:])
        for column in columns[1:]:
            begins[1:] |= column[1:] != column[:-1]
        return cls.beginning(begins)

    @classmethod
    def beginning(cls, begins: NDArray[np.bool_]) -> Self:
        """Runs that begin where `begins`, shape (n,), is true; the first row must be."""
        first = np.flatnonzero(begins)
        length = np.empty_like(first)
        np.subtract(first[1:], first[:-1], out=length[:-1])
        length[-1:] = len(begins) - first[-1:]
        return cls(len(begins), first, length)

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """A value of each run, shape (..., r), for each of its rows: shape (..., rows)."""
        return values if len(self.first) == self.rows else np.repeat(values, self.length, axis=-1)
