"""Fleet: how many pumps in which state, which fails next, what is new, who is silent."""

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models.common import BigValueColorMode
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from grafana import annotations, fleet_health, fleet_news, fleet_now, variables
from grafana.fleet_now import LATEST, LATEST_DOUBTS, NOVEL
from grafana.panels import figure
from grafana.queries import FLUX_OF_DEVICES, FLUX_RANGE, OF_DEVICES, OF_STATE, bucket, flux, series, stored
from grafana.shell import FLEET, dashboard, section
from grafana.style import COLOURS, DOUBT, coloured, health_limits, limits
from pdm_platform.contract.measurements import PUMP_ALARM, PUMP_PREDICTION, PUMP_TELEMETRY
from pdm_platform.contract.states import STATES
from pdm_platform.stores.influx_buckets import RAW


def build() -> Dashboard:
    """The dashboard people keep open."""
    found = dashboard(
        FLEET,
        "Which pump to look at next, and why.",
        variables=[
            variables.site(),
            variables.pumps(),
            variables.choice(
                "silent", "Silent after (min)", "A pump is silent without a reading for so long", "2,5,10,30,60", "10"
            ),
            variables.resolution(),
            variables.worst(),
        ],
        annotations=annotations.of_fleet(),
        since="now-3h",
    )
    for panel in (_count(), _mix(), _mean_health(), _standing(), _lying(), _novel()):
        found.with_panel(panel)
    for table in fleet_now.panels():
        found.with_panel(table)
    found.with_panel(fleet_health.worst()).with_panel(fleet_health.health())
    found.with_row(section("New since yesterday, and silent"))
    for new in fleet_news.panels():
        found.with_panel(new)
    return found.with_row(section("Every pump").with_panel(fleet_health.every_pump()))


def _count() -> stat.Panel:
    return figure(
        "Pumps",
        "Pumps of which a reading lies in the shown range.",
        series(
            f'SELECT count("n") FROM (SELECT last("present") AS "n" FROM {stored(PUMP_TELEMETRY)} '
            f"WHERE $timeFilter AND {OF_DEVICES} GROUP BY device_id)"
        ),
        unit="none",
        empty="0",
    )


def _mix() -> stat.Panel:
    zeros = ", ".join(f'{{state: "{state.value}", pumps: 0}}' for state in STATES)
    text = f"""
import "array"
zero = array.from(rows: [{zeros}])
now = from(bucket: "{bucket(RAW)}")
  |> {FLUX_RANGE}
  |> filter(fn: (r) => r._measurement == "{PUMP_PREDICTION.name}" and r._field == "state")
  |> filter(fn: (r) => {FLUX_OF_DEVICES})
  |> last()
  |> group()
  |> map(fn: (r) => ({{state: r._value, pumps: 1}}))
union(tables: [zero, now])
  |> group(columns: ["state"])
  |> sum(column: "pumps")
  |> group()
  |> pivot(rowKey: [], columnKey: ["state"], valueColumn: "pumps")
"""
    panel = figure(
        "State of the pumps",
        "Pumps by the state that their latest prediction in the shown range tells.",
        flux(text),
        unit="none",
        width=9,
        names=True,
    )
    order = {state.value: index for index, state in enumerate(STATES)}
    panel.with_transformation(DataTransformerConfig("organize", options={"indexByName": order}))
    for state in STATES:
        panel.override_by_name(state.value, [coloured(COLOURS[state])])
    return panel.color_mode(BigValueColorMode.BACKGROUND_SOLID)


def _mean_health() -> stat.Panel:
    return figure(
        "Mean health",
        "Mean over the pumps of the health that each one's latest prediction tells.",
        series(f'SELECT mean("health") FROM ({LATEST})'),
        unit="percent",
        decimals=1,
        thresholds=health_limits(),
    )


def _standing() -> stat.Panel:
    return figure(
        "Standing alarms",
        "Pumps whose alarm about their state has not returned to normal, however long ago it was raised.",
        series(
            f'SELECT count("a") FROM (SELECT last("active") AS "a" FROM {stored(PUMP_ALARM)} '
            f'WHERE {OF_DEVICES} AND {OF_STATE} GROUP BY device_id) WHERE "a" = 1'
        ),
        unit="none",
        thresholds=limits("green", (1, "orange")),
        empty="0",
    )


def _lying() -> stat.Panel:
    return figure(
        "Sensor faults",
        "Pumps whose latest prediction in the shown range takes a sensor for faulty; which, stands below.",
        series(f'SELECT count("sensor") FROM ({LATEST_DOUBTS}) WHERE "sensor" =~ /./'),
        unit="none",
        thresholds=limits("green", (1, DOUBT)),
        empty="0",
    )


def _novel() -> stat.Panel:
    return figure(
        "Novel",
        "Pumps that are told HEALTHY, while their latest reading in the shown range is like none that was seen on a "
        "healthy pump.",
        series(f'SELECT count("novel") FROM ({LATEST_DOUBTS}) WHERE {NOVEL}'),
        unit="none",
        thresholds=limits("green", (1, DOUBT)),
        empty="0",
    )
