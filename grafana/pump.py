"""Pump: all that is known of one pump, measured and predicted."""

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import annotations, pump_doubts, pump_now, pump_over_time, variables
from grafana.channels import channel_panel
from grafana.panels import Column, listing
from grafana.pump_now import HERE
from grafana.queries import rows, stored
from grafana.shell import PUMP, dashboard, section
from grafana.style import condition_names
from pdm_platform.contract.channels import CHANNELS
from pdm_platform.contract.measurements import PUMP_ALARM


def build() -> Dashboard:
    """One pump, chosen at the top or by a click on the fleet."""
    found = dashboard(
        PUMP,
        "One pump: what its sensors say, what the model makes of it, and what happened.",
        variables=[variables.site(), variables.one_pump(), variables.resolution()],
        annotations=annotations.of_pump(),
        since="now-3h",
    )
    for figures in (*pump_now.panels(), *pump_doubts.figures()):
        found.with_panel(figures)
    found.with_panel(pump_over_time.states()).with_panel(pump_doubts.bands())
    found.with_panel(pump_over_time.health()).with_panel(pump_over_time.life())
    found.with_panel(pump_over_time.probabilities()).with_panel(pump_doubts.mode_probability())
    found.with_panel(pump_doubts.novelty()).with_panel(pump_over_time.gaps())
    found.with_row(section("Vibration, with the zones of ISO 10816-7"))
    for channel in CHANNELS[:4]:
        found.with_panel(channel_panel(channel))
    found.with_row(section("Temperature, pressure, current and speed"))
    for channel in CHANNELS[4:]:
        found.with_panel(channel_panel(channel))
    found.with_row(section("Alarms"))
    return found.with_panel(_alarms())


def _alarms() -> table.Panel:
    columns = [
        Column("Time", "When", unit="dateTimeAsLocal", width=200),
        Column("condition", "Condition", width=120, mappings=condition_names()),
        Column("active", "Active", width=80),
        Column("severity", "Severity", width=90),
        Column("state", "State", width=100, kind="state"),
        Column("message", "What it says"),
        Column("model_version", "Model", width=230),
    ]
    return listing(
        "Alarms",
        "Each time an alarm of this pump was raised, became more severe (active 1), or returned to normal (0), in the "
        "shown range. The conditions are independent of each other: the state, a sensor that seems to lie, and "
        "readings like none that the model has learned from.",
        rows(
            f'SELECT "active", "severity", "state", "message", "model_version" FROM {stored(PUMP_ALARM)} {HERE} '
            'GROUP BY "condition"'
        ),
        columns,
        width=24,
        sort=("When", True),
        empty="No alarm in this range",
    )
