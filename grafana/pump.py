"""Pump: all that is known of one pump, measured and predicted."""

from typing import Final

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models.common import BigValueColorMode
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from grafana import annotations, variables
from grafana.channels import channel_panel
from grafana.panels import Column, dressed, figure, lines, listing, stacked, state_lines
from grafana.queries import IN_SECONDS, OF_MEANS, OF_PUMP, ranged, rows, series, stored
from grafana.shell import PUMP, dashboard, section
from grafana.style import COLOURS, coloured, health_limits, limits, prop, short_time, state_colours
from pdm_platform.contract.channels import CHANNELS
from pdm_platform.contract.measurements import PUMP_ALARM, PUMP_PREDICTION, PUMP_TELEMETRY
from pdm_platform.contract.states import STATES
from pdm_platform.stores.influx_buckets import DAY_S

_HERE: Final = f"WHERE $timeFilter AND {OF_PUMP}"
_NAMES: Final = tuple(f"p_{state.lower()}" for state in STATES)
_MISSED: Final = (
    f'SELECT difference("measurement_id") - 1 AS "gap" FROM {stored(PUMP_TELEMETRY)} {_HERE}'  # by event time
)


def build() -> Dashboard:
    """One pump, chosen at the top or by a click on the fleet."""
    found = dashboard(
        PUMP,
        "One pump: what its sensors say, what the model makes of it, and what happened.",
        variables=[variables.site(), variables.one_pump(), variables.resolution()],
        annotations=annotations.of_pump(),
        since="now-3h",
    )
    for figures in (_state(), _health_now(), _life_now(), _sure(), _alarm(), _last_reading(), _missed(), _maintained()):
        found.with_panel(figures)
    for over_time in (_states(), _health(), _life(), _probabilities(), _gaps()):
        found.with_panel(over_time)
    found.with_row(section("Vibration, with the zones of ISO 10816-7"))
    for channel in CHANNELS[:4]:
        found.with_panel(channel_panel(channel))
    found.with_row(section("Temperature, pressure, current and speed"))
    for channel in CHANNELS[4:]:
        found.with_panel(channel_panel(channel))
    found.with_row(section("Alarms"))
    return found.with_panel(_alarms())


def _latest(field: str) -> str:
    """What the newest prediction says, also where it is null: the last known value may be long past."""
    return f'SELECT last("health_percent") AS "health", {field} FROM {stored(PUMP_PREDICTION)} {_HERE}'


def _state() -> stat.Panel:
    panel = figure(
        "State",
        "The most probable state by the latest prediction in the shown range.",
        rows(_latest('"state" AS "state_then"')),
        unit="none",
        mappings=state_colours(),
        fields="/^state_then$/",
    )
    return panel.color_mode(BigValueColorMode.BACKGROUND_SOLID)


def _health_now() -> stat.Panel:
    return figure(
        "Health",
        "Predicted health by the latest prediction; 100 % is new, BROKEN begins at 10 %.",
        series(f'SELECT last("health_percent") FROM {stored(PUMP_PREDICTION)} {_HERE}'),
        unit="percent",
        decimals=0,
        thresholds=health_limits(),
    )


def _life_now() -> stat.Panel:
    return figure(
        "Remaining life",
        "Time until health falls to 10 % on the line through the latest predictions. 'not yet' while no wear is clear "
        "enough to tell it.",
        rows(_latest(f'"rul_hours" {IN_SECONDS} AS "life_s"')),
        unit="s",
        decimals=1,
        fields="/^life_s$/",
        thresholds=limits("orange", (DAY_S, "yellow"), (7 * DAY_S, "green")),
        empty="not yet",
    )


def _sure() -> stat.Panel:
    columns = ", ".join(f'last("{name}") AS "{name}"' for name in _NAMES)
    panel = figure(
        "Probability",
        "What the model gives the state that it tells, by the latest prediction.",
        rows(f"SELECT {columns} FROM {stored(PUMP_PREDICTION)} {_HERE}"),
        unit="percentunit",
        decimals=0,
        fields="/^sure$/",
    )
    options = {"mode": "reduceRow", "alias": "sure", "reduce": {"include": list(_NAMES), "reducer": "max"}}
    return panel.with_transformation(DataTransformerConfig("calculateField", options=options))


def _alarm() -> stat.Panel:
    return figure(
        "Standing alarm",
        "The state at which the pump's alarm was raised last, while it has not returned to normal.",
        rows(
            f'SELECT "told" FROM (SELECT last("active") AS "a", "state" AS "told" FROM {stored(PUMP_ALARM)} '
            f'WHERE {OF_PUMP}) WHERE "a" = 1'
        ),
        unit="none",
        mappings=state_colours(),
        fields="/^told$/",
        empty="none",
    )


def _last_reading() -> stat.Panel:
    return figure(
        "Last reading",
        "How long ago the newest reading in the shown range was taken.",
        rows(f'SELECT last("present") FROM {stored(PUMP_TELEMETRY)} {_HERE}'),
        unit="dateTimeFromNow",
        fields="/^Time$/",
    )


