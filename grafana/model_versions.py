"""Model and drift, the versions: how good each is, and what was in production when."""

from typing import Final

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from grafana.panels import Column, listing
from grafana.queries import bucket, flux, rows, stored
from pdm_platform.contract.measurements import MODEL_EVENT, MODEL_METRIC
from pdm_platform.core.promotion import MIN_MARGIN_OVER_BASELINE
from pdm_platform.stores.influx_buckets import RESULTS

_METRICS: Final = (
    Column("version", "Version", width=250),
    Column("macro_f1", "Macro F1", decimals=3),
    Column("baseline_macro_f1", "Best baseline", decimals=3),
    Column("health_mae_percent", "Health error", unit="percent", decimals=1),
    Column("mode_macro_f1", "Mode F1", decimals=3),
    Column("rul_relative_error", "Life error", unit="percentunit", decimals=0),
    Column("rul_coverage", "Interval held", unit="percentunit", decimals=0),
    Column("unseen_pumps", "Unseen pumps", decimals=0),
    Column("failures", "Failures", decimals=0),
    Column("failures_warned", "Warned of", decimals=0),
    Column("false_alarms", "False alarms", decimals=0),
    Column("cost_per_pump_year", "Cost a year", decimals=0),
    Column("median_warning_share", "Warned before", unit="percentunit", decimals=0),
)


def panels() -> list[table.Panel]:
    """The tables, in the order shown."""
    return [_metrics(), _history()]


def _metrics() -> table.Panel:
    text = f"""
from(bucket: "{bucket(RESULTS)}")
  |> range(start: 0)
  |> filter(fn: (r) => r._measurement == "{MODEL_METRIC.name}" and r._field == "value")
  |> last()
  |> group()
  |> pivot(rowKey: ["version"], columnKey: ["metric"], valueColumn: "_value")
  |> sort(columns: ["version"], desc: true)
  |> limit(n: 50)
"""
    better = MIN_MARGIN_OVER_BASELINE
    panel = listing(
        "Metrics of each version",
        "Figures on pumps that the version had not seen in training. A version is promoted only if its macro F1 is at "
        f"least {better:g} above that of the best baseline. Warned before: how much of the life was left at the "
        "warning, in the median. Life error: of the told remaining life in the last third of it.",
        flux(text),
        _METRICS,
        width=24,
        height=8,
        empty="No version yet",
    )
    shown = {column.name for column in _METRICS}
    return panel.with_transformation(
        DataTransformerConfig("filterFieldsByName", options={"include": {"names": sorted(shown)}})
    )


def _history() -> table.Panel:
    columns = [
        Column("Time", "When", unit="dateTimeAsLocal", width=200),
        Column("event", "What", width=110),
        Column("version", "Version", width=250),
        Column("previous", "Instead of", width=250),
        Column("actor", "Who", width=140),
        Column("reason", "Why"),
    ]
    return listing(
        "Changes of production",
        "Every promotion and rollback, the newest first.",
        rows(f'SELECT "version", "previous", "actor", "reason" FROM {stored(MODEL_EVENT)} GROUP BY "event"'),
        columns,
        width=24,
        height=8,
        sort=("When", True),
        empty="No model yet",
    )
