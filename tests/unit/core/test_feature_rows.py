"""Features of a history that is folded part by part: the same as at once, and as the service makes them."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DEVICE, PUMP_LABELS, TIME
from pdm_platform.contract.times import NS_PER_S, iso_of
from pdm_platform.core.feature_rows import TRUTH, featured
from pdm_platform.core.features import FEATURE_NAMES, PumpStates, fold

T0 = 1_800_000_000 * NS_PER_S
READINGS = 120


def history(pumps: int = 3, **changes: Any) -> pa.Table:
    """Labelled readings by device and time; some channels are missing now and then."""
    draw = np.random.default_rng(1)
    rows = pumps * READINGS
    columns: dict[str, Any] = {
        DEVICE: np.repeat([f"p{pump}" for pump in range(pumps)], READINGS).tolist(),
        TIME: T0 + np.tile(np.arange(READINGS), pumps) * NS_PER_S,
        **{name: np.where(draw.random(rows) < 0.05, np.nan, draw.normal(10.0, 1.0, rows)) for name in CHANNEL_NAMES},
        "health_percent": np.linspace(100.0, 0.0, rows),
        "ground_truth": ["HEALTHY"] * rows,
        "sensor_fault": ["rpm:freeze", None] * (rows // 2),
        "disturbance": ["heatwave"] * rows,
        **changes,
    }
    missing = {name: pa.nulls(rows, PUMP_LABELS.schema.field(name).type) for name in PUMP_LABELS.schema.names}
    table = pa.table({**missing, **columns}).select(PUMP_LABELS.schema.names)
    return table.cast(PUMP_LABELS.schema)


def matrix(table: pa.Table) -> Any:
    return np.column_stack([table[name].to_numpy() for name in FEATURE_NAMES])


def test_a_row_holds_device_time_truth_and_features_as_float32() -> None:
    readings = history()

    part = featured(readings)

    assert part.rows.column_names == [DEVICE, TIME, *TRUTH, *FEATURE_NAMES]
    assert {part.rows.schema.field(name).type for name in FEATURE_NAMES} == {pa.float32()}
    assert part.rows.select([DEVICE, TIME, *TRUTH]).to_pydict() == readings.select([DEVICE, TIME, *TRUTH]).to_pydict()
    assert (part.readings, part.devices) == (3 * READINGS, 3)


def test_parts_of_whole_devices_give_what_the_whole_history_gives() -> None:
    readings = history()

    parts = [featured(readings.slice(pump * READINGS, READINGS)).rows for pump in range(3)]

    np.testing.assert_array_equal(matrix(pa.concat_tables(parts)), matrix(featured(readings).rows))


def test_every_reading_is_folded_also_where_few_rows_are_kept() -> None:
    readings = history()
    whole = featured(readings).rows.to_pandas().set_index([DEVICE, TIME])[list(FEATURE_NAMES)]

    part = featured(readings, rows_per_device=10, seed=1)

    kept = part.rows.to_pandas().set_index([DEVICE, TIME])[list(FEATURE_NAMES)]
    assert (len(kept), part.readings) == (30, 3 * READINGS)
    np.testing.assert_array_equal(kept.to_numpy(), whole.loc[kept.index].to_numpy())


@pytest.mark.parametrize("written", ["iso", "milliseconds"])
def test_a_maintenance_that_is_told_starts_the_pump_anew(written: str) -> None:
    at_ns = T0 + 60 * NS_PER_S
    told = iso_of(at_ns) if written == "iso" else str(at_ns / 1e6)
    texts = [told if row % READINGS >= 60 else None for row in range(3 * READINGS)]

    part = featured(history(last_maintenance=texts))

    seen = part.rows["readings_seen"].to_numpy()
    assert seen[60] < seen[59]


@pytest.mark.parametrize("text", ["soon", "", "3", None])
def test_a_maintenance_that_cannot_be_read_changes_nothing(text: str | None) -> None:
    readings = history(last_maintenance=pa.array([text] * 3 * READINGS, pa.string()))

    np.testing.assert_array_equal(matrix(featured(readings).rows), matrix(featured(history()).rows))


def test_the_features_are_those_of_the_fold_that_serves() -> None:
    readings = history(pumps=1)
    channels = np.column_stack([readings[name].to_numpy() for name in CHANNEL_NAMES])

    served = fold(PumpStates(), readings[DEVICE].to_pylist(), readings[TIME].to_numpy(), channels)

    np.testing.assert_array_equal(matrix(featured(readings).rows), served.astype(np.float32))


def test_features_of_another_contract_are_not_made() -> None:
    with pytest.raises(ValueError, match="abcdefabcdef were asked for"):
        featured(history(), contract="abcdefabcdef0123")
