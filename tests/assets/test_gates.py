"""What must not pass does not, and says why."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pdm_platform.contract.measurements import EXPECTATION_RESULT, PUMP_LABELS
from tests.world import FLOW, SMALL, WHOLE, World, changed, rewrite_labels


def from_extraction(world: World) -> Any:
    return world.materialize(*FLOW[1:], config={"telemetry_window": SMALL["telemetry_window"]})


def test_a_window_with_one_class_only_stops_at_the_gate_and_names_the_missing_states(trained: World) -> None:
    rewrite_labels(trained, lambda table: table.filter(pc.equal(table["ground_truth"], "HEALTHY")))
    before = trained.lake.current("validated_telemetry")

    run = from_extraction(trained)

    assert not run.success
    assert "rows_broken: expect_table_row_count_to_be_between on ground_truth" in run.failure
    assert "expected >= 100 rows BROKEN, observed 0" in run.failure
    assert run.checks["rows_broken"] is False
    assert run.checks["rows_healthy"] is True
    assert run.check("rows_warning")["observed"] == "0"
    assert trained.lake.current("validated_telemetry") == before
    with trained.store() as store:
        kept = {row["expectation"]: row["passed"] for row in store.read(EXPECTATION_RESULT, WHOLE).to_pylist()}
    assert (kept["rows_broken"], kept["rows_healthy"]) == (0, 1)
    assert len(trained.registry.versions()) == 1


def test_models_beside_the_split_of_another_training_are_not_judged(trained: World) -> None:
    split = next((trained.home / "lake" / "candidate_model").rglob("split.json"))
    split.write_text(split.read_text("utf-8").replace('"seed": 7', '"seed": 8'), encoding="utf-8")

    run = trained.materialize("model_evaluation")

    assert not run.success
    assert "are not those of the last complete 'candidate_model'" in run.failure


def test_checks_that_failed_are_kept_in_dagster_although_the_step_failed(trained: World) -> None:
    import dagster as dg

    def mislabelled(column: pa.ChunkedArray) -> pa.ChunkedArray:
        return pc.replace_substring(column, "BROKEN", "FAULTY")

    rewrite_labels(trained, lambda table: changed(table, "ground_truth", mislabelled))

    from_extraction(trained)

    key = dg.AssetCheckKey(dg.AssetKey("validated_telemetry"), "rows_broken")
    (record,) = trained.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.status.value == "FAILED"


def test_too_many_nulls_stop_training_and_show_examples(trained: World) -> None:
    def emptied(column: pa.ChunkedArray) -> pa.Array:
        values = column.to_numpy().copy()
        values[::10] = np.nan
        return pa.array(values, from_pandas=True)

    rewrite_labels(trained, lambda table: changed(table, "pressure", emptied))

    run = from_extraction(trained)

    assert "nulls_pressure" in run.failure
    assert "expected <= 2% nulls" in run.failure
    example = run.check("nulls_pressure")["examples"][0]
    assert example["device_id"].startswith("life-7-")
    assert [name for name, passed in run.checks.items() if not passed] == ["nulls_pressure"]


@pytest.mark.usefixtures("hurried")
def test_a_few_nulls_are_carried_through_to_a_model(trained: World) -> None:
    def holed(column: pa.ChunkedArray) -> pa.Array:
        values = column.to_numpy().copy()
        values[::100] = np.nan
        return pa.array(values, from_pandas=True)

    rewrite_labels(trained, lambda table: changed(table, "pressure", holed))

    config = {"telemetry_window": SMALL["telemetry_window"], "candidate_model": {"unseen_share": 0.9}}
    run = trained.materialize(*FLOW[1:5], config=config)

    assert run.success, run.failure
    assert run.metadata("candidate_model")["training_rows"] > 1_000


def test_an_empty_window_is_an_error_that_names_the_window(world: World) -> None:
    with world.store() as store:
        store.write(PUMP_LABELS, PUMP_LABELS.schema.empty_table())

    run = from_extraction(world)

    assert "no labelled readings from 2026-02-15T00:00:00.000000Z to 2026-03-01T00:00:00.000000Z" in run.failure
    assert "simulated_lifecycles" in run.failure


@pytest.mark.parametrize(
    ("asset", "missing"),
    [("validated_telemetry", "telemetry_window"), ("model_evaluation", "candidate_model"),
     ("production_model", "model_evaluation")],
)  # fmt: skip
def test_an_asset_without_its_parent_names_what_to_materialise(world: World, asset: str, missing: str) -> None:
    run = world.materialize(asset)

    assert any(f"materialise '{missing}' first" in failure for failure in run.failures)


def test_readings_that_the_bridge_lost_are_missed_and_counted(world: World) -> None:
    config = {"simulated_lifecycles": {**SMALL["simulated_lifecycles"], "stall_timeout_s": 0.5}}

    run = world.materialize("simulated_lifecycles", config=config, lose=3)

    assert "readings were published" in run.failure
    assert "Is the bridge running" in run.failure


def test_a_seed_used_twice_in_one_window_is_caught_as_two_lives_of_one_pump(trained: World) -> None:
    next_day = "2026-03-02T00:00:00Z"
    config: dict[str, dict[str, Any]] = {
        "simulated_lifecycles": {**SMALL["simulated_lifecycles"], "window_end": next_day},
        "telemetry_window": {"window_end": next_day},
    }

    run = trained.materialize(*FLOW[:3], config=config)

    assert "readings of these pumps, but" in run.failure or "one_life_per_device" in run.failure


def test_a_version_with_one_byte_changed_is_not_promoted(trained: World) -> None:
    (manifest,) = trained.registry.versions()
    model = trained.registry.folder(manifest.version) / "state.onnx"
    model.chmod(0o644)
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)

    run = trained.materialize("production_model")

    assert not run.success
    assert any("state.onnx' was changed" in failure for failure in run.failures)
    assert len(trained.registry.ledger()) == 1
    check = trained.evaluate_check("production_model", "production_is_intact")
    assert check.checks == {"production_is_intact": False}
    assert "state.onnx' was changed" in check.check("production_is_intact")["observed"]


def test_a_version_whose_evidence_is_too_weak_is_refused_and_the_old_one_stays(
    trained: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pdm_platform.core.promotion as promotion

    production = trained.registry.production()
    monkeypatch.setattr(promotion, "MIN_UNSEEN_PUMPS", 50)

    run = trained.materialize("production_model")

    assert "enough_unseen_pumps: observed 38.0, expected >= 50" in run.failure
    assert "PDM-REGISTRY-003" in run.failure
    assert trained.registry.production() == production


def test_a_candidate_is_not_judged_by_a_table_it_was_not_trained_from(trained: World) -> None:
    rewrite_labels(trained, lambda table: changed(table, "temperature", lambda column: pc.add(column, 0.5)))
    trained.materialize(*FLOW[1:4], config={"telemetry_window": SMALL["telemetry_window"]})

    run = trained.materialize("model_evaluation")

    assert "materialise 'candidate_model' again" in run.failure


def test_a_time_that_cannot_be_read_is_named_with_its_field(world: World) -> None:
    run = world.materialize("telemetry_window", config={"telemetry_window": {"window_end": "yesterday"}})

    assert "window_end: timestamp 'yesterday' is not ISO 8601" in run.failure


def test_a_store_that_is_not_there_is_named(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PDM_STORE_URL", f"sqlite:///{tmp_path / 'nowhere' / 'x.sqlite'}")

    run = world.materialize("telemetry_window")

    assert "nowhere" in run.failure
    assert "PDM-STORE-001" in run.failure
