"""Second stage: take the labelled readings of a window out of the store."""

from typing import Final

import dagster as dg
import pyarrow.compute as pc

from pdm_platform.contract.errors import StoreError
from pdm_platform.contract.measurements import DEVICE, PUMP_LABELS, Window
from pdm_platform.contract.times import iso_of
from pdm_platform.defs.metadata import PREVIEW_ROWS, describe, explained
from pdm_platform.defs.progress import Progress
from pdm_platform.defs.resources import Platform
from pdm_platform.defs.windows import NS_PER_DAY, between, end_ns_of

# What every later stage has in memory at once, a few times over; a part of fewer rows costs more for each of them.
PART_ROWS: Final = 200_000


class TelemetryWindowConfig(dg.Config):
    """lookback_days: length of the window. window_end: ISO 8601; the start of today (UTC) where left out."""

    lookback_days: float = 14.0
    window_end: str | None = None


@dg.asset(group_name="extract", kinds={"arrow", "parquet"}, deps=["simulated_lifecycles"])
def telemetry_window(
    context: dg.AssetExecutionContext, config: TelemetryWindowConfig, platform: Platform
) -> dg.MaterializeResult[None]:
    """The labelled readings of one window of event time, as the store has them, by device and time.

    Taken in parts of whole devices, so that a history may be larger than memory.
    """
    with explained():
        end_ns = end_ns_of(config.window_end)
        window = between(end_ns - int(config.lookback_days * NS_PER_DAY), end_ns, "lookback_days")
        progress = Progress(context.log.info, "extracted")
        devices, preview = 0, PUMP_LABELS.schema.empty_table()
        with platform.store() as store, platform.lake.writing("telemetry_window", window) as rows:
            for part in store.read_by_device(PUMP_LABELS, window, max_rows=PART_ROWS):
                rows.add(part)
                devices += pc.count_distinct(part[DEVICE]).as_py()
                preview = preview if preview.num_rows else part.slice(0, PREVIEW_ROWS)
                progress.tell(rows.rows)
            if not rows.rows:
                raise _nothing_in(window)
            stored = rows.store(devices=devices)
        return dg.MaterializeResult(
            metadata=describe(stored, preview, summary=f"{stored.rows:,} readings of {devices} pumps", devices=devices)
        )


def _nothing_in(window: Window) -> StoreError:
    return StoreError(
        f"there are no labelled readings from {iso_of(window.start_ns)} to {iso_of(window.end_ns)}",
        hint="Materialise `simulated_lifecycles`, or set window_end and lookback_days to where there are some.",
    )
