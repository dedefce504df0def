"""Run-to-failure files in NASA's C-MAPSS format, read and brought to one operating condition.

A line of `train_SET.txt` and `test_SET.txt` is engine, cycle, three settings, sensors, separated by blanks; in training
files an engine's last line is its failure. `RUL_SET.txt` has the cycles left after the last line of each test engine.
Source: Saxena, Goebel, Simon, Eklund, Damage propagation modeling for aircraft engine run-to-failure simulation, 2008.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.errors import PdmError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SETTINGS: Final = 3
_KEYS: Final = ("engine", "cycle", *(f"setting {number}" for number in range(1, SETTINGS + 1)))
# Settings wander a little about their nominal values, and are told apart in these steps: altitude in 1000 ft, Mach
# number, throttle resolver angle in degrees.
_STEPS: Final = np.array([1.0, 0.05, 1.0])
# A rarer combination of settings is the rounding of another one.
_LEAST_SHARE: Final = 0.01


class BenchmarkFileError(PdmError):
    """A file of a benchmark is missing, or is not what its format says."""

    code = "PDM-BENCH-001"


@dataclass(frozen=True, slots=True)
class Readings:
    """n readings, one a cycle, sorted by engine and cycle. engine, cycle: (n,); settings: (n, 3); sensors: (n, S)."""

    engine: IntArray
    cycle: IntArray
    settings: FloatArray
    sensors: FloatArray

    @property
    def last(self) -> IntArray:
        """Index of each engine's last reading, ascending by engine."""
        return np.flatnonzero(np.append(self.engine[1:] != self.engine[:-1], True))

    @property
    def lives(self) -> FloatArray:
        """Cycles until each engine's last reading, one an engine."""
        return self.cycle[self.last].astype(np.float64)


def read_readings(path: Path) -> Readings:
    """Read a training or test file. Raises BenchmarkFileError naming file, line and column."""
    table = _table(path)
    columns = table.shape[1]
    if columns <= len(_KEYS):
        raise _wrong(path, f"line 1 has {columns} columns, expected {', '.join(_KEYS)} and at least one sensor")
    for column in (0, 1):
        if (odd := np.flatnonzero((table[:, column] < 1) | (table[:, column] % 1 != 0))).size:
            raise _wrong(
                path,
                f"line {odd[0] + 1}, column {column + 1} ({_KEYS[column]}) is {table[odd[0], column]:g}, not 1, 2, ...",
            )
    order = np.lexsort((table[:, 1], table[:, 0]))
    engine, cycle = table[order, 0].astype(np.int64), table[order, 1].astype(np.int64)
    again = np.flatnonzero((engine[1:] == engine[:-1]) & (cycle[1:] == cycle[:-1]))
    if again.size:
        line = order[again[0] + 1] + 1
        raise _wrong(path, f"line {line} repeats cycle {cycle[again[0]]} of engine {engine[again[0]]}")
    return Readings(engine, cycle, table[order, 2 : len(_KEYS)], table[order, len(_KEYS) :])


def read_remaining(path: Path, engines: int) -> FloatArray:
    """Cycles left to each test engine, shape (engines,). Raises BenchmarkFileError naming file and line."""
    table = _table(path)
    if table.shape != (engines, 1):
        raise _wrong(
            path, f"it has {len(table)} lines of {table.shape[1]} columns, expected {engines} of 1: one a test engine"
        )
    if (odd := np.flatnonzero(table[:, 0] < 0)).size:
        raise _wrong(path, f"line {odd[0] + 1}, column 1 (remaining cycles) is {table[odd[0], 0]:g}, less than 0")
    return table[:, 0]


def _table(path: Path) -> FloatArray:
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").rstrip().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _wrong(path, f"it cannot be read: {reason}") from None
    if not lines or not lines[0]:
        raise _wrong(path, "its first line is empty")
    for number, cells in enumerate(lines, start=1):
        if len(cells) != len(lines[0]):
            raise _wrong(path, f"line {number} has {len(cells)} columns, line 1 has {len(lines[0])}")
    try:
        table = np.array(lines, np.float64)
    except ValueError:
        table = np.array([[_number(cell) for cell in cells] for cells in lines])
    if (bad := np.argwhere(~np.isfinite(table))).size:
        row, column = bad[0]
        raise _wrong(
            path, f"line {row + 1}, column {column + 1} ({_name(column)}) is {lines[row][column]!r}, no number"
        )
    return table


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _name(column: int) -> str:
    return _KEYS[column] if column < len(_KEYS) else f"sensor {column - len(_KEYS) + 1}"


def _wrong(path: Path, what: str) -> BenchmarkFileError:
    hint = "Lines of train_ and test_SET.txt are engine, cycle, 3 settings, sensors; RUL_SET.txt has a number a line."
    return BenchmarkFileError(f"{path}: {what}", hint=hint)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Operating conditions of the training engines, and what each sensor reads there.

    centres: (K, 3) settings. kept: (C,) sensors that vary within a condition. mean, sd: (K, C), over training readings.
    """

    centres: FloatArray
    kept: IntArray
    mean: FloatArray
    sd: FloatArray

    @classmethod
    def of(cls, readings: Readings) -> Self:
        """Round the settings, and take mean and standard deviation of each sensor in each condition."""
        rounded = np.round(readings.settings / _STEPS) * _STEPS + 0.0  # no -0
        centres, counts = np.unique(rounded, axis=0, return_counts=True)
        common = counts >= min(_LEAST_SHARE * len(rounded), counts.max())
        centres = centres[common]
        of_reading = _nearest(centres, readings.settings)
        parts = [readings.sensors[of_reading == index] for index in range(len(centres))]
        # two values are a switch or a rounding, not a measurement
        most = max(parts, key=len)
        kept = np.flatnonzero([len(np.unique(values)) > 2 for values in most.T])
        sd = np.array([part[:, kept].std(axis=0) for part in parts])
        overall = np.sqrt(np.mean(sd * sd, axis=0))
        return cls(
            centres, kept, np.array([part[:, kept].mean(axis=0) for part in parts]), np.where(sd > 0.0, sd, overall)
        )

    def standardised(self, readings: Readings) -> FloatArray:
        """Sensors as their distance from what is usual in their condition, in standard deviations, shape (n, C)."""
        index = _nearest(self.centres, readings.settings)
        return np.asarray((readings.sensors[:, self.kept] - self.mean[index]) / self.sd[index], np.float64)


def _nearest(centres: FloatArray, settings: FloatArray) -> IntArray:
    distance = (((settings[:, None] - centres[None]) / _STEPS) ** 2).sum(axis=2)
    return np.asarray(np.argmin(distance, axis=1), np.int64)
