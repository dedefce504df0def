"""Unseen lives told by a model as the service would tell them, and judged."""

from collections.abc import Callable
from typing import Final

import numpy as np

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.core import alarms, monitoring
from pdm_platform.core.judgement.baselines import Baseline, iso_zones, majority, random_forest
from pdm_platform.core.judgement.judge import Judgement, judge
from pdm_platform.core.judgement.leaks import leaked
from pdm_platform.core.judgement.training_facts import Training, training_facts
from pdm_platform.core.judgement.verdicts import Told, Truth, Verdicts, verdicts_of
from pdm_platform.core.lives import Lives, speeds_of
from pdm_platform.core.monitoring import FleetState
from pdm_platform.core.serving import ServingModel

_CHANNELS: Final = len(CHANNEL_NAMES)
_RMS: Final = CHANNEL_NAMES.index("vibration_rms")
# a pump that never showed this much wear does not wear
_WEARS_BELOW_PERCENT: Final = 99.0


def replayed(model: ServingModel, lives: Lives) -> Verdicts:
    """Tell whole lives, rows by device, then time, each from a pump that is new to the service."""
    devices = lives.device_ids.tolist()
    output, changes = monitoring.tell(FleetState.empty(), model, devices, lives.time_ns, lives.features)
    told = Told(
        state_probabilities=output.probabilities,
        mode_probabilities=output.mode_probabilities,
        health_percent=output.health_percent,
        rul_lower=output.rul_lower_hours,
        rul_median=output.rul_hours,
        rul_upper=output.rul_upper_hours,
        sensor_fault_probability=output.sensor_fault_probability,
        novelty=output.novelty,
        provisional=output.provisional,
    )
    of_state = tuple(change for change in changes if change.condition == alarms.CONDITION)
    speed = speeds_of(lives.device_ids, lives.time_ns)
    return verdicts_of(lives.device_ids, lives.time_ns, truth_of(lives), told, speed=speed, alarms=of_state)


def truth_of(lives: Lives) -> Truth:
    """The labels of whole lives as the judgement takes them."""
    _, owner = np.unique(lives.device_ids, return_inverse=True)
    worst = np.full(owner.max(initial=-1) + 1, np.inf)
    np.minimum.at(worst, owner, lives.health_percent)
    return Truth.of(
        lives.state_index,
        lives.health_percent,
        mode_index=lives.mode_index,
        rul_hours=lives.rul_hours,
        sensor_fault=lives.sensor_fault,
        disturbance=lives.disturbance,
        wearing=worst[owner] < _WEARS_BELOW_PERCENT,
    )


def training_of(trained: Lives, unseen: Lives) -> Training:
    """What the judgement must know of the training; leaks are looked for in the raw channels."""
    (devices, raw), (others, other_raw) = (
        (lives.device_ids.tolist(), lives.features[:, :_CHANNELS].astype(np.float64)) for lives in (trained, unseen)
    )
    leak = leaked(devices, raw, others, other_raw)
    speed = speeds_of(trained.device_ids, trained.time_ns)
    return training_facts(trained.device_ids, trained.time_ns, truth_of(trained), speed=speed, leak=leak)


def baselines_of(trained: Lives, unseen: Lives, *, seed: int, clock: Callable[[], float]) -> list[Baseline]:
    """Always the majority, ISO zones, and the usual forest on raw channels. unseen: by device, then time."""
    raw, unseen_raw = (lives.features[:, :_CHANNELS].astype(np.float64) for lives in (trained, unseen))
    return [
        majority(trained.state_index, len(unseen), trained.mode_index),
        iso_zones(unseen_raw[:, _RMS], clock=clock),
        random_forest(
            raw, trained.state_index, unseen_raw, train_mode_index=trained.mode_index, seed=seed, clock=clock
        ),
    ]


def assess(model: ServingModel, trained: Lives, unseen: Lives, *, seed: int, clock: Callable[[], float]) -> Judgement:
    """Judge a model on lives it was not trained on, beside the baselines. clock: seconds, as time.perf_counter."""
    return judge(
        replayed(model, unseen),
        training=training_of(trained, unseen),
        baselines=baselines_of(trained, unseen, seed=seed, clock=clock),
    )
