"""Fleet: how many pumps in which state, which fails next, what is new, who is silent."""

from typing import Final

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models.common import BigValueColorMode
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from grafana import annotations, variables
from grafana.panels import Column, figure, lines, listing, state_lines
from grafana.queries import (
    FLUX_OF_DEVICES,
    FLUX_RANGE,
    OF_DEVICES,
    OF_MEANS,
    Query,
    bucket,
    flux,
    ranged,
    rows,
    series,
    stored,
)
from grafana.shell import FLEET, dashboard, pump_link, section
from grafana.style import COLOURS, PLAIN, coloured, health_limits, limits, prop
from pdm_platform.contract.measurements import PUMP_ALARM, PUMP_PREDICTION, PUMP_TELEMETRY
from pdm_platform.contract.states import STATES, State
from pdm_platform.core.alarms import CLEAR_AFTER_READINGS, RAISE_AFTER_READINGS
from pdm_platform.stores.influx_buckets import MINUTES, RAW

NEXT_TO_FAIL: Final = 10
_DAY: Final = "24h"
_PUMP: Final = Column("device_id", "Pump", link=pump_link())
_BAND_LINK: Final = pump_link("${__field.labels.device_id}")
_STATE: Final = Column("state", "State", width=100, kind="state")
_ALARM: Final = (
    _STATE,
    Column("health_percent", "Health", unit="percent", width=90, decimals=0, kind="health"),
    Column("rul_hours", "Remaining life", unit="h", width=130, decimals=1),
)
_P: Final = ", ".join(f'"p_{state.lower()}"' for state in STATES)
_LATEST: Final = (
    f'SELECT last("health_percent") AS "health", "rul_hours" AS "rul", "state", {_P} FROM {stored(PUMP_PREDICTION)} '
    f"WHERE $timeFilter AND {OF_DEVICES} GROUP BY device_id"
)
_SITE_ONLY: Final = "r.device_id =~ /^${site:regex}/"


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
    found.with_panel(_worst()).with_panel(_health())
    found.with_row(section("New since yesterday, and silent"))
    for new in (_new_alarms(), _fell_most(), _first_seen(), _silent()):
        found.with_panel(new)
    return found.with_row(section("Every pump").with_panel(_every_pump()))


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
        f'SELECT bottom("rul", "device_id", {NEXT_TO_FAIL}) AS "rul", "state", "health", {_P} FROM ({_LATEST}) '
        f'WHERE "rul" >= 0 AND "state" <> \'{State.BROKEN.value}\''
    )
    columns = [
        _PUMP,
        Column(
            "rul",
            "Remaining life",
            unit="h",
            width=130,
            decimals=1,
            thresholds=limits("orange", (24, "yellow"), (168, PLAIN)),
        ),
        _STATE,
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
        sort=("Remaining life", False),
        empty="No pump wears visibly",
    )
    return _with_probability(panel)


def _with_probability(panel: table.Panel) -> table.Panel:
    """Adds the column `sure`, the probability of the told state, and takes the four it comes from away."""
    names = [f"p_{state.lower()}" for state in STATES]
    reduce = {"mode": "reduceRow", "alias": "sure", "reduce": {"include": names, "reducer": "max"}}
    added = DataTransformerConfig("calculateField", options=reduce)
    order = {name: index for index, name in enumerate(("device_id", "rul", "state", "sure", "health"))}
    hidden = dict.fromkeys(["Time", *names], True)
    shaped = DataTransformerConfig("organize", options={"indexByName": order, "excludeByName": hidden})
    return panel.transformations([added, shaped])


