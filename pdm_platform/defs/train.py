"""Fifth stage: a candidate, trained on some of the pumps and staged as the files of a model version."""

import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import dagster as dg
import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DEVICE
from pdm_platform.contract.states import STATES, State
from pdm_platform.core.comparison import Compared, best_settings, compare
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES
from pdm_platform.core.lives import Lives, evenly, split_by_pump
from pdm_platform.core.lives_table import chosen, pumps_of
from pdm_platform.core.signals import INTERVAL_S
from pdm_platform.core.training import WEAR_COLUMNS, TrainedModels, to_files, train
from pdm_platform.defs.features import feature_table
from pdm_platform.defs.metadata import describe, explained
from pdm_platform.defs.resources import Platform
from pdm_platform.stores.files import to_json
from pdm_platform.stores.lake import Artifact

_REFERENCE_ROWS: Final = 5_000


class CandidateModelConfig(dg.Config):
    """seed: of the split and of the training. unseen_share: of the pumps, kept for the judgement.

    search_seconds: budget for comparing algorithms and settings by pumps; one of each is always tried.
    """

    seed: int = 7
    unseen_share: float = 0.3
    search_seconds: float = 10.0


@dg.asset(group_name="train", kinds={"scikitlearn", "onnx"}, deps=[feature_table])
def candidate_model(
    context: dg.AssetExecutionContext, config: CandidateModelConfig, platform: Platform
) -> dg.MaterializeResult[None]:
    """State, health, failure mode, sensor faults, remaining life and novelty, trained after a split by pump."""
    with explained():
        lake = platform.lake
        source = lake.current("feature_table")
        pumps = pumps_of(lake.parts(source, columns=(DEVICE, INTERVAL_S, "failure_mode")))
        seen, unseen = split_by_pump(
            pumps.speeds, modes=pumps.modes, unseen_share=config.unseen_share, seed=config.seed
        )
        teachers = chosen(lake.parts(source), seen, seed=config.seed)
        started_s = time.monotonic()
        compared = _compared(context, teachers, config)
        models = train(teachers, seed=config.seed, settings=best_settings(compared), progress=context.log.info)
        split = _split(config.seed, seen, unseen, source)
        _stage(lake.folder("candidate_model", source.window) / "staging", models, teachers, split, compared)
        stored = lake.write_facts("candidate_model", source.window, **split)
        facts: dict[str, Any] = {
            "summary": f"{len(teachers):,} readings of {len(seen)} pumps, {len(unseen)} pumps kept back",
            "training_rows": len(teachers),
            "training_seconds": round(time.monotonic() - started_s, 2),
            "train_devices": seen,
            "unseen_devices": unseen,
            "feature_contract": FEATURE_CONTRACT,
        }
        return dg.MaterializeResult(metadata={**describe(stored, **facts), "algorithms": _table(compared)})


def _compared(context: dg.AssetExecutionContext, teachers: Lives, config: CandidateModelConfig) -> list[Compared]:
    return compare(
        teachers,
        np.array(WEAR_COLUMNS),
        seed=config.seed,
        budget_s=config.search_seconds,
        clock=time.perf_counter,
        progress=context.log.info,
    )


def _table(compared: list[Compared]) -> dg.TableMetadataValue:
    rows = [
        dg.TableRecord(
            {
                "algorithm": each.name,
                "macro_f1": round(each.macro_f1, 4),
                "fit_s": round(each.fit_s, 2),
                "predict_us_per_row": round(each.predict_us, 2),
            }
        )
        for each in compared
    ]
    return dg.MetadataValue.table(rows)


def _split(seed: int, seen: list[str], unseen: list[str], source: Artifact) -> dict[str, Any]:
    return {
        "seed": seed,
        "train_devices": seen,
        "unseen_devices": unseen,
        "training_window": [source.window.start_ns, source.window.end_ns],
        "data_fingerprint": source.sha256,
        "feature_contract": FEATURE_CONTRACT,
    }


def reference_of(lives: Lives) -> pa.Table:
    """Healthy readings that live ones are later compared with: device and the eight channels, as many of each pump."""
    healthy = np.flatnonzero(
        (lives.state_index == STATES.index(State.HEALTHY)) & (lives.sensor_fault == "") & (lives.disturbance == "")
    )
    if not len(healthy):
        return pa.table(
            {DEVICE: pa.array([], pa.string()), **{name: pa.array([], pa.float64()) for name in CHANNEL_NAMES}}
        )
    device = np.unique(lives.device_ids[healthy], return_inverse=True)[1]
    each = max(_REFERENCE_ROWS // (device.max() + 1), 1)
    # a short life gives some of its rows repeatedly: these are told once
    rows = healthy[np.unique(evenly(device, each))]
    columns = [FEATURE_NAMES.index(name) for name in CHANNEL_NAMES]
    channels = lives.features[rows][:, columns].astype(np.float64)
    return pa.table({DEVICE: lives.device_ids[rows].tolist(), **dict(zip(CHANNEL_NAMES, channels.T, strict=True))})


def _stage(
    staging: Path, models: TrainedModels, teachers: Lives, split: dict[str, Any], compared: list[Compared]
) -> None:
    """The files of a version to be, in place of those of the candidate before."""
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    for name, content in to_files(models).items():
        (staging / name).write_bytes(content)
    joblib.dump(models, staging / "pipeline.joblib")
    pq.write_table(reference_of(teachers), staging / "reference.parquet")
    (staging / "algorithms.json").write_bytes(to_json([asdict(each) for each in compared]))
    (staging / "split.json").write_bytes(to_json(split))
