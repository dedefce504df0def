"""A panel for each channel of a pump: the reading, its spread, this pump's baseline and, for vibration, the zones."""

from typing import Final

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.common import DataSourceRef

from grafana.panels import lines
from grafana.queries import OF_MEANS, OF_PUMP, Query, bucket, flux, ranged, series
from grafana.style import coloured, limits, prop
from pdm_platform.contract.channels import Channel
from pdm_platform.contract.measurements import DEVICE, PUMP_TELEMETRY
from pdm_platform.core.features import BASELINE_READINGS
from pdm_platform.core.scores import ISO_10816_7_MM_S
from pdm_platform.stores.influx_buckets import RAW

UNITS: Final = {"mm/s": "suffix:mm/s", "°C": "celsius", "bar": "pressurebar", "A": "amp", "1/min": "suffix:1/min"}
MIXED: Final = DataSourceRef(type_val="datasource", uid="-- Mixed --")
_VIBRATION: Final = "mm/s"
_RMS: Final = "vibration_rms"
_ABOVE_ZONES_MM_S: Final = 9.0


def channel_panel(channel: Channel) -> timeseries.Panel:
    """The channel over time. Both vibration zones and features take their figures from the platform's own code."""
    vibration = channel.unit == _VIBRATION
    panel = lines(
        channel.name.replace("_", " ").capitalize(),
        _help(channel),
        _mean(channel),
        _spread(channel),
        baseline(channel),
        unit=UNITS[channel.unit],
        height=7,
        lowest=0 if vibration else None,
        thresholds=_zones() if vibration else None,
        zones=vibration,
    )
    if channel.name == _RMS:
        panel.axis_soft_max(_ABOVE_ZONES_MM_S)
    panel.override_by_name("mean", [coloured("blue"), prop("custom.lineWidth", 2)])
    panel.override_by_name("baseline", [coloured("purple"), prop("custom.lineStyle", {"fill": "dash", "dash": [8, 6]})])
    faint = [coloured("blue"), prop("custom.lineWidth", 0), prop("custom.hideFrom", {"legend": True, "tooltip": False})]
    panel.override_by_name("highest", [*faint, prop("custom.fillBelowTo", "lowest"), prop("custom.fillOpacity", 18)])
    panel.override_by_name("lowest", faint)
    return panel.datasource(MIXED)


def baseline(channel: Channel) -> Query:
    """Flux, because InfluxQL has no line from one value: the mean of the first readings, as the features take it."""
    text = f"""
first = from(bucket: "{bucket(RAW)}")
  |> range(start: -30d)
  |> filter(fn: (r) => r._measurement == "{PUMP_TELEMETRY.name}" and r._field == "{channel.name}")
  |> filter(fn: (r) => r.{DEVICE} == "$pump")
  |> limit(n: {BASELINE_READINGS})
  |> mean()
  |> group()
from_left = first |> map(fn: (r) => ({{_time: v.timeRangeStart, _value: r._value, _field: "baseline"}}))
to_right = first |> map(fn: (r) => ({{_time: v.timeRangeStop, _value: r._value, _field: "baseline"}}))
union(tables: [from_left, to_right])
  |> group(columns: ["_field"])
  |> sort(columns: ["_time"])
"""
    return flux(text, ref="C")


def _mean(channel: Channel) -> Query:
    return series(
        f'SELECT mean("{channel.name}") AS "mean" FROM {ranged(PUMP_TELEMETRY)} '
        f"WHERE $timeFilter AND {OF_PUMP} AND {OF_MEANS} GROUP BY time($__interval) fill(null)",
        alias="$col",
    )


def _spread(channel: Channel) -> Query:
    return series(
        f'SELECT max("{channel.name}") AS "highest", min("{channel.name}") AS "lowest" FROM {ranged(PUMP_TELEMETRY)} '
        f"WHERE $timeFilter AND {OF_PUMP} GROUP BY time($__interval) fill(null)",
        alias="$col",
        ref="B",
    )


def _help(channel: Channel) -> str:
    drawn = (
        f"{channel.name} in {channel.unit}. The line is the mean of each interval, the band around it the lowest and "
        f"highest reading. Dashed: this pump's baseline, the mean of its first {BASELINE_READINGS} readings that are "
        "kept at full resolution (30 days back at most), much as the model's features take it when the pump is new."
    )
    if channel.unit != _VIBRATION:
        return drawn
    a, b, c = ISO_10816_7_MM_S
    return (
        f"{drawn} Colours: zones of ISO 10816-7, category II, up to 200 kW. A up to {a:g} mm/s (new), B up to {b:g} "
        f"(fit for long operation), C up to {c:g} (for a limited time), D above (may damage)."
    )


def _zones() -> ThresholdsConfig:
    a, b, c = ISO_10816_7_MM_S
    return limits("green", (a, "yellow"), (b, "orange"), (c, "red"))
