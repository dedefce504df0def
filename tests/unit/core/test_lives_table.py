"""From a feature table to lives: pumps read off their last rows, labels that nobody knows, long lives thinned."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.contract.measurements import DEVICE, TIME
from pdm_platform.contract.states import STATES
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.core.features import FEATURE_NAMES
from pdm_platform.core.lives_table import chosen, lives_of, pumps_of


def table(device: str, readings: int = 40, interval_s: float = 1.0, **changes: Any) -> pa.Table:
    """Feature rows of one device; every feature but the interval counts the rows."""
    columns: dict[str, Any] = {
        DEVICE: pa.array([device] * readings, pa.string()),
        TIME: (np.arange(readings) * interval_s * NS_PER_S).astype(np.int64),
        "ground_truth": ["HEALTHY"] * readings,
        "health_percent": np.linspace(100.0, 0.0, readings),
        "rul_hours": np.full(readings, np.nan),
        "failure_mode": pa.array(["unbalance"] * readings, pa.string()),
        "sensor_fault": pa.nulls(readings, pa.string()),
        "disturbance": pa.nulls(readings, pa.string()),
        **{name: np.arange(readings, dtype=np.float32) for name in FEATURE_NAMES},
        "interval_s": np.full(readings, interval_s, np.float32),
        **changes,
    }
    return pa.table(columns)


def test_speed_and_mode_of_each_pump_are_those_of_its_last_row() -> None:
    turned = table("c", 3, failure_mode=["unbalance", "unbalance", "cavitation"])
    parts = [pa.concat_tables([table("a"), table("b", 5, 10.0)]), pa.concat_tables([turned, table("d", 1, 2.0)])]

    found = pumps_of(parts)

    assert found.speeds == {"a": "stress", "b": "nominal", "c": "stress", "d": "accelerated"}
    assert found.modes == {"a": "unbalance", "b": "unbalance", "c": "cavitation", "d": "unbalance"}


def test_a_pump_of_which_no_mode_is_told_has_none() -> None:
    found = pumps_of([table("a", 4, failure_mode=pa.nulls(4, pa.string()))])

    assert found.modes == {"a": ""}


@pytest.mark.parametrize("parts", [[], [table("a", 0)]])
def test_where_there_are_no_rows_there_are_no_pumps(parts: list[pa.Table]) -> None:
    assert pumps_of(parts).speeds == {}


def test_a_table_becomes_lives_column_by_column() -> None:
    rows = table(
        "a",
        4,
        ground_truth=["HEALTHY", "WARNING", "FAULTY", "BROKEN"],
        failure_mode=pa.array(["bearing_wear", "none", None, "rust"], pa.string()),
        sensor_fault=pa.array(["rpm:freeze", "", None, None], pa.string()),
        disturbance=pa.array([None, "heatwave", None, None], pa.string()),
    )

    lives = lives_of(rows)

    assert lives.features.dtype == np.float32
    assert lives.features.shape == (4, len(FEATURE_NAMES))
    assert lives.features[:, FEATURE_NAMES.index("rpm")].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert lives.state_index.tolist() == list(range(len(STATES)))
    assert [MODE_CLASSES[index] for index in lives.mode_index] == ["bearing_wear", "none", "none", "none"]
    assert lives.sensor_fault.tolist() == ["rpm:freeze", "", "", ""]
    assert lives.disturbance.tolist() == ["", "heatwave", "", ""]
    assert np.isnan(lives.rul_hours).all()


def test_only_the_chosen_devices_are_taken_whatever_the_parts() -> None:
    parts = [pa.concat_tables([table("a"), table("b")]), table("c")]

    lives = chosen(parts, ["c", "a", "not-there"], seed=1)

    assert sorted(set(lives.device_ids.tolist())) == ["a", "c"]
    assert len(lives) == 80


def test_too_many_rows_are_thinned_evenly_over_each_life() -> None:
    parts = [table("a", 1_000), table("b", 100)]

    lives = chosen(parts, ["a", "b"], max_rows=400, seed=1)

    own = lives.of(["a"]).time_ns // NS_PER_S
    assert (len(lives.of(["a"])), len(lives.of(["b"]))) == (200, 100)
    assert np.histogram(own, 10, (0, 1_000))[0].tolist() == [20] * 10
    assert chosen(parts, ["a", "b"], max_rows=400, seed=1).time_ns.tolist() == lives.time_ns.tolist()
