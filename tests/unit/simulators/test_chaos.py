"""Disturbances."""

import numpy as np
import pytest

from pdm_platform.contract.failure_modes import Disturbance
from simulators import chaos
from simulators.chaos import DISTURBANCES
from simulators.draws import noise_keys
from simulators.episodes import Episode
from simulators.physics import CURRENT, PRESSURE, RMS, RPM, TEMPERATURE

COUNT = 40
QUIET = np.tile(np.array([0.6, 0.5, 0.4, 0.877, 38.0, 4.2, 7.8, 2_850.0], dtype=np.float32)[:, None], (1, COUNT))
STANDING = np.tile(np.array([0.0, 0.0, 0.0, 0.0, 30.0, 1.7, 0.0, 0.0], dtype=np.float32)[:, None], (1, COUNT))


def after(name: Disturbance, before: np.ndarray = QUIET) -> np.ndarray:
    """Forty readings in an episode that began with the first."""
    channels, rows = before.copy(), np.arange(COUNT)
    episode = Episode(DISTURBANCES.index(name), rows, np.full(COUNT, 100), np.full(COUNT, COUNT))
    chaos.disturb(channels, episode, np.repeat(noise_keys(7, 5, 0), COUNT, axis=1), 100 + rows)
    return channels


def test_a_heatwave_adds_15_degrees_and_nothing_else() -> None:
    changed = after(Disturbance.HEATWAVE) - QUIET

    assert changed[TEMPERATURE] == pytest.approx(15.0)
    assert (np.delete(changed, TEMPERATURE, axis=0) == 0.0).all()


def test_mechanical_spikes_are_impulses_of_12_mm_s() -> None:
    disturbed = after(Disturbance.MECHANICAL_SPIKE)

    hit = disturbed[RMS] > 1.0
    assert hit[0]
    assert 0.1 < hit.mean() < 0.7
    assert disturbed[RMS, hit] == pytest.approx(12.0, rel=1e-5)
    assert np.sqrt((disturbed[:3] ** 2).sum(axis=0))[hit] == pytest.approx(12.0, rel=1e-3)
    assert np.array_equal(disturbed[:, ~hit], QUIET[:, ~hit])
    assert np.array_equal(disturbed[RMS + 1 :], QUIET[RMS + 1 :])


def test_a_spike_does_not_calm_a_pump_that_shakes_more() -> None:
    shaking = QUIET.copy()
    shaking[:4] *= 20.0

    assert (after(Disturbance.MECHANICAL_SPIKE, shaking)[RMS] >= shaking[RMS]).all()


def test_cavitation_takes_pressure_makes_it_unsteady_and_shakes_the_pump() -> None:
    disturbed = after(Disturbance.CAVITATION)

    assert (disturbed[PRESSURE] < 4.2).all()
    assert disturbed[PRESSURE].std() > 0.08
    assert disturbed[RMS].min() > 1.3
    assert np.sqrt((disturbed[:3] ** 2).sum(axis=0)) == pytest.approx(disturbed[RMS], rel=1e-5)


def test_a_voltage_drop_takes_speed_and_head_and_raises_the_current() -> None:
    disturbed = after(Disturbance.VOLTAGE_DROP)

    assert disturbed[CURRENT].min() > 1.1 * 7.8
    assert disturbed[RPM].max() < 2_820.0
    assert disturbed[PRESSURE] - 0.3 == pytest.approx((4.2 - 0.3) * (disturbed[RPM] / 2_850.0) ** 2, rel=1e-4)
    assert np.array_equal(disturbed[:4], QUIET[:4])


def test_a_frozen_vibration_sensor_is_stuck_at_0() -> None:
    disturbed = after(Disturbance.SENSOR_FREEZE)

    assert (disturbed[: RMS + 1] == 0.0).all()
    assert np.array_equal(disturbed[RMS + 1 :], QUIET[RMS + 1 :])


@pytest.mark.parametrize("name", [Disturbance.CAVITATION, Disturbance.VOLTAGE_DROP])
def test_what_happens_in_the_pump_or_its_motor_needs_a_pump_that_runs(name: Disturbance) -> None:
    assert after(name, STANDING) == pytest.approx(STANDING)
