"""How long pumps live."""

import numpy as np
import pytest

from simulators.lifetimes import LIVES, MODES, Lifetimes
from simulators.speeds import SPEEDS, Speed

COUNT = 6_000


def lives(speed: Speed, *, mode: int = -1, count: int = COUNT) -> Lifetimes:
    number = np.arange(count)
    kind = np.full(count, list(Speed).index(speed))
    return Lifetimes.draw(7, number, np.zeros_like(number), kind, np.full(count, mode))


@pytest.mark.parametrize("speed", list(Speed))
def test_lives_last_as_long_as_their_speed_says(speed: Speed) -> None:
    pace = SPEEDS[speed]

    readings = lives(speed).readings

    assert readings.min() >= pace.min_readings
    assert readings.max() <= pace.max_readings
    assert readings.max() - readings.min() > 0.95 * (pace.max_readings - pace.min_readings)


def test_lives_follow_the_smallest_of_the_weibull_lives_within_the_bounds() -> None:
    pace = SPEEDS[Speed.STRESS]
    generator = np.random.default_rng(1)
    hours = np.min([law.scale_hours * generator.weibull(law.shape, 400_000) for law in LIVES.values()], axis=0)
    readings = np.ceil(hours / pace.hours_per_reading)
    expected = readings[(readings >= pace.min_readings) & (readings <= pace.max_readings)]

    drawn = lives(Speed.STRESS).readings

    grid = np.arange(pace.min_readings, pace.max_readings)
    below = np.abs(
        (drawn[:, None] <= grid).mean(axis=0) - np.searchsorted(np.sort(expected), grid, "right") / len(expected)
    )
    # the Kolmogorov-Smirnov bound at 0.1 %
    assert below.max() < 1.95 / COUNT**0.5


def test_modes_win_as_often_as_the_competing_risks_say() -> None:
    pace = SPEEDS[Speed.ACCELERATED]
    generator = np.random.default_rng(2)
    hours = np.stack([law.scale_hours * generator.weibull(law.shape, 400_000) for law in LIVES.values()])
    shortest = hours.min(axis=0)
    bounds = np.array([pace.min_readings - 1, pace.max_readings]) * pace.hours_per_reading
    within = (shortest > bounds[0]) & (shortest <= bounds[1])
    expected = np.bincount(hours.argmin(axis=0)[within], minlength=len(MODES)) / within.sum()

    drawn = np.bincount(lives(Speed.ACCELERATED).mode, minlength=len(MODES)) / COUNT

    assert drawn == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("mode", range(len(MODES)))
def test_a_mode_that_has_to_win_wins_and_the_others_would_have_come_later(mode: int) -> None:
    times = lives(Speed.STRESS, mode=mode, count=200)

    assert (times.mode == mode).all()
    assert (times.last_step[:, mode] == times.readings - 1).all()
    others = np.delete(times.last_step, mode, axis=1)
    assert (others.min(axis=1) >= times.readings - 1).all()


def test_a_life_does_not_depend_on_the_others_that_are_drawn() -> None:
    many, few = lives(Speed.NOMINAL, count=50), lives(Speed.NOMINAL, count=3)

    assert np.array_equal(many.readings[:3], few.readings)
    assert np.array_equal(many.last_step[:3], few.last_step)
