"""What the platform remembers of each pump, as a struct of arrays: row lookup, growth, snapshots, event-time order."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.errors import PdmError

Scalar = TypeVar("Scalar", bound=np.generic)
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
LAST_TIME = "last_time_ns"
_NEVER_NS = np.iinfo(np.int64).min
_CONTRACT = "contract"
_DEVICES = "device_ids"


class SnapshotError(PdmError):
    """A snapshot of pump states cannot be used by this version of the code."""

    code = "PDM-STATE-001"


class Column(NamedTuple):
    """One remembered quantity: its shape per pump, and the value of a pump that was never seen."""

    shape: tuple[int, ...]
    dtype: type[np.int64] | type[np.float64]
    fresh: float | int


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of n readings in the order of pumps, the order of arrival kept within a pump, or whole where all differ.

    order: (n,) position in the batch; row: (n,) row in the table; run: (n,) 0 for the first pump's readings, 1 for
    the second's; rows: (m,) row of each run; newer: (n,) False for a reading that is not newer than what its pump
    already had, be it late or delivered again: it must not change any state.
    """

    order: IntArray
    row: IntArray
    run: IntArray
    rows: IntArray
    newer: BoolArray

    @property
    def is_one_each(self) -> bool:
        """Whether no pump has a second reading, as in most live batches: much needs no work then."""
        return len(self.rows) == len(self.row)

    def rounds(self) -> Iterator[IntArray]:
        """Indices into the sorted batch: the first reading of each pump, then the second of each that has one, ..."""
        if self.is_one_each:
            yield self.run
            return
        turn = _rank_in_run(self.run)
        yield from np.split(np.argsort(turn, kind="stable"), np.cumsum(np.bincount(turn))[:-1])

    def sort(self, values: NDArray[Scalar]) -> NDArray[Scalar]:
        """Bring per-reading values, shape (n, ...), from the order of arrival into that of the batch."""
        return values if self.is_one_each else values[self.order]

    def unsort(self, values: NDArray[Scalar]) -> NDArray[Scalar]:
        """Bring them back."""
        if self.is_one_each:
            return values
        result = np.empty_like(values)
        result[self.order] = values
        return result


