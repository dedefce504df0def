"""Disturbances."""

import numpy as np
import pytest

from simulators import chaos
from simulators.pump import Fleet, vibration_rms


def one_pump(seed: int) -> Fleet:
    return Fleet.build(
        seed,
        number=np.array([5]),
        shortest=np.array([10_000]),
        longest=np.array([10_000]),
        interval_s=np.array([1.0]),
    )


def test_glitches_are_single_readings_at_the_rate_that_is_promised() -> None:
    steps = np.arange(10_000)

    glitch = chaos.glitches(one_pump(1), np.zeros_like(steps), steps)

    assert glitch.mean() == pytest.approx(chaos.GLITCH_SHARE, rel=0.2)


@pytest.mark.parametrize("seed", range(5))
def test_each_stretch_has_one_spell_of_heat_and_spares_the_baseline(seed: int) -> None:
    steps = np.arange(1_500)

    starts = chaos.spell_starts(one_pump(seed), np.zeros_like(steps), steps)
    hot = chaos.heated(steps, starts)

    assert not hot[:30].any()
    assert (steps == starts).sum() == 10
    assert hot.reshape(10, 150).sum(axis=1).tolist() == [chaos.SPELL_READINGS] * 10


def test_a_glitch_lifts_total_vibration_to_12_and_heat_adds_15_degrees() -> None:
    quiet = np.tile([0.6, 0.5, 0.4, 0.0, 38.0, 4.2, 7.8, 2_850.0], (3, 1))
    quiet[:, 3] = vibration_rms(quiet)
    glitch, heat = np.array([True, False, False]), np.array([False, True, False])

    disturbed = chaos.disturb(quiet, glitch=glitch, heat=heat)

    assert disturbed[0, 3] == pytest.approx(12.0)
    assert vibration_rms(disturbed)[0] == pytest.approx(12.0)
    assert disturbed[:, 4].tolist() == [38.0, 53.0, 38.0]
    assert np.array_equal(disturbed[2], quiet[2])
    assert np.array_equal(disturbed[:, 5:], quiet[:, 5:])
