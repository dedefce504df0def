"""When something happens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.draws import Stream, noise_keys
from simulators.episodes import NOT_BEFORE, ByRules, Episode, OnceALife, Rule


def episodes_of(rule: Rule, steps: np.ndarray, *, pump: int = 5) -> list[Episode]:
    schedule = ByRules(Stream.CHAOS, (rule,), np.ones(10, dtype=np.bool_))
    pumps = np.full(len(steps), pump)
    return list(schedule.at(np.repeat(noise_keys(7, pump, 0), len(steps), axis=1), pumps, steps))


@pytest.mark.parametrize(("probability", "readings"), [(0.002, 40), (0.02, 1), (0.01, 10)])
def test_episodes_begin_as_often_and_last_as_long_as_their_rule_says(probability: float, readings: int) -> None:
    steps = np.arange(400_000)

    (found,) = episodes_of(Rule(3, probability, readings), steps)

    starts, lasted = np.unique(found.since, return_counts=True)
    assert len(starts) == pytest.approx(probability * len(steps), rel=0.1)
    assert (lasted == readings).all()
    assert (np.diff(starts) >= readings).all()
    assert starts.min() >= NOT_BEFORE


def test_a_certain_episode_takes_half_of_the_time() -> None:
    (found,) = episodes_of(Rule(0, 1.0, 25), np.arange(10_000))

    assert len(found.row) / 10_000 == pytest.approx(0.5, abs=0.02)


def test_pumps_that_are_not_among_those_meant_meet_nothing() -> None:
    schedule = ByRules(Stream.CHAOS, (Rule(0, 1.0, 5),), np.array([False, True]))
    steps = np.tile(np.arange(200), 2)
    pumps = np.repeat([0, 1], 200)

    (found,) = schedule.at(np.repeat(noise_keys(7, np.array([0, 1]), 0), 200, axis=1), pumps, steps)

    assert set(pumps[found.row].tolist()) == {1}


@given(step=st.integers(0, 100_000))
def test_whether_a_reading_lies_in_an_episode_does_not_depend_on_the_others(step: int) -> None:
    rule = Rule(2, 0.01, 20)

    among = [
        int(one.since[one.row == step - max(step - 50, 0)].sum())
        for one in episodes_of(rule, np.arange(max(step - 50, 0), step + 50))
    ]
    alone = [int(one.since.sum()) for one in episodes_of(rule, np.array([step]))]

    assert sum(among) == sum(alone)


def test_a_share_of_the_lives_has_one_episode_that_spares_the_baseline() -> None:
    count = 4_000
    number, readings = np.arange(count), np.full(count, 120)

    drawn = OnceALife.draw(Stream.CHAOS, 7, number, np.zeros_like(number), readings, kinds=5, share=0.35)

    has = drawn.kind >= 0
    assert has.mean() == pytest.approx(0.35, abs=0.03)
    assert set(drawn.kind[has].tolist()) == set(range(5))
    assert drawn.since.min() >= NOT_BEFORE
    assert (drawn.since + drawn.length <= 120).all()
