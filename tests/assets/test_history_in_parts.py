"""From the store to the features a part at a time: what comes out is what one part would have given."""

import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DEVICE, PUMP_LABELS, TIME
from pdm_platform.contract.states import STATES, state_index
from pdm_platform.contract.times import NS_PER_S, iso_of
from pdm_platform.defs import extract
from pdm_platform.defs.extract import telemetry_window
from pdm_platform.defs.failures import description_of
from pdm_platform.defs.features import feature_table
from pdm_platform.defs.progress import Progress
from pdm_platform.defs.resources import Platform
from pdm_platform.defs.validate import validated_telemetry
from pdm_platform.stores.lake import Lake
from pdm_platform.stores.telemetry import open_store

END_NS = 1_800_000_000 * NS_PER_S
READINGS, PUMPS = 200, 6
STAGES = [telemetry_window, validated_telemetry, feature_table]


def history(pumps: int = PUMPS, **changes: Any) -> pa.Table:
    """Whole lives that end with the window."""
    step = np.tile(np.arange(READINGS), pumps)
    health = 100.0 * (1 - step / (READINGS - 1))
    columns: dict[str, Any] = {
        DEVICE: np.repeat([f"pump-{pump}" for pump in range(pumps)], READINGS).tolist(),
        TIME: END_NS - (READINGS - step) * NS_PER_S,
        **{name: np.random.default_rng(1).normal(10.0, 0.1, step.size) for name in CHANNEL_NAMES},
        "health_percent": health,
        "ground_truth": [STATES[index].value for index in state_index(health)],
        "rul_hours": (READINGS - 1 - step) / 3600,
        "sensor_fault": [None, "rpm:freeze", *[None] * 8] * (step.size // 10),
        "disturbance": ["heatwave", *[None] * 9] * (step.size // 10),
        **changes,
    }
    missing = {name: pa.nulls(step.size, PUMP_LABELS.schema.field(name).type) for name in PUMP_LABELS.schema.names}
    return pa.table({**missing, **columns}).select(PUMP_LABELS.schema.names).cast(PUMP_LABELS.schema)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A platform of its own, with one part of 450 readings, two pumps, at a time."""
    monkeypatch.setenv("PDM_HOME", str(tmp_path))
    monkeypatch.delenv("PDM_STORE_URL", raising=False)
    monkeypatch.setattr(extract, "PART_ROWS", 450)
    (tmp_path / "store").mkdir()
    return tmp_path


def stored(home: Path, table: pa.Table) -> None:
    store = open_store(f"sqlite:///{home / 'store' / 'telemetry.sqlite'}")
    store.write(PUMP_LABELS, table)
    store.close()


def run(*, fails: bool = False, only: str = "*", **config: dict[str, Any]) -> dg.ExecuteInProcessResult:
    given = {"telemetry_window": {"window_end": iso_of(END_NS)}, **config}
    result = dg.materialize(
        STAGES,
        resources={"platform": Platform()},
        run_config={"ops": {name: {"config": values} for name, values in given.items() if only in ("*", name)}},
        selection=only,
        raise_on_error=False,
    )
    failures = [description_of(event) for event in result.all_events if event.is_step_failure]
    assert bool(failures) is fails, failures
    return result


def test_a_history_in_parts_gives_what_it_gives_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(home, history())
    lake = Lake(home / "lake")

    run()
    in_parts = lake.read(lake.current("feature_table")).to_pandas()
    held = [sorted(set(part[DEVICE].to_pylist())) for part in lake.parts(lake.current("feature_table"))]
    monkeypatch.setattr(extract, "PART_ROWS", 10**6)
    run()

    assert held == [["pump-0", "pump-1"], ["pump-2", "pump-3"], ["pump-4", "pump-5"]]
    pd.testing.assert_frame_equal(in_parts, lake.read(lake.current("feature_table")).to_pandas())


def test_the_extracted_rows_are_those_of_the_store_and_lie_on_disk_once(home: Path) -> None:
    readings = history()
    stored(home, readings)

    result = run()

    lake = Lake(home / "lake")
    extracted, validated = (lake.current(name) for name in ("telemetry_window", "validated_telemetry"))
    assert lake.read(validated).equals(readings)
    assert extracted.facts == {"devices": PUMPS}
    assert validated.path.samefile(extracted.path)
    (told,) = result.asset_materializations_for_node("telemetry_window")
    assert told.metadata["summary"].value == "1,200 readings of 6 pumps"


def test_what_lies_and_what_disturbs_stands_beside_the_features(home: Path) -> None:
    stored(home, history())

    run()

    lake = Lake(home / "lake")
    table = lake.read(lake.current("feature_table"))
    assert table["sensor_fault"].to_pylist()[:3] == [None, "rpm:freeze", None]
    assert table["disturbance"].to_pylist()[:2] == ["heatwave", None]
    assert lake.current("feature_table").facts["devices"] == PUMPS


def test_a_part_with_bad_data_stops_all_and_is_counted_with_the_others(home: Path) -> None:
    pressure = np.full(PUMPS * READINGS, 4.0)
    pressure[[2, 702, 1_190]] = 99.0
    stored(home, history(pressure=pressure))

    result = run(fails=True)

    (failed,) = [check for check in result.get_asset_check_evaluations() if not check.passed]
    told: dict[str, Any] = {name: entry.value for name, entry in failed.metadata.items()}
    assert failed.check_name == "range_pressure"
    # one in ten is labelled to lie, and is not looked at
    assert (told["unexpected"], told["observed"]) == (3, "3 of 1080 rows unexpected")
    assert [row["device_id"] for row in told["examples"]] == ["pump-0", "pump-3", "pump-5"]


def test_long_lives_are_folded_whole_and_kept_in_part(home: Path) -> None:
    stored(home, history())

    result = run(feature_table={"rows_per_device": 20})

    (told,) = result.asset_materializations_for_node("feature_table")
    assert told.metadata["summary"].value == "120 rows of 1,200 readings of 6 pumps"
    assert told.metadata["dagster/row_count"].value == 120


def test_parts_that_an_older_release_cut_through_a_pump_are_refused(home: Path) -> None:
    stored(home, history())
    run()
    lake = Lake(home / "lake")
    validated = lake.current("validated_telemetry")
    table = lake.read(validated)
    with lake.writing(validated.name, validated.window) as rows:
        for first in (0, 500):
            rows.add(table.slice(first, 500))
        rows.store()

    with pytest.raises(AssertionError, match=r"begins with 'pump-2'.*materialise 'telemetry_window' again"):
        run(only="feature_table")


def test_progress_is_told_now_and_then_and_not_with_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    progress = Progress(said.append, "judged", 3_000)

    progress.tell(1_000)
    later_s = time.monotonic() + 6.0
    monkeypatch.setattr(time, "monotonic", lambda: later_s)
    progress.tell(2_000)
    progress.tell(3_000)

    assert said == ["judged 2,000 of 3,000 readings"]


@pytest.fixture
def cluster() -> Iterator[str]:
    """A real Dask cluster on this machine."""
    distributed = importlib.import_module("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as running:
        yield running.scheduler_address.replace("tcp://", "dask://")


@pytest.mark.parametrize("place", ["processes", "dask"])
def test_it_does_not_matter_where_it_is_computed(
    home: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, place: str
) -> None:
    stored(home, history())
    lake = Lake(home / "lake")
    run()
    before = lake.current("feature_table")

    monkeypatch.setenv("PDM_COMPUTE", request.getfixturevalue("cluster") if place == "dask" else place)
    run(only="feature_table")

    assert lake.current("feature_table") == before
