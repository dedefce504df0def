"""A model that learned from the simulators' pumps tells the state of the firmware's pumps as well as of its own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pytest

from pdm_platform.benchmark.simulated_lives import simulated_lives
from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.contract.payloads import Labelled
from pdm_platform.contract.states import state_index
from pdm_platform.contract.times import time_ns_of
from pdm_platform.core import novelty, training
from pdm_platform.core.features import PumpStates, fold
from pdm_platform.core.judgement.classes import STATE_NAMES, score
from pdm_platform.core.lives import Lives
from pdm_platform.core.lives_table import joined
from pdm_platform.core.serving import ServingModel
from pdm_platform.core.training import to_files, train
from pdm_platform.core.trees import TreeSettings
from simulators.plans import LivesPlan
from simulators.speeds import Speed
from tests.pump_twin import labelled_lives, needs_compiler
from tests.small_fleet import FEW_TREES

pytestmark = needs_compiler
LEARNED_FROM: Final = LivesPlan(seed=7, stress=64, accelerated=16, nominal=0)
JUDGED_ON: Final = tuple(
    LivesPlan(seed=seed, stress=96, accelerated=16, nominal=0, sensor_fault_share=0.0, disturbance_share=0.0)
    for seed in (107, 207, 307)
)
# numbers of pumps that no plan of the simulators uses
FIRST_NUMBER: Final = 50_000
WITHIN: Final = 0.03
TREES: Final = TreeSettings(max_iter=25, learning_rate=0.15, min_samples_leaf=20, max_features=0.5)


def lives_of(payloads: Sequence[Labelled]) -> Lives:
    """Whole lives as the flow reads them from what a device sent, pump by pump."""
    time_ns = np.array([time_ns_of(payload.timestamp or 0) for payload in payloads], np.int64)
    devices = [payload.device_id for payload in payloads]
    channels = np.array([[getattr(payload, name) for name in CHANNEL_NAMES] for payload in payloads], np.float64)
    health = np.array([payload.health_percent for payload in payloads], np.float64)
    return Lives(
        features=fold(PumpStates(), devices, time_ns, channels),
        state_index=state_index(health),
        health_percent=health,
        rul_hours=np.array([payload.rul_hours for payload in payloads], np.float64),
        time_ns=time_ns,
        device_ids=np.array(devices, np.str_),
        mode_index=np.array([MODE_CLASSES.index(str(payload.failure_mode)) for payload in payloads], np.int64),
        sensor_fault=np.array([payload.sensor_fault or "" for payload in payloads], np.str_),
        disturbance=np.array([payload.disturbance or "" for payload in payloads], np.str_),
    )


def firmware_lives(plan: LivesPlan) -> Lives:
    """As many of the firmware's pumps as a plan has of the simulators', with its seed; others of the same kind."""
    return joined(
        [
            lives_of(
                labelled_lives(
                    {"seed": plan.seed, "speed": speed, "failure_mode": "in_turn"},
                    pumps=count,
                    number=FIRST_NUMBER,
                    prefix=f"{speed}-",
                )
            )
            for speed, count in plan.counts.items()
            if count
        ]
    )


def macro_f1(model: ServingModel, lives: Lives) -> float:
    """Of the states, over all readings."""
    told = model.predict(lives.features).state_index
    devices = np.unique(lives.device_ids, return_inverse=True)[1]
    everywhere = np.ones(len(lives), np.bool_)
    return score(lives.state_index, told, devices, everywhere, STATE_NAMES).macro_f1


@pytest.fixture(scope="module")
def model() -> ServingModel:
    """Trained as the flow trains, with fewer trees."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("_LIFE_TREES", "_MODE_TREES", "_SENSOR_TREES"):
            patched.setattr(training, name, FEW_TREES)
        patched.setattr(novelty, "_TREES", 16)
        models = train(simulated_lives(LEARNED_FROM), seed=1, progress=lambda _: None, settings=TREES)
    return ServingModel.from_files(to_files(models))


def test_the_model_of_the_simulators_pumps_knows_the_firmware_s_pumps_as_well_as_its_own(model: ServingModel) -> None:
    own = np.mean([macro_f1(model, simulated_lives(plan)) for plan in JUDGED_ON])

    firmware_s = np.mean([macro_f1(model, firmware_lives(plan)) for plan in JUDGED_ON])

    assert own > 0.7
    assert firmware_s == pytest.approx(own, abs=WITHIN)


def test_of_the_very_same_pumps_it_says_the_same(model: ServingModel) -> None:
    plan = replace(JUDGED_ON[0], accelerated=0)
    twins = labelled_lives({"seed": plan.seed, "speed": Speed.STRESS, "failure_mode": "in_turn"}, pumps=plan.stress)

    own, firmware_s = macro_f1(model, simulated_lives(plan)), macro_f1(model, lives_of(twins))

    assert firmware_s == pytest.approx(own, abs=0.002)
