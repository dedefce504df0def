"""Fleet: how many pumps in which state, which fails next, what is new, who is silent."""

from dataclasses import replace
from typing import Final

from grafana_foundation_sdk.builders import stat, table
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models.common import BigValueColorMode
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from grafana import annotations, fleet_health, fleet_news, variables
from grafana.panels import Column, figure, listing
from grafana.pump_columns import LIFE_LEFT, PREDICTED, PUMP, STATE
from grafana.queries import (
    FLUX_OF_DEVICES,
    FLUX_RANGE,
    IN_SECONDS,
    OF_DEVICES,
    bucket,
    flux,
    rows,
    series,
    stored,
)
from grafana.shell import FLEET, dashboard, section
from grafana.style import COLOURS, PLAIN, coloured, health_limits, limits
from pdm_platform.contract.measurements import PUMP_ALARM, PUMP_PREDICTION, PUMP_TELEMETRY
from pdm_platform.contract.states import STATES, State
from pdm_platform.core.alarms import CLEAR_AFTER_READINGS, RAISE_AFTER_READINGS
from pdm_platform.stores.influx_buckets import DAY_S, RAW

NEXT_TO_FAIL: Final = 10
_P: Final = ", ".join(f'"p_{state.lower()}"' for state in STATES)
_LATEST: Final = (
    f'SELECT last("health_percent") AS "health", "rul_hours" {IN_SECONDS} AS "life_s", "state", {_P} '
    f"FROM {stored(PUMP_PREDICTION)} WHERE $timeFilter AND {OF_DEVICES} GROUP BY device_id"
)


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
    for panel in (_count(), _mix(), _mean_health(), _standing()):
        found.with_panel(panel)
    found.with_panel(_next_to_fail()).with_panel(_standing_alarms())
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
        width=12,
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
        series(f'SELECT mean("health") FROM ({_LATEST})'),
        unit="percent",
        width=4,
        decimals=1,
        thresholds=health_limits(),
    )


def _standing() -> stat.Panel:
    return figure(
        "Standing alarms",
        "Pumps whose alarm has not returned to normal, however long ago it was raised.",
        series(
            f'SELECT count("a") FROM (SELECT last("active") AS "a" FROM {stored(PUMP_ALARM)} '
            f'WHERE {OF_DEVICES} GROUP BY device_id, condition) WHERE "a" = 1'
        ),
        unit="none",
        width=5,
        thresholds=limits("green", (1, "orange")),
        empty="0",
    )


def _next_to_fail() -> table.Panel:
    text = (
        f'SELECT bottom("life_s", "device_id", {NEXT_TO_FAIL}) AS "life_s", "state", "health", {_P} FROM ({_LATEST}) '
        f'WHERE "life_s" >= 0 AND "state" <> \'{State.BROKEN.value}\''
    )
    columns = [
        PUMP,
        replace(LIFE_LEFT, thresholds=limits("orange", (DAY_S, "dark-yellow"), (7 * DAY_S, PLAIN))),
        STATE,
        Column("sure", "Probability", unit="percentunit", width=100, decimals=0),
        Column("health", "Health", unit="percent", width=90, decimals=0, kind="health"),
    ]
    panel = listing(
        "Next to fail",
        f"The {NEXT_TO_FAIL} pumps with the shortest remaining life: the time until health falls to 10 %, where BROKEN "
        "begins, on the line through the latest predictions. Only pumps whose wear is clear enough to tell it, without "
        "those that are BROKEN already. Probability is the model's, of the state it tells. Click a pump to open it.",
        rows(text),
        columns,
        width=12,
        height=12,
        sort=("Life left", False),
        empty="No pump wears visibly",
    )
    return _with_probability(panel)


def _with_probability(panel: table.Panel) -> table.Panel:
    """Adds the column `sure`, the probability of the told state, and takes the four it comes from away."""
    names = [f"p_{state.lower()}" for state in STATES]
    reduce = {"mode": "reduceRow", "alias": "sure", "reduce": {"include": names, "reducer": "max"}}
    added = DataTransformerConfig("calculateField", options=reduce)
    order = {name: index for index, name in enumerate(("device_id", "life_s", "state", "sure", "health"))}
    hidden = dict.fromkeys(["Time", *names], True)
    shaped = DataTransformerConfig("organize", options={"indexByName": order, "excludeByName": hidden})
    return panel.transformations([added, shaped])


def _standing_alarms() -> table.Panel:
    fields = '"severity", "state", "health_percent", "rul_hours"'
    shown = fields.replace('"rul_hours"', f'"rul_hours" {IN_SECONDS} AS "life_s"')
    text = (
        f'SELECT "a", {shown} FROM (SELECT last("active") AS "a", {fields} FROM {stored(PUMP_ALARM)} '
        f'WHERE {OF_DEVICES} GROUP BY device_id, condition) WHERE "a" = 1 GROUP BY device_id'
    )
    return listing(
        "Standing alarms",
        f"Alarms that have not returned to normal. One is raised by {RAISE_AFTER_READINGS} readings in a row at or "
        f"above a state and ends after {CLEAR_AFTER_READINGS} HEALTHY ones in a row. Since is when it was raised or "
        "became more severe; state, health and remaining life are what was predicted then.",
        rows(text),
        [PUMP, Column("Time", "Since", unit="dateTimeFromNow", width=118), *PREDICTED],
        width=12,
        height=12,
        sort=("Since", True),
        hidden=["a", "severity"],
        empty="No alarm stands",
    )
