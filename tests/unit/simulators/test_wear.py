"""Paths of wear."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.lifetimes import MODES
from simulators.wear import (
    BRIDGE_SHAPE,
    EXPONENT_LEVELS,
    EXPONENTS,
    KNOTS,
    START_LEVELS,
    STARTS,
    draw_knots,
    wear_at,
)


def knots_of(count: int, *, seed: int = 7, level: int = 0, start: int = 0, residual: float = 0.0) -> np.ndarray:
    number = np.arange(count)
    shape = (count, len(MODES))
    return draw_knots(
        seed, number, np.zeros_like(number), np.full(shape, level), np.full(shape, start), np.full(shape, residual)
    )


@given(
    seed=st.integers(0, 2**64 - 1),
    level=st.integers(0, EXPONENT_LEVELS - 1),
    start=st.integers(0, START_LEVELS - 1),
    residual=st.floats(0.0, 0.15),
)
def test_wear_never_falls_and_ends_at_one(seed: int, level: int, start: int, residual: float) -> None:
    knots = knots_of(3, seed=seed, level=level, start=start, residual=residual)
    steps = np.arange(157, dtype=np.float32)

    wear = wear_at(knots, np.array([1]), np.full((len(MODES), 1), 156.0, dtype=np.float32), steps)

    assert (np.diff(wear, axis=1) >= -1e-6).all()
    assert wear[:, 0] == pytest.approx(residual, abs=1e-6)
    assert (wear[:, -1] == 1.0).all()


def test_a_mode_that_does_not_wear_stays_as_it_was() -> None:
    endless = np.full((len(MODES), 1), np.inf, dtype=np.float32)

    wear = wear_at(knots_of(1), np.array([0]), endless, np.arange(1_000, dtype=np.float32))

    assert (wear == 0.0).all()


def test_damage_begins_after_the_start_that_was_drawn() -> None:
    late = knots_of(50, start=START_LEVELS - 1)

    before = int(STARTS[1] * KNOTS)
    assert (late[:, :, : before + 1] == 0.0).all()
    assert (late[:, :, before + 6] > 0.0).all()


def test_wear_scatters_around_a_power_of_time_as_a_gamma_bridge_does() -> None:
    knots = knots_of(3_000)[:, :, KNOTS // 2]
    low = np.array([EXPONENTS[mode][0] for mode in MODES])

    expected = ((0.5 - STARTS[0]) / (1.0 - STARTS[0])) ** low
    deviation = np.sqrt(expected * (1.0 - expected) / (BRIDGE_SHAPE + 1.0))
    assert knots.mean(axis=0) == pytest.approx(expected, abs=0.01)
    assert knots.std(axis=0) == pytest.approx(deviation, rel=0.1)


def test_a_path_does_not_depend_on_the_others_that_are_drawn() -> None:
    assert np.array_equal(knots_of(20)[:3], knots_of(3))
