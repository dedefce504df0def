"""Sixth stage: judge the candidate on pumps it has not seen, as it would be served, and keep it as a model version."""

import json
import time
from collections.abc import Iterator
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Final, cast

import dagster as dg

from pdm_platform.contract.errors import LakeError
from pdm_platform.contract.measurements import MODEL_METRIC
from pdm_platform.contract.states import STATES
from pdm_platform.core.evidence import EVIDENCE_FILE
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES
from pdm_platform.core.judgement import figures
from pdm_platform.core.judgement.judge import Judgement
from pdm_platform.core.judgement.plots import confusion_png
from pdm_platform.core.judgement.replay import assess
from pdm_platform.core.judgement.report import Algorithm, render_html
from pdm_platform.core.lives import Lives
from pdm_platform.core.lives_table import chosen
from pdm_platform.core.model_card import model_card
from pdm_platform.core.promotion import gates
from pdm_platform.core.serving import ServingModel
from pdm_platform.core.trees import OPSET
from pdm_platform.defs.metadata import counts, describe, explained, image, report
from pdm_platform.defs.production_beside import measured_beside_production
from pdm_platform.defs.resources import Platform
from pdm_platform.defs.train import candidate_model
from pdm_platform.stores.files import to_json
from pdm_platform.stores.lake import Artifact, Lake
from pdm_platform.stores.model_events import metrics_of
from pdm_platform.stores.registry import ManifestFacts

_LIBRARIES: Final = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx")


@dg.asset(group_name="evaluate", kinds={"onnx"}, deps=[candidate_model])
def model_evaluation(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """The candidate against pumps it has not seen, beside baselines on the same pumps and the version that serves.

    What is judged is the ONNX that would serve. With its evaluation it becomes an immutable model version.
    """
    with explained():
        lake = platform.lake
        candidate = lake.current("candidate_model")
        staging = lake.folder("candidate_model", candidate.window) / "staging"
        _require_same_training(staging, candidate)
        trained, unseen = _divided(lake, candidate)
        context.log.info(f"judging {len(unseen):,} readings of unseen pumps")
        model = ServingModel.from_files({path.name: path.read_bytes() for path in staging.iterdir()})
        judged = assess(model, trained, unseen, seed=cast(int, candidate.facts["seed"]), clock=time.perf_counter)
        with platform.store() as store:
            beside = measured_beside_production(platform.registry, store, model, unseen, judged.training)
            card = _write_reports(staging, candidate, judged)
            (staging / EVIDENCE_FILE).write_bytes(to_json(beside))
            manifest = platform.registry.register(staging, _facts(candidate, judged, context.run.run_id))
            store.write(MODEL_METRIC, metrics_of(manifest))
        stored = lake.write_facts("model_evaluation", candidate.window, version=manifest.version)
        metrics = manifest.metrics
        return dg.MaterializeResult(
            metadata={
                **describe(
                    stored,
                    version=manifest.version,
                    summary=f"macro F1 {metrics['macro_f1']:.3f} on unseen pumps, {manifest.version}",
                    metrics=counts(metrics),
                    macro_f1=metrics["macro_f1"],
                    unseen_readings=len(unseen),
                    confusion=image(confusion_png(judged.states, "states"), "confusion matrix on unseen pumps"),
                    **report(platform.registry.folder(manifest.version) / "evaluation.html"),
                ),
                "model_card": dg.MetadataValue.md(card),
                "beside_production": beside.production or "; ".join(beside.notes),
            }
        )


def _require_same_training(staging: Path, candidate: Artifact) -> None:
    """A run that was cut short may leave new models beside the old split: they would be judged on pumps they know."""
    path = staging / "split.json"
    split = json.loads(path.read_bytes()) if path.exists() else None
    if split is None or any(candidate.facts.get(name) != value for name, value in split.items()):
        raise LakeError(
            f"the models in {str(staging)!r} are not those of the last complete 'candidate_model'",
            hint="materialise 'candidate_model' again",
        )


def _divided(lake: Lake, candidate: Artifact) -> tuple[Lives, Lives]:
    """Lives the candidate was trained on and lives it has not seen, from the very table it was trained from."""
    source = lake.current("feature_table")
    if source.sha256 != candidate.facts["data_fingerprint"]:
        raise LakeError(
            "'feature_table' has changed since 'candidate_model' was trained from it",
            hint="materialise 'candidate_model' again",
        )
    seed = cast(int, candidate.facts["seed"])
    trained, unseen = (cast(list[str], candidate.facts[name]) for name in ("train_devices", "unseen_devices"))
    return chosen(lake.parts(source), trained, seed=seed), chosen(lake.parts(source), unseen, seed=seed)


def _write_reports(staging: Path, candidate: Artifact, judged: Judgement) -> str:
    """The page, its figures and the model card, beside the models; returns the card."""
    compared: list[dict[str, Any]] = json.loads((staging / "algorithms.json").read_bytes())
    algorithms = [Algorithm(each["name"], each["macro_f1"], each["fit_s"], each["predict_us"]) for each in compared]
    (staging / "evaluation.json").write_bytes(to_json(figures.to_json(judged)))
    (staging / "evaluation.html").write_text(render_html(judged, algorithms), encoding="utf-8")
    card = model_card(
        figures.metrics(judged),
        training_window=(candidate.window.start_ns, candidate.window.end_ns),
        data_fingerprint=str(candidate.facts["data_fingerprint"]),
        feature_contract=FEATURE_CONTRACT,
        modes=list(zip(judged.modes.names, judged.modes.f1, strict=True)),
        algorithms=[(each.name, each.macro_f1) for each in algorithms],
    )
    (staging / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    return card


def _facts(candidate: Artifact, judged: Judgement, run_id: str) -> ManifestFacts:
    return ManifestFacts(
        feature_contract=FEATURE_CONTRACT,
        feature_names=list(FEATURE_NAMES),
        classes=[state.value for state in STATES],
        libraries={name: installed(name) for name in _LIBRARIES},
        training_window=(candidate.window.start_ns, candidate.window.end_ns),
        data_fingerprint=str(candidate.facts["data_fingerprint"]),
        metrics=figures.metrics(judged),
        parent_run=run_id,
        opset=dict(OPSET),
    )


def evaluated_version(lake: Lake) -> str:
    """The version that was evaluated last. Raises LakeError where there is none."""
    return str(lake.current("model_evaluation").facts["version"])


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(gate.name, asset=model_evaluation, blocking=True, description=f"Expected: {gate.expected}.")
        for gate in gates({})
    ]
)
def evaluation_gates(platform: Platform) -> Iterator[dg.AssetCheckResult]:
    """What the version's own manifest must show before it may be promoted."""
    with explained():
        manifest = platform.registry.verify(evaluated_version(platform.lake))
    for gate in gates(manifest.metrics):
        yield dg.AssetCheckResult(
            check_name=gate.name,
            passed=gate.passed,
            metadata={
                "observed": "nothing" if gate.observed is None else gate.observed,
                "expected": gate.expected,
                "version": manifest.version,
                "unseen_pumps": manifest.metrics.get("unseen_pumps", 0.0),
            },
        )
