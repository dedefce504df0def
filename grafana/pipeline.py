"""Pipeline: does every reading get through, how fast, and what stays behind."""

from typing import Final

from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import annotations, pipeline_behind, pipeline_jobs, variables
from grafana.panels import dressed, figure, lines
from grafana.pipeline_metrics import (
    BRIDGE_QUEUE,
    INFERENCE_QUEUE,
    LAG,
    LAG_LIMIT_S,
    LATENCY,
    PREDICTED,
    QUARANTINED,
    RECEIVED,
    STORED,
    WRITES,
    increase,
)
from grafana.queries import METRICS_INTERVAL, Query, flux, metric, quantiles, rate, series
from grafana.shell import DAGSTER_URL, PIPELINE, dashboard, elsewhere, section
from grafana.style import coloured, limits, prop, texts

PER_SECOND: Final = "suffix:/s"
_UP: Final = texts({"1": ("up", "green"), "0": ("down", "red")})
_BY_TIME: Final = "WHERE $timeFilter GROUP BY time($__interval) fill(null)"


def build() -> Dashboard:
    """What whoever runs the platform looks at."""
    found = dashboard(
        PIPELINE,
        "From the sensor to the store and the prediction: rates, delays, what is refused or missing, the jobs.",
        variables=[variables.address("dagster_url", "Where the Dagster UI is reached", DAGSTER_URL)],
        annotations=[annotations.models()],
        since="now-1h",
    )
    for panel in (
        _up("Bridge", BRIDGE_QUEUE),
        _up("Inference", INFERENCE_QUEUE),
        *_rates_now(),
        _lag_now(),
        _refused(),
    ):
        found.with_panel(panel)
    for over_time in (_rates(), _lag(), _latency(), _writes()):
        found.with_panel(over_time)
    found.with_row(section("What stays behind"))
    for panel_behind in pipeline_behind.panels():
        found.with_panel(panel_behind)
    found.with_row(section("Jobs"))
    for table_of_jobs in pipeline_jobs.panels():
        found.with_panel(table_of_jobs)
    return found.link(elsewhere("Dagster", "${dagster_url}/runs"))


def _up(name: str, gauge: str) -> stat.Panel:
    panel = figure(
        name,
        f"Whether the {name.lower()} service answered the store's look at its metrics within the last minute.",
        series(f'SELECT count("n") FROM (SELECT last("gauge") AS "n" FROM {metric(gauge)} WHERE time > now() - 1m)'),
        unit="none",
        mappings=_UP,
        thresholds=limits("red"),
        empty="down",
    )
    return panel.interval(METRICS_INTERVAL)


def _rates_now() -> list[stat.Panel]:
    shown = (
        (
            "In",
            "Messages taken from the broker, of every kind: readings, labelled ones, predictions, alarms.",
            RECEIVED,
        ),
        ("Stored", "Rows durably written.", STORED),
        ("Predicted", "Predictions published.", PREDICTED),
    )
    return [
        figure(title, f"{text} Mean of the last half minute.", series(rate(name)), unit=PER_SECOND, decimals=1)
        .interval(METRICS_INTERVAL)
        .time_from("5m")
        .hide_time_override(True)
        for title, text, name in shown
    ]


def _lag_now() -> stat.Panel:
    return figure(
        "Bridge lag",
        "How long the oldest message that waits in the bridge has waited. 0 is an empty queue.",
        series(f'SELECT last("gauge") FROM {metric(LAG)} WHERE $timeFilter'),
        unit="s",
        decimals=1,
        thresholds=limits("green", (LAG_LIMIT_S / 3, "yellow"), (LAG_LIMIT_S, "red")),
    )


def _refused() -> stat.Panel:
    return figure(
        "Quarantined",
        "Messages that broke the contract within the shown range. They lie in the bridge's quarantine folder with "
        "their reason, and are told on the topic platform/rejected.",
        series(f'SELECT sum("n") FROM ({increase(QUARANTINED)})'),
        unit="none",
        width=6,
        decimals=0,
        thresholds=limits("green", (1, "yellow")),
        empty="0",
    )


def _rates() -> timeseries.Panel:
    targets = [
        series(rate(RECEIVED), alias="in", ref="A"),
        series(rate(STORED, by="measurement"), alias="stored $tag_measurement", ref="B"),
        series(rate(PREDICTED), alias="predicted", ref="C"),
        series(rate(QUARANTINED), alias="quarantined", ref="D"),
    ]
    panel = lines(
        "Messages per second",
        "In: taken from the broker. Stored: rows durably written, by measurement. Predicted: predictions published, "
        "which come back in as messages and are stored as pump_prediction.",
        *targets,
        unit=PER_SECOND,
        lowest=0,
        interval=METRICS_INTERVAL,
    )
    return dressed(panel, {"in": [coloured("text"), prop("custom.lineWidth", 3)], "quarantined": [coloured("red")]})


def _lag() -> timeseries.Panel:
    waiting = f'SELECT max("gauge") FROM {metric(LAG)} {_BY_TIME}'
    panel = lines(
        "Bridge lag and queues",
        "How long the oldest message in the bridge has waited (left), and how many readings wait in the bridge and in "
        f"the inference service (right). From {LAG_LIMIT_S:g} s an alert is raised.",
        series(waiting, alias="lag", ref="A"),
        series(f'SELECT max("gauge") FROM {metric(BRIDGE_QUEUE)} {_BY_TIME}', alias="bridge queue", ref="B"),
        series(f'SELECT max("gauge") FROM {metric(INFERENCE_QUEUE)} {_BY_TIME}', alias="inference queue", ref="C"),
        unit="s",
        lowest=0,
        interval=METRICS_INTERVAL,
    )
    right = [prop("unit", "short"), prop("custom.axisPlacement", "right")]
    return dressed(panel, {"lag": [coloured("orange")], "bridge queue": right, "inference queue": right})


def _latency() -> timeseries.Panel:
    return _quantiles(
        "From reading to prediction",
        "Time from when a reading was taken, by its own clock, to when its prediction was made: half of them were "
        "faster than p50, 99 of 100 faster than p99. Interpolated between the bounds of the service's histogram.",
        flux(quantiles(LATENCY, 0.5, 0.99)),
    )


def _writes() -> timeseries.Panel:
    return _quantiles(
        "Durable write of a batch",
        "Time the store took to make one batch of the bridge durable; a message is acknowledged only after it.",
        flux(quantiles(WRITES, 0.5, 0.99)),
    )


def _quantiles(title: str, help_text: str, query: Query) -> timeseries.Panel:
    panel = lines(title, help_text, query, unit="s", lowest=0, interval=METRICS_INTERVAL)
    return dressed(panel, {"p50": [coloured("blue")], "p99": [coloured("orange")]})
