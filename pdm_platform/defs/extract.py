"""Second stage: take the labelled readings of a window out of the store."""

import dagster as dg
import pyarrow.compute as pc

from pdm_platform.contract.errors import StoreError
from pdm_platform.contract.measurements import DEVICE, PUMP_LABELS
from pdm_platform.contract.times import iso_of
from pdm_platform.defs.metadata import describe, explained
from pdm_platform.defs.resources import Platform
from pdm_platform.defs.windows import NS_PER_DAY, between, end_ns_of


class TelemetryWindowConfig(dg.Config):
    """lookback_days: length of the window. window_end: ISO 8601; the start of today (UTC) where left out."""

    lookback_days: float = 14.0
    window_end: str | None = None


@dg.asset(group_name="extract", kinds={"arrow", "parquet"}, deps=["simulated_lifecycles"])
def telemetry_window(config: TelemetryWindowConfig, platform: Platform) -> dg.MaterializeResult[None]:
    """The labelled readings of one window of event time, as the store has them, by device and time."""
    with explained():
        end_ns = end_ns_of(config.window_end)
        window = between(end_ns - int(config.lookback_days * NS_PER_DAY), end_ns, "lookback_days")
        with platform.store() as store:
            table = store.read(PUMP_LABELS, window)
        if not table.num_rows:
            raise StoreError(
                f"there are no labelled readings from {iso_of(window.start_ns)} to {iso_of(window.end_ns)}",
                hint="Materialise `simulated_lifecycles`, or set window_end and lookback_days to where there are some.",
            )
        devices = pc.count_distinct(table[DEVICE]).as_py()
        stored = platform.lake.write("telemetry_window", table, window, devices=devices)
        return dg.MaterializeResult(
            metadata=describe(stored, table, summary=f"{table.num_rows:,} readings of {devices} pumps", devices=devices)
        )
