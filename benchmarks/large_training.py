"""What a history larger than memory costs on its way to a model: `python -m benchmarks.large_training`.

Writes synthetic lives of pumps into a lake of its own as `telemetry_window`, then materialises `validated_telemetry`
and `feature_table` in a fresh process, as Dagster would, and thins what came out as the training does. Prints seconds
for each million readings, and the most memory that the process and all that it started had at once.

Features of 50 M readings would take about 23 GB of disk; `--rows-per-device` says how many rows of each pump are kept,
though every reading is folded.
"""

import argparse
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import pyarrow as pa

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DEVICE, PUMP_LABELS, TIME, Window
from pdm_platform.contract.states import STATES, state_index
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S
from pdm_platform.core.lives_table import chosen, pumps_of
from pdm_platform.core.signals import INTERVAL_S
from pdm_platform.defs.extract import PART_ROWS
from pdm_platform.stores.lake import Lake

END_NS: Final = 1_800_000_000 * NS_PER_S
LIFE_READINGS: Final = 10_000
STEP_S: Final = 10
STAGES: Final = ("validate", "features", "sample")
TARGET_GB: Final = 4.0
_SAMPLE_S: Final = 0.1
_NEW: Final = np.array([0.6, 0.6, 0.5, 1.0, 38.0, 4.2, 7.8, 2_850.0])
_WORN: Final = np.array([5.0, 5.0, 4.0, 8.1, 70.0, 3.0, 9.5, 2_780.0])
_NOISE: Final = 0.02
_DECIMALS: Final = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """One stage over one history: seconds by the clock and of the processor, most memory at once, rows made."""

    stage: str
    readings: int
    wall_s: float
    processor_s: float
    peak_gb: float
    rows: int


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--readings", default="1e6,5e6", help="how many, several after a comma (default %(default)s)")
    parser.add_argument("--compute", default="local", help="PDM_COMPUTE (default %(default)s)")
    parser.add_argument("--rows-per-device", type=int, default=1_000, help="kept of each pump (default %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the lake is made (default: the system's temporary folder)")
    parser.add_argument("--plot", type=Path, help="also draw the costs into this PNG")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}, parts of {PART_ROWS:,} rows, {given.compute}")
    costs: list[Cost] = []
    for readings in (int(float(text)) for text in given.readings.split(",")):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            costs += _measure(Path(folder), readings, given.compute, given.rows_per_device)
    if given.plot:
        _draw(costs, given.plot)
    worst_gb = max(cost.peak_gb for cost in costs)
    verdict = "holds" if worst_gb <= TARGET_GB else "MISSED"
    print(f"most memory at once {worst_gb:.2f} GB; at most {TARGET_GB:g}: {verdict}")


def _measure(home: Path, readings: int, compute: str, rows_per_device: int) -> Iterator[Cost]:
    (home / "store").mkdir()
    began_s = time.perf_counter()
    size = _write_history(home, readings)
    print(f"\n{readings:,} readings: {size / 1e9:.2f} GB in the lake, written in {time.perf_counter() - began_s:.0f} s")
    for stage in STAGES:
        cost = _in_own_process(stage, home, readings, compute, rows_per_device)
        print(
            f"  {stage:9} {cost.wall_s:7.1f} s, processor {cost.processor_s:7.1f} s,"
            f" {cost.wall_s / readings * 1e6:5.2f} s a million readings, at most {cost.peak_gb:.2f} GB,"
            f" {cost.rows:,} rows",
            flush=True,
        )
        yield cost
    used = sum(path.stat().st_size for path in {path.stat().st_ino: path for path in home.rglob("*.parquet")}.values())
    print(f"  lake: {used / 1e9:.2f} GB, {shutil.disk_usage(home).free / 1e9:.0f} GB of the disk are free", flush=True)


