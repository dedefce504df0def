"""Flux that keeps the downsampled buckets: mean, min and max of each channel and device, a minute and an hour wide.

Each window of time is aggregated again later, so that what devices kept while they were cut off gets in: a point that
is written again replaces the one before. PASSES says when; what comes later still, `pdmctl store downsample` takes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from pdm_platform.contract.measurements import DEVICE, PUMP_PREDICTION, PUMP_TELEMETRY, Measurement, Window
from pdm_platform.contract.times import NS_PER_HOUR, iso_of
from pdm_platform.stores.influx_buckets import HOURS, MINUTES, RAW, Bucket

AGGREGATES: Final = ("mean", "min", "max")
# tag of a downsampled point: which aggregate it holds
AGG: Final = "agg"
MEASUREMENTS: Final = (PUMP_TELEMETRY, PUMP_PREDICTION)
WIDTHS: Final = {MINUTES: "1m", HOURS: "1h"}


@dataclass(frozen=True, slots=True)
class Pass:
    """One task: every `every`, `offset` later, the windows from `start` to `stop` before then, as Flux durations."""

    name: str
    bucket: Bucket
    every: str
    offset: str
    start: str
    stop: str = "0s"


# Offsets spread the load; a device's reading is stored within seconds, and those that come later are aggregated again.
PASSES: Final = (
    Pass("minutes", MINUTES, "1m", "10s", "5m"),
    Pass("minutes, an hour later", MINUTES, "1h", "4m", "2h"),
    Pass("minutes, a day later", MINUTES, "1h", "8m", "25h", "24h"),
    Pass("minutes, a week later", MINUTES, "1h", "12m", "169h", "168h"),
    Pass("hours", HOURS, "1h", "2m", "3h"),
    Pass("hours, a day later", HOURS, "1h", "16m", "25h", "24h"),
    Pass("hours, a week later", HOURS, "1h", "18m", "169h", "168h"),
)


def downsampled_fields(measurement: Measurement) -> tuple[str, ...]:
    """The fields that have a mean: every float."""
    return tuple(name for name in measurement.fields if measurement.schema.field(name).type == pa.float64())


def task_name(prefix: str, step: Pass) -> str:
    """The task's name in InfluxDB."""
    return f"{prefix}: {step.name}"


def task_flux(prefix: str, org: str, step: Pass) -> str:
    """The whole script of one task."""
    width = WIDTHS[step.bucket]
    head = (
        'import "date"\n'
        f'option task = {{name: "{task_name(prefix, step)}", every: {step.every}, offset: {step.offset}}}\n'
        f"stop = date.truncate(t: date.sub(d: {step.stop}, from: now()), unit: {width})\n"
        f"start = date.truncate(t: date.sub(d: {step.start}, from: now()), unit: {width})\n"
    )
    return head + "\n".join(_streams(prefix, org, step.bucket, "start", "stop"))


def window_flux(prefix: str, org: str, bucket: Bucket, window: Window) -> str:
    """A script that downsamples one window into one bucket; it yields how many points of each kind it wrote."""
    return "\n".join(_streams(prefix, org, bucket, iso_of(window.start_ns), iso_of(window.end_ns)))


def hourly(window: Window) -> list[Window]:
    """The whole hours that hold the window, one by one: what the server aggregates at once stays small."""
    first = window.start_ns // NS_PER_HOUR
    last = -(-window.end_ns // NS_PER_HOUR)
    return [Window(hour * NS_PER_HOUR, (hour + 1) * NS_PER_HOUR) for hour in range(first, last)]


def _streams(prefix: str, org: str, into: Bucket, start: str, stop: str) -> Iterator[str]:
    for measurement in MEASUREMENTS:
        wanted = " or ".join(f'r._field == "{field}"' for field in downsampled_fields(measurement))
        for aggregate in AGGREGATES:
            # One table a field before `to`: with the thousands that a fleet's series would be, it took 2 to 3 times
            # as long. The count at the end keeps the points themselves from being sent to the one who asked.
            yield f"""from(bucket: "{RAW.name(prefix)}")
  |> range(start: {start}, stop: {stop})
  |> filter(fn: (r) => r._measurement == "{measurement.name}")
  |> filter(fn: (r) => {wanted})
  |> aggregateWindow(every: {WIDTHS[into]}, fn: {aggregate}, createEmpty: false, timeSrc: "_start")
  |> group(columns: ["_measurement", "_field"])
  |> set(key: "{AGG}", value: "{aggregate}")
  |> to(bucket: "{into.name(prefix)}", org: "{org}", tagColumns: ["{AGG}", "{DEVICE}"])
  |> count()
  |> group()
  |> sum()
  |> yield(name: "{measurement.name} {aggregate}")
"""