def _standing_alarms() -> table.Panel:
    fields = '"severity", "state", "health_percent", "rul_hours"'
    text = (
        f'SELECT "a", {fields} FROM (SELECT last("active") AS "a", {fields} FROM {stored(PUMP_ALARM)} '
        f'WHERE {OF_DEVICES} GROUP BY device_id, condition) WHERE "a" = 1 GROUP BY device_id'
    )
    return listing(
        "Standing alarms",
        f"Alarms that have not returned to normal. One is raised by {RAISE_AFTER_READINGS} readings in a row at or "
        f"above a state and ends after {CLEAR_AFTER_READINGS} HEALTHY ones in a row. Since is when it was raised or "
        f"became "
        "more severe; state, health and remaining life are what was predicted then.",
        rows(text),
        [_PUMP, Column("Time", "Since", unit="dateTimeFromNow", width=140), *_ALARM],
        width=12,
        height=12,
        sort=("Since", True),
        hidden=["a", "severity"],
        empty="No alarm stands",
    )


def _worst() -> statetimeline.Panel:
    return state_lines(
        f"The {variables.WORST_PUMPS} pumps in the worst state",
        f"The {variables.WORST_PUMPS} pumps with the lowest health at the end of the range, coloured by the state that "
        "their predicted health means: green HEALTHY, yellow WARNING, orange FAULTY, red BROKEN. Empty where a pump "
        "was silent. Click a band to open the pump. All pumps are at the bottom of the page.",
        _health_of('AND "device_id" =~ /^${worst:regex}$/'),
        unit="percent",
        width=16,
        height=13,
        thresholds=health_limits(),
        link=_BAND_LINK,
    )


def _every_pump() -> statetimeline.Panel:
    return state_lines(
        "Health and state of every pump",
        "Every chosen pump, 25 at a time, coloured by the state that its predicted health means. Empty where it was "
        "silent. Choose pumps or a site at the top to see fewer.",
        _health_of(""),
        unit="percent",
        height=18,
        thresholds=health_limits(),
        per_page=25,
        link=_BAND_LINK,
    ).max_data_points(120)


def _health_of(which: str) -> Query:
    return series(
        f'SELECT mean("health_percent") FROM {ranged(PUMP_PREDICTION)} WHERE $timeFilter AND {OF_DEVICES} {which} '
        f"AND {OF_MEANS} GROUP BY time($__interval), device_id fill(null)",
        alias="$tag_device_id",
    )


def _health() -> timeseries.Panel:
    mean = (
        f'SELECT mean("health_percent") AS "mean" FROM {ranged(PUMP_PREDICTION)} WHERE $timeFilter AND {OF_DEVICES} '
        f"AND {OF_MEANS} GROUP BY time($__interval) fill(none)"
    )
    lowest = (
        f'SELECT min("health_percent") AS "lowest" FROM {ranged(PUMP_PREDICTION)} WHERE $timeFilter AND {OF_DEVICES} '
        "GROUP BY time($__interval) fill(none)"
    )
    panel = lines(
        "Health of the fleet",
        "Mean and lowest predicted health of the chosen pumps. The dashed lines are where the states begin.",
        series(mean, alias="$col"),
        series(lowest, alias="$col", ref="B"),
        unit="percent",
        width=8,
        height=13,
        lowest=0,
        highest=100,
        thresholds=health_limits(),
    )
    panel.override_by_name("mean", [coloured("blue"), prop("custom.lineWidth", 2)])
    return panel.override_by_name("lowest", [coloured("purple")])


def _new_alarms() -> table.Panel:
    text = (
        f'SELECT "state", "health_percent", "rul_hours" FROM {stored(PUMP_ALARM)} '
        f'WHERE $timeFilter AND {OF_DEVICES} AND "active" = 1 GROUP BY device_id'
    )
    panel = listing(
        "Worsened in the last 24 h",
        "Each time a pump's state got worse within the last 24 hours, whatever the shown range: the alarms raised and "
        "those that became more severe, with what was predicted then.",
        rows(text),
        [Column("Time", "When", unit="dateTimeFromNow", width=140), _PUMP, *_ALARM],
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
        _PUMP,
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
        [_PUMP, Column("_time", "First reading", unit="dateTimeFromNow")],
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
        _PUMP,
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
