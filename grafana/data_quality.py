"""Data quality: what the gate found, what sensors do not give, what they cannot mean, and where they are stuck."""

from typing import Final

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import annotations, variables
from grafana.panels import Column, dressed, figure, lines, listing, stacked, state_lines
from grafana.queries import OF_DEVICES, ranged, rows, series, stored
from grafana.shell import QUALITY, dashboard, pump_link, section
from grafana.style import by_name, coloured, limits, texts
from pdm_platform.contract.channels import CHANNEL_NAMES, CHANNELS
from pdm_platform.contract.measurements import EXPECTATION_RESULT, PUMP_TELEMETRY

STUCK_AFTER_READINGS: Final = 20
# one value, over and over, has a mean that differs from it in the last digit
_NO_SPREAD: Final = 1e-6
_REFS: Final = "ABCDEFGH"
_HERE: Final = f"WHERE $timeFilter AND {OF_DEVICES}"
_PASSED: Final = texts({"1": ("passed", "green"), "0": ("failed", "red")})
_GATE: Final = "90d"


def build() -> Dashboard:
    """Whether what comes in is fit to teach a model and to be predicted."""
    found = dashboard(
        QUALITY,
        "Whether the readings are fit to teach a model and to be predicted.",
        variables=[variables.site(), variables.pumps(), variables.resolution()],
        annotations=[annotations.models()],
        since="now-1h",
        refresh="1m",
    )
    for panel in (_readings(), _nulls_now(), _implausible_now(), _failed_now()):
        found.with_panel(panel)
    found.with_row(section("Live readings"))
    found.with_panel(_nulls()).with_panel(_implausible()).with_panel(_stuck())
    found.with_row(section("The gate before training"))
    return found.with_panel(_expectations()).with_panel(_each()).with_panel(_latest())


def _readings() -> stat.Panel:
    return figure(
        "Readings",
        "Live readings stored in the shown range, of the chosen pumps.",
        series(f'SELECT count("present") FROM {stored(PUMP_TELEMETRY)} {_HERE}'),
        unit="short",
        width=6,
        empty="0",
    )


def _nulls_now() -> stat.Panel:
    given = " + ".join(f'count("{name}")' for name in CHANNEL_NAMES)
    share = f'1 - ({given}) / (count("present") * {len(CHANNEL_NAMES)})'
    return figure(
        "Values not given",
        "Share of the channels' values that are null, over all eight channels and the shown range.",
        series(f"SELECT {share} FROM {stored(PUMP_TELEMETRY)} {_HERE}"),
        unit="percentunit",
        width=6,
        decimals=2,
        thresholds=limits("green", (0.001, "yellow"), (0.02, "red")),
    )


def _outside(name: str) -> str:
    channel = next(one for one in CHANNELS if one.name == name)
    return f'("{name}" < {channel.plausible_min:g} OR "{name}" > {channel.plausible_max:g})'


def _implausible_now() -> stat.Panel:
    anywhere = " OR ".join(_outside(name) for name in CHANNEL_NAMES)
    return figure(
        "Implausible readings",
        "Readings in the shown range with a channel outside its plausible range. They are stored and shown; in a "
        "training window one of them stops training.",
        series(f'SELECT count("present") FROM {stored(PUMP_TELEMETRY)} {_HERE} AND ({anywhere})'),
        unit="short",
        width=6,
        thresholds=limits("green", (1, "orange")),
        empty="0",
    )


def _failed_now() -> stat.Panel:
    newest = f'SELECT last("passed") AS "passed" FROM {stored(EXPECTATION_RESULT)} GROUP BY "expectation", "column"'
    return figure(
        "Expectations failed",
        "Of the gate before training, when each expectation was judged last. One is enough to stop training.",
        series(f'SELECT count("passed") - sum("passed") FROM ({newest})'),
        unit="none",
        width=6,
        thresholds=limits("green", (1, "red")),
        empty="no gate yet",
    )


def _nulls() -> timeseries.Panel:
    shares = ", ".join(f'1 - count("{name}") / count("present") AS "{name}"' for name in CHANNEL_NAMES)
    return lines(
        "Values not given, by channel",
        "Share of the readings of each interval in which a channel is null: its sensor gave nothing. Full resolution, "
        "30 days back at most.",
        series(
            f"SELECT {shares} FROM {stored(PUMP_TELEMETRY)} {_HERE} GROUP BY time($__interval) fill(none)",
            alias="$col",
        ),
        unit="percentunit",
        lowest=0,
        interval="1m",
    ).color_scheme(by_name())


