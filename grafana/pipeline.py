"""Pipeline: does every reading get through, how fast, and what stays behind."""

from typing import Final

from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import annotations, variables
from grafana.panels import Column, dressed, figure, lines, listing, stacked
from grafana.queries import METRICS_INTERVAL, Query, flux, metric, quantiles, rate, rows, series, stored
from grafana.shell import DAGSTER_URL, PIPELINE, dashboard, elsewhere, pump_link, section
from grafana.style import coloured, limits, prop, texts
from pdm_platform.contract.measurements import JOB_RUN

RECEIVED: Final = "pdm_bridge_received_total"
STORED: Final = "pdm_bridge_stored_total"
QUARANTINED: Final = "pdm_bridge_quarantined_total"
DUPLICATES: Final = "pdm_bridge_duplicates_total"
LAG: Final = "pdm_bridge_oldest_waiting_seconds"
BRIDGE_QUEUE: Final = "pdm_bridge_queue_length"
MISSING: Final = "pdm_bridge_missing_readings"
WRITES: Final = "pdm_bridge_write_seconds"
PREDICTED: Final = "pdm_inference_predicted_total"
INFERENCE_QUEUE: Final = "pdm_inference_queue_readings"
LATENCY: Final = "pdm_inference_reading_to_prediction_seconds"
LAG_LIMIT_S: Final = 30.0
PER_SECOND: Final = "suffix:/s"
# an axis for so many where there are none
_FEW: Final = 5
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
    found.with_panel(_quarantined()).with_panel(_duplicates()).with_panel(_gaps())
    found.with_row(section("Jobs"))
    found.with_panel(_last_success()).with_panel(_runs())
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
        series(f'SELECT sum("n") FROM ({_increase(QUARANTINED)})'),
        unit="none",
        width=6,
        decimals=0,
        thresholds=limits("green", (1, "yellow")),
        empty="0",
    )


def _increase(name: str) -> str:
    return f'SELECT non_negative_difference("counter") AS "n" FROM {metric(name)} WHERE $timeFilter GROUP BY *'


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


def _quarantined() -> timeseries.Panel:
    counted = f'SELECT sum("n") FROM ({_increase(QUARANTINED)}) WHERE $timeFilter GROUP BY time($__interval), "cause"'
    panel = lines(
        "Quarantined by cause",
        "topic: none of the contract's. payload: no JSON, a field missing, of the wrong type or impossible. device: "
        "not the topic's, or not allowed. time: unreadable, or too far off.",
        series(f"{counted} fill(none)", alias="$tag_cause"),
        unit="none",
        width=8,
        lowest=0,
        interval=METRICS_INTERVAL,
    )
    return stacked(panel, bars=True).axis_soft_max(_FEW)


def _duplicates() -> timeseries.Panel:
    counted = f'SELECT sum("n") FROM ({_increase(DUPLICATES)}) WHERE $timeFilter GROUP BY time($__interval), "kind"'
    panel = lines(
        "Redelivered readings",
        "Readings without a timestamp that came again. known: recognised and not stored twice. undecidable: nothing "
        "told whether they had come before.",
        series(f"{counted} fill(none)", alias="$tag_kind"),
        unit="none",
        width=8,
        lowest=0,
        interval=METRICS_INTERVAL,
    )
    return stacked(panel, bars=True).axis_soft_max(_FEW)


def _gaps() -> table.Panel:
    latest = f'SELECT last("gauge") AS "missing" FROM {metric(MISSING)} WHERE $timeFilter GROUP BY "device_id"'
    columns = [
        Column("device_id", "Pump", link=pump_link(by_site=False)),
        Column("missing", "Missing", decimals=0, width=110, thresholds=limits("orange")),
    ]
    return listing(
        "Missing readings by pump",
        "The 20 pumps with the most holes in their sequence numbers (measurement_id) since the bridge started; a late "
        "reading closes its hole.",
        rows(f'SELECT top("missing", "device_id", 20) AS "missing" FROM ({latest}) WHERE "missing" > 0'),
        columns,
        width=8,
        height=8,
        sort=("Missing", True),
        hidden=["Time"],
        empty="No reading is missing",
    )


def _last_success() -> table.Panel:
    text = f'SELECT last("duration_s") AS "duration_s" FROM {stored(JOB_RUN)} WHERE "success" = 1 GROUP BY "job"'
    columns = [
        Column("job", "Job"),
        Column("Time", "Last success", unit="dateTimeFromNow"),
        Column("duration_s", "Took", unit="s", width=110, decimals=0),
    ]
    return listing(
        "Last successful run of each job",
        "When each Dagster job last ended well, whatever the shown range.",
        rows(text),
        columns,
        width=8,
        height=8,
        empty="No job has succeeded yet",
    )


def _runs() -> table.Panel:
    columns = [
        Column("Time", "Ended", unit="dateTimeAsLocal", width=200),
        Column("job", "Job", width=120),
        Column("success", "Result", width=100, mappings=texts({"1": ("success", "green"), "0": ("failed", "red")})),
        Column("duration_s", "Took", unit="s", width=90, decimals=0),
        Column("message", "What failed"),
        Column(
            "run_id",
            "Run",
            width=110,
            link=("Open the run in Dagster", '${dagster_url}/runs/${__data.fields["run_id"]}'),
        ),
    ]
    panel = listing(
        "Runs",
        "Every run of a Dagster job in the last 30 days, the newest first; click a run to open it in Dagster.",
        rows(
            f'SELECT "success", "duration_s", "message", "run_id" FROM {stored(JOB_RUN)} WHERE $timeFilter '
            'GROUP BY "job" ORDER BY time DESC LIMIT 100'
        ),
        columns,
        width=16,
        height=8,
        sort=("Ended", True),
        empty="No job has run yet",
    )
    return panel.time_from("30d")
