"""A candidate beside the version in production: on the same unseen pumps, and on the last live window."""

import time
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pdm_platform.contract.errors import PdmError
from pdm_platform.contract.measurements import DEVICE, PUMP_TELEMETRY, TIME, Window
from pdm_platform.contract.states import state_index
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core.evidence import Evidence, Pair
from pdm_platform.core.feature_rows import fold_readings
from pdm_platform.core.features import FEATURE_CONTRACT
from pdm_platform.core.judgement.figures import metrics
from pdm_platform.core.judgement.judge import judge
from pdm_platform.core.judgement.replay import replayed
from pdm_platform.core.judgement.training_facts import Training
from pdm_platform.core.lives import Lives
from pdm_platform.core.serving import ServingModel
from pdm_platform.stores.manifest import Verified
from pdm_platform.stores.registry import Registry
from pdm_platform.stores.telemetry import TelemetryStore

LIVE_NS: Final = 24 * NS_PER_HOUR
_LIVE_ROWS: Final = 500_000
_MIN_PUMPS: Final = 3


def measured_beside_production(
    registry: Registry, store: TelemetryStore, candidate: ServingModel, unseen: Lives, training: Training
) -> Evidence:
    """Both models told the same readings. What could not be measured is noted, with the reason."""
    pointer = registry.production()
    if pointer is None:
        return Evidence(production=None, notes=["no version was in production"])
    try:
        production = registry.load(pointer)
        if production.manifest.feature_contract != FEATURE_CONTRACT:
            raise PdmError("it takes other features than this release computes")
        serving = ServingModel.from_files(production.contents)
    except PdmError as error:
        return Evidence(production=pointer.version, notes=[f"{pointer.version} cannot be run: {error.what}"])
    notes: list[str] = []
    models = candidate, serving
    unknown = _unknown_to(production, unseen, notes)
    live = _live(store, notes)
    return Evidence(
        production=pointer.version,
        unseen_pumps=_pair(models, unknown, training),
        live_window=None if live is None else _pair(models, live, training),
        notes=notes,
    )


def _pair(models: tuple[ServingModel, ServingModel], lives: Lives, training: Training) -> Pair:
    return Pair(*(metrics(judge(replayed(model, lives), training=training)) for model in models))


def _unknown_to(production: Verified, unseen: Lives, notes: list[str]) -> Lives:
    """Pumps that neither version was trained on, as far as there are some."""
    split: Mapping[str, Any] = msgspec.json.decode(production.contents.get("split.json", b"{}"))
    known = set(cast(list[str], split.get("train_devices", [])))
    devices = sorted(set(unseen.device_ids.tolist()) - known)
    if len(devices) < _MIN_PUMPS:
        notes.append("the version in production was trained on these pumps: it has an advantage here")
        return unseen
    return unseen.of(devices)


def _live(store: TelemetryStore, notes: list[str]) -> Lives | None:
    """Live readings of the last day whose health is known, as lives of unknown modes; None where there are none."""
    now_ns = time.time_ns()
    window = Window(now_ns - LIVE_NS, now_ns)
    if (rows := store.count(PUMP_TELEMETRY, window)) == 0:
        notes.append("no live readings in the last day")
        return None
    if rows > _LIVE_ROWS:
        # the newest, which is what the version would have to do with
        window = Window(now_ns - LIVE_NS * _LIVE_ROWS // rows, now_ns)
    readings = store.read(PUMP_TELEMETRY, window)
    readings = readings.filter(pc.is_valid(readings["health_percent"]))
    if not readings.num_rows:
        notes.append("the truth of the live readings is not known")
        return None
    return _as_lives(readings)


def _as_lives(readings: pa.Table) -> Lives:
    health = readings["health_percent"].to_numpy().astype(np.float64)
    count = len(health)
    nothing = np.full(count, "", dtype=np.str_)
    return Lives(
        features=fold_readings(readings),
        state_index=state_index(health),
        health_percent=health,
        rul_hours=np.full(count, np.nan),
        time_ns=readings[TIME].to_numpy(),
        device_ids=np.asarray(readings[DEVICE].to_pylist(), dtype=np.str_),
        mode_index=np.full(count, -1),
        sensor_fault=nothing,
        disturbance=nothing,
    )
