"""Fifth stage: a candidate, trained on some of the pumps and staged as the files of a model version."""

import shutil
import time
from pathlib import Path
from typing import Any, Final

import dagster as dg
import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DEVICE, TIME
from pdm_platform.contract.states import STATES, State
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES
from pdm_platform.core.training import IntArray, Lives, TextArray, TrainedModel, split_by_pump, to_onnx, train
from pdm_platform.defs.features import feature_table
from pdm_platform.defs.metadata import describe, explained
from pdm_platform.defs.resources import Platform
from pdm_platform.stores.files import to_json

_REFERENCE_ROWS: Final = 5_000


class CandidateModelConfig(dg.Config):
    """seed: of the split and of the training. unseen_share: of the pumps, kept for the judgement."""

    seed: int = 7
    unseen_share: float = 0.3


@dg.asset(group_name="train", kinds={"scikitlearn", "onnx"}, deps=[feature_table])
def candidate_model(
    context: dg.AssetExecutionContext, config: CandidateModelConfig, platform: Platform
) -> dg.MaterializeResult[None]:
    """State classifier and health regressor, trained after a split by pump and converted to ONNX."""
    with explained():
        lake = platform.lake
        source = lake.current("feature_table")
        lives = lives_of(lake.read(source))
        seen, unseen = split_by_pump(
            lives.device_ids, lives.time_ns, unseen_share=config.unseen_share, seed=config.seed
        )
        teachers = lives.of(seen)
        started_s = time.monotonic()
        model = train(teachers, seed=config.seed, progress=context.log.info)
        split: dict[str, Any] = {
            "seed": config.seed,
            "train_devices": seen,
            "unseen_devices": unseen,
            "training_window": [source.window.start_ns, source.window.end_ns],
            "data_fingerprint": source.sha256,
            "feature_contract": FEATURE_CONTRACT,
        }
        _stage(lake.folder("candidate_model", source.window) / "staging", model, teachers, split)
        stored = lake.write_facts("candidate_model", source.window, **split)
        facts: dict[str, Any] = {
            "summary": f"{len(teachers):,} readings of {len(seen)} pumps, {len(unseen)} pumps kept back",
            "training_rows": len(teachers),
            "training_seconds": round(time.monotonic() - started_s, 2),
            "train_devices": seen,
            "unseen_devices": unseen,
            "feature_contract": FEATURE_CONTRACT,
        }
        return dg.MaterializeResult(metadata=describe(stored, **facts))


def lives_of(table: pa.Table) -> Lives:
    """A feature table's rows as the core takes them."""
    labels = np.asarray(table["ground_truth"].to_pylist(), dtype=np.str_)
    state_index: IntArray = np.zeros(len(labels), np.int64)
    for index, state in enumerate(STATES):
        state_index[labels == state.value] = index
    return Lives(
        features=np.column_stack([table[name].to_numpy() for name in FEATURE_NAMES]),
        state_index=state_index,
        health_percent=table["health_percent"].to_numpy(),
        rul_hours=table["rul_hours"].to_numpy(),
        time_ns=table[TIME].to_numpy(),
        device_ids=np.asarray(table[DEVICE].to_pylist(), dtype=np.str_),
    )


def reference_of(lives: Lives) -> pa.Table:
    """Healthy readings that live ones are later compared with: the eight channels, equally many of each pump."""
    healthy = np.flatnonzero(lives.state_index == STATES.index(State.HEALTHY))
    chosen = healthy[_evenly(lives.device_ids[healthy])]
    columns = [FEATURE_NAMES.index(name) for name in CHANNEL_NAMES]
    return pa.table(dict(zip(CHANNEL_NAMES, lives.features[chosen][:, columns].T, strict=True)))


def _evenly(device_ids: TextArray) -> IntArray:
    """Positions of at most _REFERENCE_ROWS rows, spread over each device's time: one long life must not be the norm."""
    devices = np.unique(device_ids)
    each = max(_REFERENCE_ROWS // max(len(devices), 1), 1)
    rows = [np.flatnonzero(device_ids == device) for device in devices]
    picked = [row[np.unique(np.linspace(0, len(row) - 1, min(each, len(row))).astype(np.int64))] for row in rows]
    return np.concatenate(picked) if picked else np.empty(0, np.int64)


def _stage(staging: Path, model: TrainedModel, teachers: Lives, split: dict[str, Any]) -> None:
    """The files of a version to be, in place of those of the candidate before."""
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    for name, content in to_onnx(model).items():
        (staging / name).write_bytes(content)
    joblib.dump(model, staging / "pipeline.joblib")
    pq.write_table(reference_of(teachers), staging / "reference.parquet")
    (staging / "split.json").write_bytes(to_json(split))
