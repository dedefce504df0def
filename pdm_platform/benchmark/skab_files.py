"""Recordings like those of the Skoltech Anomaly Benchmark (SKAB): csv files, a row a second, separated by ';'."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from pdm_platform.benchmark.cmapss_files import BenchmarkFileError
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.core.states_table import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

_TIME: Final = ("datetime", "timestamp", "time")
_LABEL: Final = "anomaly"
_NO_READING: Final = (*_TIME, _LABEL, "changepoint")


@dataclass(frozen=True, slots=True)
class Recording:
    """One file of n rows.

    name: its path below the folder, without ending. group: the folder it lies in. channels: names of its C columns.
    time_ns: (n,), ascending. values: (n, C), NaN where missing. anomaly: (n,), or None where nobody labelled it.
    """

    name: str
    group: str
    channels: tuple[str, ...]
    time_ns: IntArray
    values: FloatArray
    anomaly: BoolArray | None


def read_recordings(folder: Path, more_rows_than: int) -> list[Recording]:
    """All csv files below a folder, by name. Raises BenchmarkFileError, naming the file, where one cannot be used."""
    if not folder.is_dir():
        raise BenchmarkFileError(f"{folder} is no folder", hint="SKAB is at github.com/waico/SKAB, folder data.")
    found = (path for path in folder.rglob("*.csv") if not path.name.startswith("."))
    paths = sorted(found, key=lambda path: (path.parent, len(path.stem), path.stem))
    if not paths:
        raise BenchmarkFileError(f"{folder}: no csv file in or below it")
    return [_read(path, folder, more_rows_than) for path in paths]


def _read(path: Path, folder: Path, more_rows_than: int) -> Recording:
    import pandas as pd

    try:
        table = pd.read_csv(path, sep=";", skipinitialspace=True)
    except (OSError, ValueError) as error:
        raise BenchmarkFileError(f"{path}: cannot be read: {error}") from None
    table.columns = table.columns.str.strip()
    if len(table) <= more_rows_than:
        raise BenchmarkFileError(
            f"{path}: {len(table)} rows", hint=f"The first {more_rows_than} are learnt, those after them are judged."
        )
    numbers = {
        str(name): pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64)
        for name in table.columns
        if str(name).lower() not in _NO_READING
    }
    channels = tuple(name for name, values in numbers.items() if np.isfinite(values).any())
    if not channels:
        raise BenchmarkFileError(
            f"{path}: no column of numbers", hint="Columns are separated by ';', their names come first."
        )
    values = np.column_stack([numbers[name] for name in channels])
    name = path.relative_to(folder).with_suffix("")
    return Recording(name.as_posix(), name.parent.as_posix(), channels, _times(table), values, _labels(table))


def _times(table: "pd.DataFrame") -> IntArray:
    """As the file says, made unique and ascending as at the platform's intake; a row a second where it does not say."""
    import pandas as pd

    counted = np.arange(len(table))
    column = next((name for name in table.columns if str(name).lower() in _TIME), None)
    told = None if column is None else pd.to_datetime(table[column], errors="coerce", utc=True)
    if told is None or told.isna().any():
        return counted * NS_PER_S
    time_ns = told.dt.as_unit("ns").astype(np.int64).to_numpy()
    return np.asarray(np.maximum.accumulate(time_ns - counted) + counted)


def _labels(table: "pd.DataFrame") -> BoolArray | None:
    import pandas as pd

    column = next((name for name in table.columns if str(name).lower() == _LABEL), None)
    if column is None:
        return None
    return np.asarray(pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64) > 0.0)