def _missed() -> stat.Panel:
    return figure(
        "Readings missed",
        "Holes in the sequence numbers (measurement_id) of the readings stored in the shown range. A pump that sends "
        "no numbers has none.",
        series(f'SELECT sum("gap") FROM ({_MISSED}) WHERE "gap" >= 0'),
        unit="none",
        thresholds=limits("green", (1, "yellow")),
        empty="0",
    )


def _maintained() -> stat.Panel:
    return figure(
        "Maintained",
        "When the pump was serviced last, as it says itself (last_maintenance), without the seconds.",
        rows(f'SELECT last("last_maintenance") AS "serviced" FROM {stored(PUMP_TELEMETRY)} {_HERE}'),
        unit="none",
        fields="/^serviced$/",
        mappings=short_time(),
        empty="not told",
    )


def _states() -> statetimeline.Panel:
    return state_lines(
        "Predicted state",
        "The state told by the last prediction of each interval; full resolution, 30 days back at most.",
        series(
            f'SELECT last("state") FROM {stored(PUMP_PREDICTION)} {_HERE} GROUP BY time($__interval) fill(null)',
            alias="state",
        ),
        unit="none",
        height=4,
        mappings=state_colours(),
    )


def _health() -> timeseries.Panel:
    told = (
        f'SELECT mean("health_percent") AS "predicted" FROM {ranged(PUMP_PREDICTION)} {_HERE} AND {OF_MEANS} '
        "GROUP BY time($__interval) fill(null)"
    )
    true = (
        f'SELECT mean("health_percent") AS "true" FROM {stored(PUMP_TELEMETRY)} {_HERE} '
        "GROUP BY time($__interval) fill(null)"
    )
    panel = lines(
        "Health",
        "Predicted health. The dashed lines are where the states begin. 'true' is drawn only where the pump itself "
        "tells its health, as a simulated one does; no model reads it.",
        series(told, alias="$col"),
        series(true, alias="$col", ref="B"),
        unit="percent",
        lowest=0,
        highest=100,
        thresholds=health_limits(),
    )
    dashed = prop("custom.lineStyle", {"fill": "dot", "dash": [2, 6]})
    looks = {"predicted": [coloured("blue"), prop("custom.lineWidth", 2)], "true": [coloured("text"), dashed]}
    return dressed(panel, looks)


def _life() -> timeseries.Panel:
    return dressed(
        lines(
            "Remaining life",
            "Time until health falls to 10 %, as predicted. Empty while no wear is clear enough to tell it.",
            series(
                f'SELECT mean("rul_hours") {IN_SECONDS} AS "remaining life" FROM {ranged(PUMP_PREDICTION)} {_HERE} '
                f"AND {OF_MEANS} GROUP BY time($__interval) fill(null)",
                alias="$col",
            ),
            unit="s",
            lowest=0,
            legend=False,
        ),
        {"remaining life": [coloured("blue"), prop("custom.lineWidth", 2)]},
    )


def _probabilities() -> timeseries.Panel:
    columns = ", ".join(f'mean("{name}") AS "{state.value}"' for name, state in zip(_NAMES, STATES, strict=True))
    panel = lines(
        "Probability of each state",
        "What the model gives each state, mean of each interval; together 100 %. Full resolution, 30 days back at "
        "most.",
        series(
            f"SELECT {columns} FROM {stored(PUMP_PREDICTION)} {_HERE} GROUP BY time($__interval) fill(null)",
            alias="$col",
        ),
        unit="percentunit",
        lowest=0,
        highest=1,
    )
    return dressed(stacked(panel), {state.value: [coloured(COLOURS[state])] for state in STATES})


def _gaps() -> timeseries.Panel:
    panel = lines(
        "Readings missed",
        "Holes in the sequence numbers (measurement_id) by the time of the reading that came after them.",
        series(
            f'SELECT sum("gap") FROM ({_MISSED}) WHERE $timeFilter AND "gap" >= 0 GROUP BY time($__interval) '
            f"fill(none)",
            alias="missed",
        ),
        unit="none",
        lowest=0,
        legend=False,
    )
    return dressed(stacked(panel, bars=True), {"missed": [coloured("orange")]}).axis_soft_max(5)


def _alarms() -> table.Panel:
    columns = [
        Column("Time", "When", unit="dateTimeAsLocal", width=200),
        Column("active", "Active", width=80),
        Column("severity", "Severity", width=90),
        Column("state", "State", width=100, kind="state"),
        Column("message", "What it says"),
        Column("model_version", "Model", width=230),
    ]
    return listing(
        "Alarms",
        "Each time this pump's alarm was raised, became more severe (active 1), or returned to normal (0), in the "
        "shown range.",
        rows(f'SELECT "active", "severity", "state", "message", "model_version" FROM {stored(PUMP_ALARM)} {_HERE}'),
        columns,
        width=24,
        sort=("When", True),
        empty="No alarm in this range",
    )
