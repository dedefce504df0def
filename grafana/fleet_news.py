"""Fleet, of the last 24 hours whatever range is shown: what got worse, what is new, who is silent."""

from typing import Final

from grafana_foundation_sdk.builders import table

from grafana.panels import Column, listing
from grafana.pump_columns import PREDICTED, PUMP
from grafana.queries import FLUX_RANGE, IN_SECONDS, OF_DEVICES, OF_MEANS, OF_STATE, bucket, flux, rows, stored
from grafana.style import prop
from pdm_platform.contract.measurements import PUMP_ALARM, PUMP_PREDICTION, PUMP_TELEMETRY
from pdm_platform.stores.influx_buckets import MINUTES, RAW

_DAY: Final = "24h"
_SITE_ONLY: Final = "r.device_id =~ /^${site:regex}/"


def panels() -> list[table.Panel]:
    """The tables, in the order shown."""
    return [_new_alarms(), _fell_most(), _first_seen(), _silent()]


def _new_alarms() -> table.Panel:
    text = (
        f'SELECT "state", "health_percent", "rul_hours" {IN_SECONDS} AS "life_s" FROM {stored(PUMP_ALARM)} '
        f'WHERE $timeFilter AND {OF_DEVICES} AND {OF_STATE} AND "active" = 1 GROUP BY device_id'
    )
    panel = listing(
        "Worsened in the last 24 h",
        "Each time a pump's state got worse within the last 24 hours, whatever the shown range: the alarms raised and "
        "those that became more severe, with what was predicted then.",
        rows(text),
        [Column("Time", "When", unit="dateTimeFromNow", width=118), PUMP, *PREDICTED],
        sort=("When", True),
        empty="Nothing worsened",
    )
    return panel.time_from(_DAY)


def _fell_most() -> table.Panel:
    inner = (
        'SELECT first("health_percent") - last("health_percent") AS "fall", first("health_percent") AS "was", '
        f'last("health_percent") AS "is" FROM "{bucket(MINUTES)}"."autogen"."{PUMP_PREDICTION.name}" '
        f"WHERE $timeFilter AND {OF_DEVICES} AND {OF_MEANS} GROUP BY device_id"
    )
    columns = [
        PUMP,
        Column("fall", "Lost", unit="percent", width=90, decimals=1),
        Column("was", "Then", unit="percent", width=90, decimals=0, kind="health"),
        Column("is", "Now", unit="percent", width=90, decimals=0, kind="health"),
    ]
    panel = listing(
        "Lost most health in 24 h",
        "The ten pumps whose predicted health fell most between the first and the last minute of the last 24 hours "
        "(minute means), whatever the shown range.",
        rows(f'SELECT top("fall", "device_id", 10) AS "fall", "was", "is" FROM ({inner}) WHERE "fall" > 0'),
        columns,
        sort=("Lost", True),
        empty="No pump lost health",
    )
    return _without_time(panel).time_from(_DAY)


def _without_time(panel: table.Panel) -> table.Panel:
    return panel.override_by_name("Time", [prop("custom.hidden", True)])


def _first_seen() -> table.Panel:
    text = f"""
from(bucket: "{bucket(RAW)}")
  |> range(start: -30d)
  |> filter(fn: (r) => r._measurement == "{PUMP_TELEMETRY.name}" and r._field == "present")
  |> filter(fn: (r) => {_SITE_ONLY})
  |> first()
  |> group()
  |> filter(fn: (r) => r._time >= v.timeRangeStart)
  |> keep(columns: ["_time", "device_id"])
  |> sort(columns: ["_time"], desc: true)
"""
    panel = listing(
        "First seen in the last 24 h",
        "Pumps whose first reading of the last 30 days came within the last 24 hours: new ones, and ones that were "
        "away for a month.",
        flux(text),
        [PUMP, Column("_time", "First reading", unit="dateTimeFromNow")],
        width=8,
        empty="No new pump",
    )
    return panel.time_from(_DAY)


def _silent() -> table.Panel:
    text = f"""
from(bucket: "{bucket(RAW)}")
  |> {FLUX_RANGE}
  |> filter(fn: (r) => r._measurement == "{PUMP_TELEMETRY.name}" and r._field == "present")
  |> filter(fn: (r) => {_SITE_ONLY})
  |> last()
  |> group()
  |> map(fn: (r) => ({{r with silent: (int(v: now()) - int(v: r._time)) / 1000000000}}))
  |> filter(fn: (r) => r.silent >= ${{silent}} * 60)
  |> keep(columns: ["_time", "device_id", "silent"])
  |> sort(columns: ["silent"])
"""
    columns = [
        PUMP,
        Column("_time", "Last reading", unit="dateTimeAsIso"),
        Column("silent", "Silent for", unit="dtdurations"),
    ]
    panel = listing(
        "Silent",
        "Pumps with a reading in the last 24 hours, but none for as long as *Silent after* says. A pump that broke and "
        "stands still is silent, too.",
        flux(text),
        columns,
        width=16,
        sort=("Silent for", False),
        empty="Every pump speaks",
    )
    return panel.time_from(_DAY)
