"""Model and drift: what serves since when and why, how good it is, what it says, whether it still fits."""

from typing import Final

from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models.common import VisibilityMode

from grafana import annotations, model_versions, variables
from grafana.panels import Column, dressed, figure, lines, listing, stacked
from grafana.queries import FLUX_RANGE, OF_MEANS, bucket, flux, ranged, rows, series, stored
from grafana.shell import DAGSTER_URL, MODEL, REPORTS_URL, dashboard, elsewhere, section
from grafana.style import COLOURS, by_name, coloured, limits, texts
from pdm_platform.contract.measurements import DRIFT_SCORE, MODEL_EVENT, PUMP_PREDICTION
from pdm_platform.contract.states import STATES
from pdm_platform.core.drift import CHANNEL_THRESHOLD, DRIFTED_SHARE, SINGLE_CHANNEL_THRESHOLD
from pdm_platform.stores.influx_buckets import RESULTS

# The name that the drift report gives to its verdict over all channels.
FLEET_CHANNEL: Final = "fleet"
_VERDICT: Final = texts({"0": ("no drift", "green"), "1": ("drifted", "red")})


def build() -> Dashboard:
    """What whoever is responsible for the model looks at."""
    found = dashboard(
        MODEL,
        "The model in production, how good each version is, and whether the fleet still runs as in training.",
        variables=[
            variables.resolution(),
            variables.address("dagster_url", "Where the Dagster UI is reached", DAGSTER_URL),
            variables.address("reports_url", "Where the platform's HTML reports are served", REPORTS_URL),
        ],
        annotations=[annotations.models()],
        since="now-24h",
        refresh="1m",
    )
    for panel in (_version(), _since(), _why(), _drift_now()):
        found.with_panel(panel)
    found.with_panel(_mix()).with_panel(_confidence())
    found.with_row(section("Drift of healthy operation from the training data"))
    found.with_panel(_drift()).with_panel(_reports())
    found.with_row(section("Versions"))
    for about_versions in model_versions.panels():
        found.with_panel(about_versions)
    found.link(elsewhere("Dagster", "${dagster_url}/asset-groups"))
    return found.link(elsewhere("Retrain", "${dagster_url}/locations/pdm_platform.definitions/jobs/retrain"))


def _event(field: str) -> str:
    return f'SELECT last("version") AS "version", "{field}" AS "{field}_then" FROM {stored(MODEL_EVENT)}'


def _version() -> stat.Panel:
    return figure(
        "In production",
        "The version that was promoted, or rolled back to, last.",
        rows(_event("reason")),
        unit="none",
        width=7,
        fields="/^version$/",
        empty="no model yet",
    )


def _since() -> stat.Panel:
    return figure(
        "Since",
        "When it came into production.",
        rows(_event("reason")),
        unit="dateTimeFromNow",
        width=4,
        fields="/^Time$/",
    )


def _why() -> stat.Panel:
    return figure(
        "Why",
        "The reason in the registry's ledger. Who, and all changes before: at the bottom.",
        rows(_event("reason")),
        unit="none",
        width=9,
        fields="/^reason_then$/",
    )


def _drift_now() -> stat.Panel:
    return figure(
        "Drift",
        "The verdict of the newest drift report, over all channels.",
        series(f'SELECT last("drifted") FROM {stored(DRIFT_SCORE)} WHERE "channel" = \'{FLEET_CHANNEL}\''),
        unit="none",
        width=4,
        mappings=_VERDICT,
        empty="no report yet",
    )


def _mix() -> timeseries.Panel:
    columns = ", ".join(f'mean("p_{state.lower()}") AS "{state.value}"' for state in STATES)
    panel = lines(
        "Prediction mix",
        "The mean probability that the predictions of each interval give to each state: the share of the readings in "
        "it, as the model sees them.",
        series(
            f"SELECT {columns} FROM {ranged(PUMP_PREDICTION)} WHERE $timeFilter AND {OF_MEANS} "
            "GROUP BY time($__interval) fill(null)",
            alias="$col",
        ),
        unit="percentunit",
        lowest=0,
        highest=1,
        interval="1m",
    )
    return dressed(stacked(panel), {state.value: [coloured(COLOURS[state])] for state in STATES})


def _confidence() -> timeseries.Panel:
    targets = [
        series(
            f'SELECT mean("p_{state.lower()}") FROM {ranged(PUMP_PREDICTION)} WHERE $timeFilter AND {OF_MEANS} '
            f'AND "p_{state.lower()}" > 0.5 GROUP BY time($__interval) fill(null)',
            alias=state.value,
            ref="ABCD"[index],
        )
        for index, state in enumerate(STATES)
    ]
    panel = lines(
        "Confidence",
        "Mean probability of the state that is told, by state, over the predictions that give one state more than "
        "half. A model that meets what it has not learned becomes less sure.",
        *targets,
        unit="percentunit",
        lowest=0.5,
        highest=1,
        interval="5m",
    )
    return dressed(panel, {state.value: [coloured(COLOURS[state])] for state in STATES})


def _drift() -> timeseries.Panel:
    panel = lines(
        "Drift score by channel",
        "How far healthy live readings are from the healthy readings of training, in standard deviations (SD; "
        f"Wasserstein distance). From {CHANNEL_THRESHOLD:g} on a channel counts as drifted; the fleet has drifted "
        f"where {DRIFTED_SHARE:.0%} of the channels have, or one is at {SINGLE_CHANNEL_THRESHOLD:g} or above. One "
        "point a drift report, at the end of its window.",
        series(
            f'SELECT "score" FROM {stored(DRIFT_SCORE)} WHERE $timeFilter AND "channel" <> \'{FLEET_CHANNEL}\' '
            'GROUP BY "channel"',
            alias="$tag_channel",
        ),
        unit="suffix:SD",
        width=14,
        height=10,
        decimals=2,
        lowest=0,
        thresholds=limits("transparent", (CHANNEL_THRESHOLD, "orange"), (SINGLE_CHANNEL_THRESHOLD, "red")),
    )
    return (
        panel.color_scheme(by_name())
        .show_points(VisibilityMode.ALWAYS)
        .point_size(6)
        .axis_soft_max(SINGLE_CHANNEL_THRESHOLD + 0.2)
    )


def _reports() -> table.Panel:
    # Flux: the folder of a report is named by its window in whole nanoseconds, which InfluxQL's JSON rounds.
    text = f"""
from(bucket: "{bucket(RESULTS)}")
  |> {FLUX_RANGE}
  |> filter(fn: (r) => r._measurement == "{DRIFT_SCORE.name}" and r.channel == "{FLEET_CHANNEL}")
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> map(fn: (r) => ({{
    ended: r._time,
    drifted: string(v: r.drifted),
    share: r.score,
    rows: r.rows,
    window: string(v: r.window_start_ns) + "_" + string(v: int(v: r._time)),
    report: "open",
  }}))
  |> sort(columns: ["ended"], desc: true)
"""
    url = '${reports_url}/lake/drift_report/${__data.fields["window"]}/drift.html'
    columns = [
        Column("ended", "Window ended", unit="dateTimeFromNow", width=140),
        Column("drifted", "Verdict", mappings=_VERDICT, width=90),
        Column("share", "Channels drifted", unit="percentunit", decimals=0),
        Column("rows", "Healthy readings", unit="short"),
        Column("report", "Report", width=80, link=("Open Evidently's report", url)),
    ]
    return listing(
        "Drift reports",
        "Each drift report of the shown range, the newest first, with a link to Evidently's page.",
        flux(text),
        columns,
        width=10,
        height=10,
        hidden=["window"],
        empty="No drift report in this range",
    )