def lives(first: int, count: int, readings: int) -> pa.Table:
    """Pumps that wear in their own way until they fail, by device, then time; one life after the other."""
    draw = np.random.default_rng(first)
    step = np.tile(np.arange(readings), count)
    worn = np.power(step / (readings - 1), np.repeat(draw.uniform(1.0, 3.0, count), readings))
    noise = 1.0 + draw.normal(0.0, _NOISE, (len(step), len(CHANNEL_NAMES)))
    channels = np.round((_NEW + (_WORN - _NEW) * worn[:, None]) * noise, _DECIMALS)
    health = np.round(100.0 * (1.0 - worn), _DECIMALS)
    lies = np.repeat(draw.integers(100, readings // 2, count), readings)
    lying = (step >= lies) & (step < lies + readings // 100)
    channels[lying, CHANNEL_NAMES.index("temperature")] = np.nan
    states = pa.array([state.value for state in STATES])
    known: dict[str, Any] = {
        DEVICE: pa.array([f"pump-{first + pump:06d}" for pump in range(count)]).take(
            pa.array(np.repeat(np.arange(count), readings))
        ),
        TIME: END_NS - (readings - step) * STEP_S * NS_PER_S,
        **{name: pa.array(channels[:, place], from_pandas=True) for place, name in enumerate(CHANNEL_NAMES)},
        "measurement_id": step,
        "health_percent": health,
        "ground_truth": states.take(pa.array(state_index(health))),
        "rul_hours": (readings - 1 - step) * STEP_S / 3600.0,
        "sensor_fault": pa.array(["temperature:dropout"]).take(pa.array(np.zeros(len(step), np.int64), mask=~lying)),
    }
    missing = {name: pa.nulls(len(step), PUMP_LABELS.schema.field(name).type) for name in PUMP_LABELS.schema.names}
    return pa.table({**missing, **known}).select(PUMP_LABELS.schema.names).cast(PUMP_LABELS.schema)


def _write_history(home: Path, readings: int) -> int:
    """Bytes of a `telemetry_window` with so many readings."""
    at_once = PART_ROWS // LIFE_READINGS
    pumps = max(readings // LIFE_READINGS, 1)
    window = Window(END_NS - 14 * 24 * NS_PER_HOUR, END_NS)
    with Lake(home / "lake").writing("telemetry_window", window) as rows:
        for first in range(0, pumps, at_once):
            rows.add(lives(first, min(at_once, pumps - first), min(LIFE_READINGS, readings)))
        return rows.store(devices=pumps).path.stat().st_size


def _in_own_process(stage: str, home: Path, readings: int, compute: str, rows_per_device: int) -> Cost:
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_run, args=(stage, home, compute, rows_per_device, there))
    process.start()
    watched = psutil.Process(process.pid)
    began_s, peak = time.perf_counter(), 0
    processor_s: dict[int, float] = {}
    while not here.poll(_SAMPLE_S):
        peak = max(peak, _look(watched, processor_s))
        if not process.is_alive():
            raise SystemExit(f"{stage} ended with {process.exitcode}")
    rows = here.recv()
    _look(watched, processor_s)
    wall_s = time.perf_counter() - began_s
    process.join()
    return Cost(stage, readings, wall_s, sum(processor_s.values()), peak / 1e9, rows)


def _look(process: psutil.Process, processor_s: dict[int, float]) -> int:
    """Resident bytes of the process and its descendants; notes the processor time of each."""
    resident = 0
    try:
        for one in (process, *process.children(recursive=True)):
            with one.oneshot():
                resident += one.memory_info().rss
                times = one.cpu_times()
                processor_s[one.pid] = times.user + times.system
    except psutil.NoSuchProcess:
        pass  # it ended between the two questions
    return resident


def _run(stage: str, home: Path, compute: str, rows_per_device: int, told: Connection) -> None:
    os.environ |= {"PDM_HOME": str(home), "PDM_COMPUTE": compute, "DAGSTER_DISABLE_TELEMETRY": "1"}
    os.environ.pop("PDM_STORE_URL", None)
    told.send(_sample(home) if stage == "sample" else _materialize(stage, home, rows_per_device))


def _materialize(stage: str, home: Path, rows_per_device: int) -> int:
    """Rows of the asset."""
    import dagster as dg

    from pdm_platform.defs.features import feature_table
    from pdm_platform.defs.resources import Platform
    from pdm_platform.defs.validate import validated_telemetry

    asset, config = (
        (validated_telemetry, {"max_age_hours": 1.0})
        if stage == "validate"
        else (feature_table, {"rows_per_device": rows_per_device})
    )
    name = asset.key.to_user_string()
    ops = {"ops": {name: {"config": config}}, "loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    dg.materialize([asset], resources={"platform": Platform()}, run_config=ops)
    return Lake(home / "lake").current(name).rows


def _sample(home: Path) -> int:
    """Rows of a training set as the training takes it."""
    lake = Lake(home / "lake")
    source = lake.current("feature_table")
    devices = pumps_of(lake.parts(source, (DEVICE, INTERVAL_S, "failure_mode"))).speeds
    return len(chosen(lake.parts(source), list(devices), seed=7))


def _draw(costs: list[Cost], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    seconds, memory = figure.subplots(1, 2)
    for stage in STAGES:
        points = sorted((cost for cost in costs if cost.stage == stage), key=lambda cost: cost.readings)
        millions = [cost.readings / 1e6 for cost in points]
        seconds.plot(millions, [cost.processor_s for cost in points], marker="o", label=stage)
        memory.plot(millions, [cost.peak_gb for cost in points], marker="o", label=stage)
    memory.axhline(TARGET_GB, color="grey", linestyle="--")
    for axes in (seconds, memory):
        axes.set(xscale="log", xlabel="million readings")
    seconds.set(yscale="log", ylabel="processor, seconds")
    memory.set(ylabel="most memory at once, GB")
    memory.set_ylim(bottom=0)
    memory.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
