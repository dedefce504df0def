"""Pump, over time: the state, the health and the remaining life that are predicted, and the readings missed."""

from grafana_foundation_sdk.builders import statetimeline, timeseries

from grafana.panels import dressed, lines, stacked, state_lines
from grafana.pump_now import HERE, MISSED, PROBABILITIES
from grafana.queries import IN_SECONDS, OF_MEANS, ranged, series, stored
from grafana.style import COLOURS, coloured, health_limits, prop, state_colours
from pdm_platform.contract.measurements import PUMP_PREDICTION, PUMP_TELEMETRY
from pdm_platform.contract.states import STATES


def states() -> statetimeline.Panel:
    """The state told, as a band."""
    return state_lines(
        "Predicted state",
        "The state told by the last prediction of each interval; full resolution, 30 days back at most.",
        series(
            f'SELECT last("state") FROM {stored(PUMP_PREDICTION)} {HERE} GROUP BY time($__interval) fill(null)',
            alias="state",
        ),
        unit="none",
        height=4,
        mappings=state_colours(),
    )


def health() -> timeseries.Panel:
    """Predicted health, and the true one where it is known."""
    told = (
        f'SELECT mean("health_percent") AS "predicted" FROM {ranged(PUMP_PREDICTION)} {HERE} AND {OF_MEANS} '
        "GROUP BY time($__interval) fill(null)"
    )
    true = (
        f'SELECT mean("health_percent") AS "true" FROM {stored(PUMP_TELEMETRY)} {HERE} '
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


def life() -> timeseries.Panel:
    """Remaining life with its interval."""
    told = {"remaining life": "rul_hours", "at most": "rul_upper_hours", "at least": "rul_lower_hours"}
    columns = ", ".join(f'mean("{field}") {IN_SECONDS} AS "{name}"' for name, field in told.items())
    panel = lines(
        "Remaining life",
        "Time until the failure itself, a health of 0 %, as predicted; the band around it holds the truth with a "
        "probability of 90 %. Empty while no wear is clear enough to tell it.",
        series(
            f"SELECT {columns} FROM {ranged(PUMP_PREDICTION)} {HERE} AND {OF_MEANS} "
            "GROUP BY time($__interval) fill(null)",
            alias="$col",
        ),
        unit="s",
        lowest=0,
    )
    faint = [coloured("blue"), prop("custom.lineWidth", 0)]
    band = [prop("custom.fillBelowTo", "at least"), prop("custom.fillOpacity", 18)]
    return dressed(
        panel,
        {
            "remaining life": [coloured("blue"), prop("custom.lineWidth", 2)],
            "at most": [*faint, *band],
            "at least": faint,
        },
    )


def probabilities() -> timeseries.Panel:
    """Of each state, stacked."""
    columns = ", ".join(f'mean("{name}") AS "{state.value}"' for name, state in zip(PROBABILITIES, STATES, strict=True))
    panel = lines(
        "Probability of each state",
        "What the model gives each state, mean of each interval; together 100 %. Full resolution, 30 days back at "
        "most.",
        series(
            f"SELECT {columns} FROM {stored(PUMP_PREDICTION)} {HERE} GROUP BY time($__interval) fill(null)",
            alias="$col",
        ),
        unit="percentunit",
        lowest=0,
        highest=1,
    )
    return dressed(stacked(panel), {state.value: [coloured(COLOURS[state])] for state in STATES})


def gaps() -> timeseries.Panel:
    """Holes in the sequence numbers."""
    panel = lines(
        "Readings missed",
        "Holes in the sequence numbers (measurement_id) by the time of the reading that came after them.",
        series(
            f'SELECT sum("gap") FROM ({MISSED}) WHERE $timeFilter AND "gap" >= 0 GROUP BY time($__interval) fill(none)',
            alias="missed",
        ),
        unit="none",
        lowest=0,
        legend=False,
    )
    return dressed(stacked(panel, bars=True), {"missed": [coloured("orange")]}).axis_soft_max(5)
