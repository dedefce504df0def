"""Simulated lives in memory, as the flow would read them from the feature table."""

from typing import Final

import numpy as np

from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.contract.states import state_index
from pdm_platform.contract.times import NS_PER_MS
from pdm_platform.core.features import PumpStates, fold
from pdm_platform.core.lives import Lives
from pdm_platform.core.lives_table import joined
from simulators.encoding import behind_ms, disturbance_names, sensor_fault_names
from simulators.lives import Lives as Campaign
from simulators.plans import MAX_PUMPS, LivesPlan
from simulators.pump import FAILURE_MODES, Fleet, IntArray, Readings
from simulators.speeds import SPEEDS, Speed

# any moment does: features know of spans of time only
_END_NS: Final = 1_790_000_000 * 1_000_000_000
# as long as a pump of that speed would live
_IDLE_READINGS: Final = {Speed.STRESS: 160, Speed.ACCELERATED: 650}


def simulated_lives(plan: LivesPlan) -> Lives:
    """Whole lives of a plan with their features, by device, then time."""
    campaign = Campaign.lay_out(plan, _END_NS)
    readings = campaign.fleet.readings(campaign.pump, campaign.step)
    interval_ms = np.round(campaign.fleet.interval_s * 1_000).astype(np.int64)[campaign.pump]
    time_ms = campaign.start_ms[campaign.pump] + campaign.step * interval_ms - behind_ms(readings)
    return _lives(np.asarray(campaign.devices, np.str_)[campaign.pump], time_ms, readings)


def idle_lives(pumps: int, *, seed: int) -> Lives:
    """Readings of so many pumps that do not wear, half at stress and half at accelerated speed."""
    speeds = [Speed.STRESS if place % 2 else Speed.ACCELERATED for place in range(pumps)]
    fleet = Fleet.build(
        seed,
        number=2 * MAX_PUMPS * len(SPEEDS) + np.arange(pumps),
        speed=np.array([list(SPEEDS).index(speed) for speed in speeds], np.int64),
        interval_s=np.array([SPEEDS[speed].interval_s for speed in speeds]),
        wearing=np.zeros(pumps, np.bool_),
    )
    counts = np.array([_IDLE_READINGS[speed] for speed in speeds], np.int64)
    pump: IntArray = np.repeat(np.arange(pumps), counts)
    step: IntArray = np.arange(len(pump)) - np.repeat(np.cumsum(counts) - counts, counts)
    time_ms = _END_NS // NS_PER_MS + np.round(step * fleet.interval_s[pump] * 1_000).astype(np.int64)
    names = np.array([f"idle-{place:04d}" for place in range(pumps)], np.str_)
    return _lives(names[pump], time_ms, fleet.readings(pump, step))


def together(*lives: Lives) -> Lives:
    """Lives of different devices as one, by device, then time."""
    all_lives = joined(lives)
    return all_lives.rows(np.lexsort((all_lives.time_ns, all_lives.device_ids)))


def _lives(devices: np.ndarray[tuple[int], np.dtype[np.str_]], time_ms: IntArray, readings: Readings) -> Lives:
    time_ns = np.asarray(time_ms * NS_PER_MS, np.int64)
    modes = np.array([MODE_CLASSES.index(mode.value) for mode in FAILURE_MODES], np.int64)
    lives = Lives(
        features=fold(PumpStates(), devices.tolist(), time_ns, readings.channels),
        # as they stand in a payload
        state_index=state_index(np.round(readings.health_percent, 3)),
        health_percent=np.asarray(readings.health_percent, np.float64),
        rul_hours=np.where(np.isfinite(readings.rul_hours), readings.rul_hours, np.nan),
        time_ns=time_ns,
        device_ids=devices,
        mode_index=modes[readings.failure_mode],
        sensor_fault=np.array([name or "" for name in sensor_fault_names(readings)], np.str_),
        disturbance=np.array([name or "" for name in disturbance_names(readings)], np.str_),
    )
    return lives.rows(np.lexsort((time_ns, devices)))
