"""The flow from simulated lives to the model in production: what each asset leaves, alone and again."""

import json
from pathlib import Path

import pytest

from pdm_platform.contract.measurements import EXPECTATION_RESULT, MODEL_EVENT, MODEL_METRIC, PUMP_LABELS
from pdm_platform.contract.payloads import ModelPointer, decode
from pdm_platform.core.evidence import EVIDENCE_FILE
from pdm_platform.core.promotion import gates
from pdm_platform.core.validation import FINDING_NAMES
from tests.world import FLOW, LIVES, PLAN, SMALL, WHOLE, FirstRun, World


def test_the_whole_flow_ends_with_a_promoted_and_announced_version(first: FirstRun, trained: World) -> None:
    pointer = trained.registry.production()
    assert pointer is not None
    assert decode(ModelPointer, first.retained["factory/platform/models/production"]) == pointer
    with trained.store() as store:
        (event,) = store.read(MODEL_EVENT, WHOLE).to_pylist()
    assert (event["event"], event["version"], event["previous"]) == ("promote", pointer.version, None)


def test_the_store_keeps_what_the_gate_found_and_what_the_version_scored(trained: World) -> None:
    (manifest,) = trained.registry.versions()
    with trained.store() as store:
        expectations = store.read(EXPECTATION_RESULT, WHOLE).to_pylist()
        metrics = store.read(MODEL_METRIC, WHOLE).to_pylist()

    assert {row["expectation"] for row in expectations} == set(FINDING_NAMES)
    assert all(row["passed"] == 1 and row["rows"] > 20_000 for row in expectations)
    assert {row["metric"]: row["value"] for row in metrics} == manifest.metrics
    assert {row["version"] for row in metrics} == {manifest.version}


def test_every_check_of_the_flow_ran_and_passed(first: FirstRun) -> None:
    judged = {gate.name for gate in gates({})}
    expected = {*FINDING_NAMES, *judged, "production_is_intact", "production_evidence_holds"}

    assert first.run.checks == dict.fromkeys(expected, True)
    for name in expected:
        assert {"observed", "expected"} <= set(first.run.check(name))


def test_all_that_was_published_was_stored_and_extracted(first: FirstRun) -> None:
    published = first.run.metadata("simulated_lifecycles")

    assert published["published"] == published["stored"] > 20_000
    assert first.run.metadata("telemetry_window")["dagster/row_count"] == published["stored"]


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("asset", [asset for asset in FLOW if asset != "model_evaluation"])
def test_each_asset_can_be_materialised_alone_and_again_and_changes_nothing(trained: World, asset: str) -> None:
    before, production = trained.lake_facts(), trained.registry.production()

    run = trained.materialize(asset, config={k: v for k, v in SMALL.items() if k == asset})

    assert run.success, run.failures
    assert trained.lake_facts() == before
    assert trained.registry.production() == production
    assert len(trained.registry.versions()) == 1
    assert len(trained.registry.ledger()) == 1


def test_a_model_judged_again_is_a_version_of_its_own_with_the_same_models_and_metrics_beside_what_serves(
    trained: World,
) -> None:
    (first,) = trained.registry.versions()

    run = trained.materialize("model_evaluation", "production_model")

    assert run.success, run.failures
    second = trained.registry.production_manifest()
    assert second is not None
    assert second.version != first.version
    assert second.metrics == first.metrics
    # times that were measured, and figures beside the version that served meanwhile
    differ = {"evaluation.json", "evaluation.html", EVIDENCE_FILE}
    assert {name for name, sha256 in second.files.items() if first.files.get(name) != sha256} == differ
    assert trained.registry.ledger()[-1].evidence["macro_f1_no_worse_on_unseen_pumps"] == first.metrics["macro_f1"]


def test_every_asset_says_what_it_did(first: FirstRun) -> None:
    told = {asset: first.run.metadata(asset) for asset in FLOW}

    assert all(found["summary"] for found in told.values())
    assert all({"window_start", "window_end", "sha256", "path"} <= set(told[asset]) for asset in FLOW[:-1])
    assert told["telemetry_window"]["window_end"] == "2026-03-01T00:00:00.000000Z"
    assert "| life-7-" in told["validated_telemetry"]["preview"]
    assert told["model_evaluation"]["macro_f1"] > 0.5
    assert told["model_evaluation"]["confusion"].startswith(
        "![confusion matrix on unseen pumps](data:image/png;base64,"
    )
    assert told["production_model"]["version"] == told["model_evaluation"]["version"]


@pytest.mark.parametrize("asset", ["validated_telemetry", "model_evaluation"])
def test_a_report_lies_where_its_link_says(first: FirstRun, asset: str) -> None:
    told = first.run.metadata(asset)

    assert Path(told["report_path"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert told["report"] == Path(told["report_path"]).as_uri()


def test_a_version_holds_the_models_the_evidence_and_a_reference_of_healthy_training_readings(trained: World) -> None:
    pointer = trained.registry.production()
    assert pointer is not None

    verified = trained.registry.load(pointer)

    assert set(verified.contents) == {
        *("state.onnx", "health.onnx", "mode.onnx", "sensor.onnx", "life.onnx", "novelty.onnx", "serving.json"),
        *("raw_state.onnx", "raw_health.onnx"),
        *("algorithms.json", "pipeline.joblib", "reference.parquet", "split.json"),
        *("evaluation.json", "evaluation.html", "MODEL_CARD.md", EVIDENCE_FILE),
    }
    split = json.loads(verified.contents["split.json"])
    assert set(split["train_devices"]).isdisjoint(split["unseen_devices"])
    assert len(split["train_devices"]) + len(split["unseen_devices"]) == LIVES
    assert verified.manifest.metrics["unseen_pumps"] == len(split["unseen_devices"])
    assert verified.manifest.data_fingerprint == trained.lake.current("feature_table").sha256


def test_a_rerun_of_the_simulation_publishes_the_same_points(trained: World) -> None:
    with trained.store() as store:
        before = store.read(PUMP_LABELS, WHOLE)

    run = trained.materialize("simulated_lifecycles", config={"simulated_lifecycles": SMALL["simulated_lifecycles"]})

    assert run.success
    with trained.store() as store:
        assert store.read(PUMP_LABELS, WHOLE).equals(before)


def test_another_day_simulates_other_pumps_unless_a_seed_is_given(world: World) -> None:
    days = ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"]

    runs = [
        world.materialize(
            "simulated_lifecycles", config={"simulated_lifecycles": {"plan": "stress:1", "window_end": day}}
        )
        for day in days
    ]

    assert [run.metadata("simulated_lifecycles")["seed"] for run in runs] == [20260301, 20260302]


def test_a_shorter_window_replaces_what_is_current(trained: World) -> None:
    config = {"telemetry_window": {**SMALL["telemetry_window"], "lookback_days": 0.25}}

    run = trained.materialize("telemetry_window", config=config)

    assert run.metadata("telemetry_window")["window_start"] == "2026-02-28T18:00:00.000000Z"
    assert 0 < trained.lake.current("telemetry_window").rows < 5_000


def test_the_plan_is_a_setting_of_the_asset(world: World) -> None:
    run = world.materialize("simulated_lifecycles", config={"simulated_lifecycles": SMALL["simulated_lifecycles"]})

    assert run.metadata("simulated_lifecycles")["plan"] == f"{PLAN},nominal:0"
    assert run.metadata("simulated_lifecycles")["devices"] == LIVES