class StatesTable:
    """Base of the state classes. A subclass names its COLUMNS and a CONTRACT that changes when their meaning does."""

    CONTRACT: ClassVar[str]
    COLUMNS: ClassVar[Mapping[str, Column]]

    def __init__(self) -> None:
        self._row_of: dict[str, int] = {}
        self._hold(0, {name: _fresh(column, 0) for name, column in self._all_columns().items()})

    @classmethod
    def _all_columns(cls) -> dict[str, Column]:
        return {LAST_TIME: Column((), np.int64, _NEVER_NS), **cls.COLUMNS}

    def __len__(self) -> int:
        return len(self._row_of)

    @classmethod
    @cache
    def float_slices(cls) -> dict[str, slice]:
        """Where each column of floats lies in a row of `floats`."""
        names = [name for name, column in cls.COLUMNS.items() if column.dtype is np.float64]
        ends = np.cumsum([0, *(math.prod(cls.COLUMNS[name].shape) for name in names)]).tolist()
        return {name: slice(*place) for name, place in zip(names, pairwise(ends), strict=True)}

    def _hold(self, room: int, columns: Mapping[str, NDArray[Any]]) -> None:
        """Take over columns of `room` pumps. Those of floats become views of one array: a pump is read at one go."""
        slices = self.float_slices()
        self._floats = np.empty((room, max((place.stop for place in slices.values()), default=0)))
        self._columns = dict(columns)
        for name, place in slices.items():
            view = self._floats[:, place].reshape(room, *self.COLUMNS[name].shape)
            view[...] = columns[name]
            self._columns[name] = view

    def floats(self, rows: IntArray) -> FloatArray:
        """All float columns of some pumps, flat, side by side as `float_slices` says: a copy, shape (n, width)."""
        return self._floats[rows]

    def put_floats(self, rows: IntArray, values: FloatArray) -> None:
        """Write back what `floats` gave."""
        self._floats[rows] = values

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The column itself, at least as long as the table. Ask again after `rows_of`: growth replaces it."""
        return self._columns[name]

    def rows_of(self, device_ids: Sequence[str]) -> IntArray:
        """Row of each device, shape (n,). Devices not seen before are added."""
        row_of = self._row_of
        try:
            return np.array([row_of[device] for device in device_ids], np.int64)
        except KeyError:
            rows = np.array([row_of.setdefault(device, len(row_of)) for device in device_ids], np.int64)
            self._make_room()
            return rows

    def _make_room(self) -> None:
        room = len(self._columns[LAST_TIME])
        if len(self) <= room:
            return
        more = max(len(self), 2 * room, 64) - room
        grown = {
            name: np.concatenate([self._columns[name], _fresh(column, more)])
            for name, column in self._all_columns().items()
        }
        self._hold(room + more, grown)

    def arrange(self, device_ids: Sequence[str], time_ns: IntArray) -> Batch:
        """Sort a batch by pump and tell which readings are newer than all before them. Changes no state.

        Raises ValueError where the lengths differ.
        """
        if len(device_ids) != len(time_ns):
            raise ValueError(f"{len(device_ids)} device ids, but {len(time_ns)} times")
        all_rows, times = self.rows_of(device_ids), np.asarray(time_ns, np.int64)
        last_ns = self._columns[LAST_TIME]
        if len(set(device_ids)) == len(all_rows):
            as_it_is = np.arange(len(all_rows))
            return Batch(as_it_is, all_rows, as_it_is, all_rows, times > last_ns[all_rows])
        order = np.argsort(all_rows, kind="stable")
        row, times = all_rows[order], times[order]
        rows, run = np.unique(row, return_inverse=True)
        return Batch(order, row, run, rows, _newer(times, run, last_ns[rows]))

    def advance(self, batch: Batch, time_ns: IntArray) -> None:
        """Remember the newest time of each pump, once a batch was folded in."""
        last_ns, times = self._columns[LAST_TIME], batch.sort(np.asarray(time_ns, np.int64))
        if batch.is_one_each:
            last_ns[batch.row] = np.maximum(last_ns[batch.row], times)
        else:
            np.maximum.at(last_ns, batch.row, times)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A snapshot, as plain arrays that `numpy.savez` writes and `numpy.load(allow_pickle=False)` reads."""
        arrays: dict[str, NDArray[Any]] = {name: values[: len(self)].copy() for name, values in self._columns.items()}
        arrays[_CONTRACT] = np.array(self.CONTRACT)
        arrays[_DEVICES] = np.array(list(self._row_of), dtype=np.str_)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a snapshot. Raises SnapshotError where it was made under another contract or is incomplete."""
        expected = cls._all_columns()
        missing = sorted({*expected, _CONTRACT, _DEVICES} - set(arrays))
        if missing:
            raise _refusal(cls, f"lacks {', '.join(missing)}")
        if (found := str(arrays[_CONTRACT])) != cls.CONTRACT:
            raise _refusal(cls, f"was made under contract {found[:12]}, this code has {cls.CONTRACT[:12]}")
        table = cls()
        devices = [str(device) for device in arrays[_DEVICES]]
        table._row_of = {device: row for row, device in enumerate(devices)}
        if len(table._row_of) != len(devices):
            raise _refusal(cls, "names a device twice")
        for name, column in expected.items():
            values = arrays[name]
            if values.shape != (len(devices), *column.shape) or values.dtype != column.dtype:
                raise _refusal(cls, f"has {name} as {values.dtype}{values.shape}")
        table._hold(len(devices), {name: arrays[name].copy() for name in expected})
        return table


def _refusal(cls: type, why: str) -> SnapshotError:
    return SnapshotError(
        f"the snapshot of {cls.__name__} {why}",
        hint="Delete the snapshot: states are then rebuilt from the readings that come in.",
    )


def _fresh(column: Column, pumps: int) -> NDArray[Any]:
    return np.full((pumps, *column.shape), column.fresh, dtype=column.dtype)


def _rank_in_run(run: IntArray) -> IntArray:
    first = np.flatnonzero(np.diff(run, prepend=-1))
    return np.arange(len(run)) - np.repeat(first, np.diff(first, append=len(run)))


def _newer(time_ns: IntArray, run: IntArray, last_ns: IntArray) -> BoolArray:
    """True where a time is above all before it in its run, the remembered one included. `run` ascends."""
    runs = len(last_ns)
    times = np.concatenate([last_ns, time_ns])
    owner = np.concatenate([np.arange(runs), run])
    # ranks instead of nanoseconds: with the run as the higher digit they fit into 64 bits, and one running maximum
    # serves all runs at once
    rank = np.unique(times, return_inverse=True)[1] + owner * len(times)
    by_run = np.argsort(owner, kind="stable")
    highest = np.maximum.accumulate(rank[by_run])
    above = np.concatenate([[False], rank[by_run][1:] > highest[:-1]])
    return above[by_run >= runs]
