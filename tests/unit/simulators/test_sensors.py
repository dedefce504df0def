"""Sensors that lie."""

from dataclasses import replace

import numpy as np
import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES, CHANNELS
from pdm_platform.contract.failure_modes import SensorFault
from simulators.episodes import OnceALife
from simulators.pump import Fleet, Readings
from simulators.sensors import CLOCK, ERROR_SCALE, SENSOR_FAULTS
from tests.unit.simulators.fleets import fleet_of, steady, unworn, whole_life

PUMPS = 32
SINCE, LENGTH = 50, 40


def lying(kind: SensorFault) -> tuple[Fleet, Fleet]:
    """The same fleet, honest, and with a sensor of each pump that lies from reading 50 to 90."""
    honest = steady(unworn(fleet_of(PUMPS)))
    every = np.ones(PUMPS, dtype=np.int64)
    return honest, replace(honest, faults=OnceALife(SENSOR_FAULTS.index(kind) * every, SINCE * every, LENGTH * every))


def told(kind: SensorFault) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Of each pump: the channel that lies, what it tells during the episode, and what it would have told."""
    honest, fleet = lying(kind)
    found = []
    for pump in range(PUMPS):
        true, lied = whole_life(honest, pump), whole_life(fleet, pump)
        episode = slice(SINCE, SINCE + LENGTH)
        channel = int(lied.fault_channel[SINCE])
        found.append((channel, lied.channels[episode, channel], true.channels[episode, channel]))
    return found


@pytest.mark.parametrize("kind", [kind for kind in SENSOR_FAULTS if kind is not SensorFault.CLOCK_SKEW])
def test_one_channel_lies_for_the_episode_and_the_truth_says_which(kind: SensorFault) -> None:
    honest, fleet = lying(kind)
    channels = set()
    for pump in range(PUMPS):
        true, lied = whole_life(honest, pump), whole_life(fleet, pump)
        episode = np.zeros(len(true.channels), dtype=np.bool_)
        episode[SINCE : SINCE + LENGTH] = True
        channel = int(lied.fault_channel[SINCE])
        channels.add(channel)
        assert ((lied.sensor_fault == SENSOR_FAULTS.index(kind)) == episode).all()
        assert np.array_equal(lied.channels[~episode], true.channels[~episode])
        others = np.delete(np.arange(len(CHANNEL_NAMES)), channel)
        assert np.array_equal(lied.channels[:, others], true.channels[:, others])
        assert np.array_equal(lied.health_percent, true.health_percent)
    assert len(channels) > 5


def test_a_frozen_sensor_keeps_its_first_value() -> None:
    for _, lied, true in told(SensorFault.FREEZE):
        assert (lied == true[0]).all()


def test_a_drifting_sensor_moves_away_steadily() -> None:
    for channel, lied, true in told(SensorFault.DRIFT):
        error = lied - true
        assert abs(error[0]) < 0.1 * ERROR_SCALE[channel]
        grown = np.polyfit(np.arange(LENGTH), error, 1)[0] * LENGTH
        # a vibration sensor that drifts down ends at 0
        assert abs(grown) > ERROR_SCALE[channel] or lied.min() == 0.0


def test_a_biased_sensor_is_off_by_the_same_all_the_time() -> None:
    for channel, lied, true in told(SensorFault.BIAS):
        error = lied - true
        if lied.min() > 0.0:
            assert np.ptp(error) < 1e-3 * max(1.0, np.abs(lied).max())
            assert abs(error[0]) >= 0.79 * ERROR_SCALE[channel]


def test_spikes_are_single_readings_far_off() -> None:
    for channel, lied, true in told(SensorFault.SPIKES):
        off = lied != true
        assert 0 < off.sum() < 0.6 * LENGTH
        away = np.abs(lied - true)[off & (lied > 0.0)]
        assert (away > 2.9 * ERROR_SCALE[channel]).all()


def test_a_dropout_tells_nothing_now_and_then() -> None:
    for _, lied, true in told(SensorFault.DROPOUT):
        silent = np.isnan(lied)
        assert 0.4 < silent.mean() < 1.0
        assert np.array_equal(lied[~silent], true[~silent])


def test_a_coarse_sensor_tells_few_values() -> None:
    for channel, lied, true in told(SensorFault.QUANTISATION):
        assert len(np.unique(lied)) <= 6
        assert np.abs(lied - true).max() <= 0.51 * ERROR_SCALE[channel]


def test_a_skewed_clock_runs_behind_and_every_channel_is_true() -> None:
    honest, fleet = lying(SensorFault.CLOCK_SKEW)

    true, lied = whole_life(honest, 3), whole_life(fleet, 3)

    assert np.array_equal(lied.channels, true.channels)
    assert (lied.fault_channel[SINCE : SINCE + LENGTH] == CLOCK).all()
    behind = lied.clock_behind_s[SINCE : SINCE + LENGTH]
    assert len(np.unique(behind)) == 1
    assert behind[0] % 1.0 == 0.5
    assert lied.clock_behind_s[:SINCE].max() == 0.0


@pytest.mark.parametrize("kind", SENSOR_FAULTS)
def test_what_a_sensor_tells_is_never_impossible(kind: SensorFault) -> None:
    _, fleet = lying(kind)
    readings: list[Readings] = [whole_life(fleet, pump) for pump in range(PUMPS)]

    channels = np.concatenate([one.channels for one in readings])

    for index, channel in enumerate(CHANNELS):
        assert np.nanmin(channels[:, index]) >= channel.possible_min
        assert np.nanmax(channels[:, index]) <= channel.possible_max


@pytest.mark.parametrize("kind", SENSOR_FAULTS)
def test_a_lie_is_the_same_alone_and_among_others(kind: SensorFault) -> None:
    _, fleet = lying(kind)
    steps = np.arange(SINCE, SINCE + LENGTH)

    together = fleet.readings(np.full(LENGTH, 6), steps)
    alone = [fleet.readings(np.array([6]), np.array([step])) for step in steps]

    assert np.array_equal(together.channels, np.concatenate([one.channels for one in alone]), equal_nan=True)
    assert np.array_equal(together.clock_behind_s, np.concatenate([one.clock_behind_s for one in alone]))
