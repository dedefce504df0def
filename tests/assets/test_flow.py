"""The flow from simulated lives to the model in production: what each asset leaves, alone and again."""

import json
from pathlib import Path

import pytest

from pdm_platform.contract.measurements import MODEL_EVENT, PUMP_LABELS
from pdm_platform.contract.payloads import ModelPointer, decode
from pdm_platform.core.validation import FINDING_NAMES
from tests.assets.conftest import FLOW, PLAN, SMALL, WHOLE, World


def test_the_whole_flow_ends_with_a_promoted_and_announced_version(world: World) -> None:
    run = world.materialize(*FLOW, config=SMALL)

    assert run.success, run.failure
    pointer = world.registry.production()
    assert pointer is not None
    assert decode(ModelPointer, world.retained["factory/platform/models/production"]) == pointer
    assert run.checks == dict.fromkeys(run.checks, True)
    assert set(FINDING_NAMES) < set(run.checks)
    assert {"beats_every_baseline", "enough_unseen_pumps", "health_error", "production_is_intact"} < set(run.checks)
    published = run.metadata("simulated_lifecycles")
    assert published["published"] == published["stored"] > 2_000
    assert run.metadata("telemetry_window")["dagster/row_count"] == published["stored"]
    with world.store() as store:
        (event,) = store.read(MODEL_EVENT, WHOLE).to_pylist()
    assert (event["event"], event["version"], event["previous"]) == ("promoted", pointer.version, None)


@pytest.mark.parametrize("asset", FLOW)
def test_each_asset_can_be_materialised_alone_and_again_and_changes_nothing(trained: World, asset: str) -> None:
    before, production = trained.lake_facts(), trained.registry.production()

    runs = [trained.materialize(asset, config={k: v for k, v in SMALL.items() if k == asset}) for _ in range(2)]

    assert [run.success for run in runs] == [True, True]
    assert trained.lake_facts() == before
    assert trained.registry.production() == production
    assert len(trained.registry.versions()) == 1
    assert len(trained.registry.ledger()) == 1


def test_every_asset_says_what_it_did(trained: World) -> None:
    run = trained.materialize(*FLOW, config=SMALL)

    for asset in FLOW:
        assert run.metadata(asset)["summary"]
    for asset in FLOW[:-1]:
        assert {"window_start", "window_end", "sha256", "path"} <= set(run.metadata(asset))
    assert run.metadata("telemetry_window")["window_end"] == "2026-03-01T00:00:00.000000Z"
    assert (
        "| life-7-stress-000 |" in run.metadata("validated_telemetry")["preview"]
        or "life-7-" in run.metadata("validated_telemetry")["preview"]
    )
    judged = run.metadata("model_evaluation")
    assert judged["confusion"].startswith("![confusion matrix on unseen pumps](data:image/png;base64,")
    assert judged["macro_f1"] > 0.5
    assert Path(judged["report_path"]).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_version_holds_the_models_the_evidence_and_a_reference_of_healthy_training_readings(trained: World) -> None:
    pointer = trained.registry.production()
    assert pointer is not None

    verified = trained.registry.load(pointer)

    assert set(verified.contents) == {
        "state.onnx", "health.onnx", "pipeline.joblib", "reference.parquet", "split.json",
        "evaluation.json", "evaluation.html",
    }  # fmt: skip
    split = json.loads(verified.contents["split.json"])
    assert set(split["train_devices"]).isdisjoint(split["unseen_devices"])
    assert len(split["train_devices"]) + len(split["unseen_devices"]) == 10
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
    assert trained.lake.current("telemetry_window").rows < 2_000


def test_the_plan_is_a_setting_of_the_asset(world: World) -> None:
    run = world.materialize("simulated_lifecycles", config={"simulated_lifecycles": SMALL["simulated_lifecycles"]})

    assert run.metadata("simulated_lifecycles")["plan"] == f"{PLAN},nominal:0"
    assert run.metadata("simulated_lifecycles")["devices"] == 10
