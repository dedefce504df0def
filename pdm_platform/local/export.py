"""Readings, labelled readings and predictions out of the store, as CSV or Parquet."""

import sys
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from pdm_platform.contract.errors import SettingsError
from pdm_platform.contract.measurements import (
    PUMP_LABELS,
    PUMP_PREDICTION,
    PUMP_TELEMETRY,
    TIME,
    Window,
)
from pdm_platform.contract.times import time_of
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.telemetry import open_platform_store

WHAT = {"predictions": PUMP_PREDICTION, "telemetry": PUMP_TELEMETRY, "training": PUMP_LABELS}
_LABEL = "ground_truth"
_BALANCE_SEED = 0


def balance(rows: pa.Table) -> pa.Table:
    """As many rows of each state as the rarest has, drawn without replacement, in their order."""
    labels = np.asarray(rows.column(_LABEL).to_pylist(), dtype=object)
    states, counts = np.unique(labels.astype(str), return_counts=True)
    draw = np.random.default_rng(_BALANCE_SEED)
    kept = [draw.choice(np.flatnonzero(labels == state), counts.min(), replace=False) for state in states]
    return rows.take(pa.array(np.sort(np.concatenate(kept)))) if kept else rows


def readable(rows: pa.Table) -> pa.Table:
    """The same rows with event time as a UTC timestamp in front of the nanoseconds."""
    timestamps = pc.cast(rows.column(TIME), pa.timestamp("ns", tz="UTC"))
    return rows.add_column(rows.schema.get_field_index(TIME), "timestamp", timestamps)


def _write(rows: pa.Table, format: str, sink: BinaryIO) -> None:
    if format == "csv":
        pa.csv.write_csv(rows, sink)
    else:
        pa.parquet.write_table(rows, sink)


def run_export(what: str, format: str, start: str, end: str, output: Path | None, *, balanced: bool) -> None:
    """Write one measurement's rows of a window to a file or stdout; tells on stderr how many there were."""
    if what not in WHAT:
        raise SettingsError(f"nothing called {what!r} can be exported", hint=f"One of: {', '.join(WHAT)}.")
    if format not in ("csv", "parquet"):
        raise SettingsError(f"--format {format!r} is neither csv nor parquet")
    if balanced and what != "training":
        raise SettingsError(
            f"--balanced needs labels, and {what} have none", hint="`pdmctl export training --balanced`"
        )
    window = (time_of(start, "--from") if start else 0, time_of(end, "--to") if end else time.time_ns())
    if window[0] > window[1]:
        raise SettingsError(f"--from {start!r} is after --to {end!r}")
    store = open_platform_store(PlatformSettings.load())
    try:
        rows = store.read(WHAT[what], Window(*window))
    finally:
        store.close()
    rows = readable(balance(rows) if balanced else rows)
    if output is None:
        _write(rows, format, sys.stdout.buffer)
    else:
        try:
            with output.open("wb") as sink:
                _write(rows, format, sink)
        except OSError as error:
            raise SettingsError(f"--output {str(output)!r}: {error.strerror}") from None
    print(f"{rows.num_rows} rows of {what}", file=sys.stderr)