def _implausible() -> timeseries.Panel:
    targets = [
        series(
            f'SELECT count("{name}") FROM {stored(PUMP_TELEMETRY)} {_HERE} AND {_outside(name)} '
            "GROUP BY time($__interval) fill(none)",
            alias=name,
            ref=ref,
        )
        for ref, name in zip(_REFS, CHANNEL_NAMES, strict=True)
    ]
    ranges = ", ".join(f"{one.name} {one.plausible_min:g} to {one.plausible_max:g} {one.unit}" for one in CHANNELS)
    panel = lines(
        "Implausible values, by channel",
        f"Values of each interval outside the plausible range: {ranges}. Nothing is drawn where there are none.",
        *targets,
        unit="none",
        lowest=0,
        interval="1m",
    ).color_scheme(by_name())
    return stacked(panel, bars=True)


def _stuck() -> table.Panel:
    spreads = ", ".join(f'spread("{name}") AS "{name}"' for name in CHANNEL_NAMES)
    inner = (
        f'SELECT {spreads}, count("vibration_rms") AS "readings" FROM {ranged(PUMP_TELEMETRY)} {_HERE} '
        "GROUP BY device_id"
    )
    still = " OR ".join(f'"{name}" < {_NO_SPREAD:f}' for name in CHANNEL_NAMES)
    columns = ", ".join(f'"{name}"' for name in CHANNEL_NAMES)
    red_at_zero = limits("red", (_NO_SPREAD, "text"))
    shown = [
        Column(one.name, one.name.replace("_", " "), decimals=3, thresholds=red_at_zero, width=110) for one in CHANNELS
    ]
    return listing(
        "Stuck sensors",
        "Pumps with a channel that gave one and the same value through the shown range (at least "
        f"{STUCK_AFTER_READINGS} readings): highest less lowest value by channel, red where it is 0. A pump that "
        "stands still at the same values shows up, too.",
        rows(
            f'SELECT {columns} FROM ({inner}) WHERE "readings" >= {STUCK_AFTER_READINGS} AND ({still}) '
            "GROUP BY device_id"
        ),
        [Column("device_id", "Pump", link=pump_link()), *shown],
        width=24,
        height=7,
        hidden=["Time"],
        empty="No sensor is stuck",
    )


def _expectations() -> timeseries.Panel:
    panel = lines(
        "Expectations passed and failed",
        "How many of the gate's expectations held, each time it was asked in the last 90 days, at the end of the "
        "window that it judged.",
        series(
            'SELECT sum("passed") AS "passed", count("passed") - sum("passed") AS "failed" '
            f"FROM {stored(EXPECTATION_RESULT)} WHERE $timeFilter GROUP BY time($__interval) fill(none)",
            alias="$col",
        ),
        unit="none",
        width=8,
        height=14,
        lowest=0,
        interval="1h",
    ).time_from(_GATE)
    return dressed(stacked(panel, bars=True), {"passed": [coloured("green")], "failed": [coloured("red")]})


def _each() -> statetimeline.Panel:
    panel = state_lines(
        "Each expectation",
        "Green while the expectation held when it was judged last, red while it failed, over the last 90 days.",
        series(
            f'SELECT "passed" FROM {stored(EXPECTATION_RESULT)} WHERE $timeFilter GROUP BY "expectation", "column"',
            alias="$tag_expectation",
        ),
        unit="none",
        mappings=_PASSED,
        thresholds=limits("red", (1, "green")),
        width=16,
        height=14,
        per_page=30,
    )
    return panel.time_from(_GATE).span_nulls(True)


def _latest() -> table.Panel:
    fields = '"observed", "expected", "unexpected_rows", "rows"'
    columns = [
        Column("expectation", "Expectation", width=190),
        Column("column", "Column", width=140),
        Column("passed", "Result", width=90, mappings=_PASSED),
        Column("observed", "Observed"),
        Column("expected", "Expected"),
        Column("unexpected_rows", "Rows against it", width=130, decimals=0),
        Column("rows", "Rows", width=100, unit="short"),
        Column("Time", "Window ended", width=150, unit="dateTimeFromNow"),
    ]
    return listing(
        "What the gate found last",
        "Each expectation as it was judged last, the failed ones first.",
        rows(
            f'SELECT last("passed") AS "passed", {fields} FROM {stored(EXPECTATION_RESULT)} '
            'GROUP BY "expectation", "column"'
        ),
        columns,
        width=24,
        height=11,
        sort=("Result", False),
        empty="The gate has not been asked yet",
    )
