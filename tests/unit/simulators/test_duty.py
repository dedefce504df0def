"""What is asked of a pump."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import duty
from simulators.duty import BASELINE_READINGS, Duty
from simulators.speeds import SPEEDS, Speed

KINDS = list(Speed)


def duty_of(count: int, speed: Speed, *, seed: int = 7) -> Duty:
    number = np.arange(count)
    readings = np.full(count, SPEEDS[speed].max_readings)
    return Duty.draw(seed, number, np.zeros_like(number), np.full(count, KINDS.index(speed)), readings)


@pytest.mark.parametrize("speed", list(Speed))
@given(seed=st.integers(0, 2**64 - 1))
def test_the_first_readings_are_one_duty_and_without_a_stop(speed: Speed, seed: int) -> None:
    rows, _, _ = duty_of(1, speed, seed=seed).at(np.array([0]), np.arange(BASELINE_READINGS))

    assert (rows[duty.RUNNING] == 1.0).all()
    assert len(np.unique(rows[duty.RESISTANCE])) == 1


@pytest.mark.parametrize("speed", list(Speed))
def test_duty_changes_and_stops_as_often_as_the_speed_says(speed: Speed) -> None:
    pace, pumps = SPEEDS[speed], 60
    plan = duty_of(pumps, speed)
    steps = np.arange(pace.max_readings)
    standing, changes = [], []
    for pump in range(pumps):
        rows, _, _ = plan.at(np.array([pump]), steps)
        standing.append(1.0 - rows[duty.RUNNING].mean())
        changes.append(len(np.unique(rows[duty.RESISTANCE])))

    longest = pace.segment_slots[1] * pace.slot_readings
    assert np.mean(changes) >= pace.max_readings / longest / 1.5
    assert 0.002 < np.mean(standing) < 0.10


def test_a_stop_cools_the_pump_and_a_start_warms_it_without_a_jump() -> None:
    plan, steps = duty_of(40, Speed.ACCELERATED), np.arange(800)
    for pump in range(40):
        rows, decay, _ = plan.at(np.array([pump]), steps)
        rise = rows[duty.RISE_C] * rows[duty.RUNNING] + rows[duty.RISE_DEVIATION_C] * decay
        assert np.abs(np.diff(rise)).max() < 16.0 * 0.11  # a step of a body with a time constant of 12 readings
        assert (rise >= -1e-3).all()


def test_the_weather_turns_once_a_day() -> None:
    day = SPEEDS[Speed.NOMINAL].day_readings

    _, _, sine = duty_of(1, Speed.NOMINAL).at(np.array([0]), np.arange(day))

    assert sine.max() == pytest.approx(1.0, abs=1e-3)
    assert sine.min() == pytest.approx(-1.0, abs=1e-3)
    assert (np.diff(np.sign(sine)) != 0).sum() in (1, 2)


def test_a_schedule_without_an_end_repeats() -> None:
    plan = duty_of(1, Speed.STRESS)
    horizon = int(plan.horizon[0])

    once, again = (plan.at(np.array([0]), np.arange(horizon) + start)[0] for start in (0, 5 * horizon))

    assert np.array_equal(once, again)


def test_duty_does_not_depend_on_the_others_in_the_fleet() -> None:
    many, few, steps = duty_of(20, Speed.STRESS), duty_of(2, Speed.STRESS), np.arange(200)

    for found, alone in zip(many.at(np.array([1]), steps), few.at(np.array([1]), steps), strict=True):
        assert np.array_equal(found, alone)
