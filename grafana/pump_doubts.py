"""Pump: of what it will probably fail, and what makes the predictions doubtful."""

from grafana_foundation_sdk.builders import stat, statetimeline, timeseries
from grafana_foundation_sdk.models.common import VisibilityMode

from grafana.panels import dressed, figure, lines, state_lines
from grafana.pump_now import HERE, latest
from grafana.queries import IN_SECONDS, OF_MEANS, ranged, rows, series, stored
from grafana.style import (
    DOUBT,
    NOVELTY_LIMIT,
    PLAIN,
    channel_names,
    coloured,
    limits,
    mode_names,
    prop,
    texts,
    yes_or_no,
)
from pdm_platform.contract.measurements import PUMP_PREDICTION
from pdm_platform.stores.influx_buckets import DAY_S


def figures() -> list[stat.Panel]:
    """A row of what the latest prediction says, in the order shown."""
    return [_at_least(), _mode(), _mode_sure(), _novelty_now(), _sensor(), _known()]


def _at_least() -> stat.Panel:
    return figure(
        "Left at least",
        "Lower end of the interval of 90 % that the latest prediction gives for the remaining life: with about 95 % "
        "more than that is left.",
        rows(latest(f'"rul_lower_hours" {IN_SECONDS} AS "at_least_s"')),
        unit="s",
        width=4,
        decimals=1,
        fields="/^at_least_s$/",
        thresholds=limits("orange", (DAY_S, "yellow"), (7 * DAY_S, "green")),
        empty="not yet",
    )


def _mode() -> stat.Panel:
    return figure(
        "Failure mode",
        "Of what the pump will most probably fail, by the latest prediction; 'none' while nothing wears.",
        rows(latest('"failure_mode" AS "mode_then"')),
        unit="none",
        width=5,
        mappings=mode_names(),
        fields="/^mode_then$/",
        empty="none",
    )


def _mode_sure() -> stat.Panel:
    return figure(
        "Its probability",
        "What the model gives that failure mode.",
        rows(latest('"failure_mode_probability" AS "sure_then"')),
        unit="percentunit",
        decimals=0,
        fields="/^sure_then$/",
    )


def _novelty_now() -> stat.Panel:
    return figure(
        "Novelty",
        f"How far the latest reading lies from all that was healthy; above {NOVELTY_LIMIT:g} it is like none of a "
        "healthy pump. A worn pump is novel by itself; one that is told HEALTHY does what the model does not know.",
        rows(latest('"novelty" AS "novelty_then"')),
        unit="none",
        width=4,
        decimals=2,
        fields="/^novelty_then$/",
        thresholds=limits(PLAIN, (NOVELTY_LIMIT, DOUBT)),
    )


def _sensor() -> stat.Panel:
    return figure(
        "Sensor fault",
        "The channel whose sensor the latest prediction takes for faulty; the pump itself may be well.",
        rows(latest('"sensor_fault" AS "sensor_then"')),
        unit="none",
        width=4,
        mappings=channel_names(),
        fields="/^sensor_then$/",
        empty="none",
    )


def _known() -> stat.Panel:
    return figure(
        "Pump known well enough",
        "'not yet' while too little is known of this pump, so that what is said may still change.",
        rows(latest('"provisional" AS "provisional_then"')),
        unit="none",
        width=4,
        mappings=yes_or_no(("not yet", DOUBT), ("yes", PLAIN)),
        fields="/^provisional_then$/",
    )


def bands() -> statetimeline.Panel:
    """The failure mode told, and what was doubtful when."""
    told = (("failure_mode", "failure mode"), ("sensor_fault", "sensor fault"))
    marked = (("novel", "novel"), ("provisional", "not yet sure"))
    asked = [(name, f'last("{field}")', HERE) for field, name in told]
    # only where it is set: what is not doubtful has no band
    asked += [(name, f'max("{field}")', f'{HERE} AND "{field}" = 1') for field, name in marked]
    panel = state_lines(
        "Failure mode, and what is doubtful",
        "The most probable failure mode, the channel whose sensor seems to lie, whether a reading was novel, and "
        "whether too little was known of the pump to be sure. Full resolution, 30 days back at most.",
        *(
            series(
                f"SELECT {value} FROM {stored(PUMP_PREDICTION)} {where} GROUP BY time($__interval) fill(null)",
                alias=name,
                ref="ABCD"[place],
            )
            for place, (name, value, where) in enumerate(asked)
        ),
        unit="none",
        height=6,
        mappings=[*mode_names(), *channel_names(), *texts({"1": ("yes", DOUBT)})],
    )
    # coloured by limits, a number would be shown as the limits that it lies between
    dress = {name: [coloured(DOUBT)] for _, name in marked}
    return dressed(panel.show_value(VisibilityMode.AUTO), dress)


def mode_probability() -> timeseries.Panel:
    """How sure the model is of the failure mode and of the sensor fault."""
    columns = 'mean("failure_mode_probability") AS "failure mode", mean("sensor_fault_probability") AS "sensor fault"'
    panel = lines(
        "Probability of failure mode and sensor fault",
        "What the model gives the failure mode that it tells, and the sensor fault; which ones stand in the bands "
        "above.",
        series(
            f"SELECT {columns} FROM {ranged(PUMP_PREDICTION)} {HERE} AND {OF_MEANS} "
            "GROUP BY time($__interval) fill(null)",
            alias="$col",
        ),
        unit="percentunit",
        lowest=0,
        highest=1,
    )
    return dressed(panel, {"failure mode": [coloured("blue")], "sensor fault": [coloured(DOUBT)]})


def novelty() -> timeseries.Panel:
    """Mean and highest, with the limit."""
    mean = (
        f'SELECT mean("novelty") AS "mean" FROM {ranged(PUMP_PREDICTION)} {HERE} AND {OF_MEANS} '
        "GROUP BY time($__interval) fill(null)"
    )
    highest = (
        f'SELECT max("novelty") AS "highest" FROM {ranged(PUMP_PREDICTION)} {HERE} '
        "GROUP BY time($__interval) fill(null)"
    )
    panel = lines(
        "Novelty",
        f"How far the readings lie from all that was healthy. Above {NOVELTY_LIMIT:g}, the dashed line, a reading is "
        "like none of a healthy pump.",
        series(mean, alias="$col"),
        series(highest, alias="$col", ref="B"),
        unit="none",
        lowest=0,
        thresholds=limits("transparent", (NOVELTY_LIMIT, DOUBT)),
    )
    panel.axis_soft_max(NOVELTY_LIMIT * 1.2)
    return dressed(panel, {"mean": [coloured("blue"), prop("custom.lineWidth", 2)], "highest": [coloured("purple")]})
