"""Pipeline, what stays behind: refused, redelivered and missing readings."""

from typing import Final

from grafana_foundation_sdk.builders import table, timeseries

from grafana.panels import Column, lines, listing, stacked
from grafana.pipeline_metrics import DUPLICATES, MISSING, QUARANTINED, increase
from grafana.queries import METRICS_INTERVAL, metric, rows, series
from grafana.shell import pump_link
from grafana.style import limits

# an axis for so many where there are none
_FEW: Final = 5


def panels() -> list[timeseries.Panel | table.Panel]:
    """The panels, in the order shown."""
    return [_quarantined(), _duplicates(), _gaps()]


def _quarantined() -> timeseries.Panel:
    counted = f'SELECT sum("n") FROM ({increase(QUARANTINED)}) WHERE $timeFilter GROUP BY time($__interval), "cause"'
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
    counted = f'SELECT sum("n") FROM ({increase(DUPLICATES)}) WHERE $timeFilter GROUP BY time($__interval), "kind"'
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
