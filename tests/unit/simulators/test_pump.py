"""The wear of a pump."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import f1_score

from pdm_platform.contract.channels import CHANNEL_NAMES, CHANNELS
from pdm_platform.contract.states import state_index
from simulators.pump import FAILURE_MODES, PATTERNS, Fleet, vibration_rms
from simulators.speeds import SPEEDS, Speed


def fleet_of(count: int, *, seed: int = 7, speed: Speed = Speed.STRESS) -> Fleet:
    pace = SPEEDS[speed]
    return Fleet.build(
        seed,
        number=np.arange(count),
        shortest=np.full(count, pace.min_readings),
        longest=np.full(count, pace.max_readings),
        interval_s=np.full(count, pace.interval_s),
    )


def whole_life(fleet: Fleet, pump: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    steps = np.arange(fleet.life.readings[pump])
    return np.full(len(steps), pump), steps


@pytest.mark.parametrize("speed", list(Speed))
def test_lives_last_as_long_as_their_speed_says(speed: Speed) -> None:
    pace = SPEEDS[speed]

    readings = fleet_of(2_000, speed=speed).life.readings

    assert readings.min() >= pace.min_readings
    assert readings.max() <= pace.max_readings
    assert readings.max() - readings.min() > 0.95 * (pace.max_readings - pace.min_readings)


@given(seed=st.integers(0, 2**64 - 1), pump=st.integers(0, 9))
def test_health_falls_from_new_to_failed_and_remaining_life_with_it(seed: int, pump: int) -> None:
    fleet = fleet_of(10, seed=seed)

    life = fleet.readings(*whole_life(fleet, pump))

    assert life.health_percent[0] == 100.0
    assert life.health_percent[-1] == 0.0
    assert (np.diff(life.health_percent) < 0).all()
    assert life.rul_hours[-1] == 0.0
    assert np.allclose(np.diff(life.rul_hours), -1.0 / 3_600)
    assert set(state_index(life.health_percent).tolist()) == {0, 1, 2, 3}


@given(
    seed=st.integers(0, 2**64 - 1),
    places=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 119)), min_size=1, max_size=30),
)
def test_a_reading_is_the_same_alone_and_among_others(seed: int, places: list[tuple[int, int]]) -> None:
    fleet = fleet_of(20, seed=seed)
    pumps, steps = np.array(places).T

    together = fleet.readings(pumps, steps)
    alone = [fleet.readings(np.array([pump]), np.array([step])) for pump, step in places]

    assert np.array_equal(together.channels, np.concatenate([one.channels for one in alone]))
    assert np.array_equal(together.health_percent, np.concatenate([one.health_percent for one in alone]))


@pytest.mark.parametrize("mode", FAILURE_MODES)
def test_every_value_stays_plausible_to_the_end_of_life(mode: str) -> None:
    fleet = fleet_of(100)
    ends = [whole_life(fleet, int(pump)) for pump in np.flatnonzero(fleet.life.pattern == FAILURE_MODES.index(mode))]

    channels = np.concatenate([fleet.readings(*end).channels for end in ends])

    for index, channel in enumerate(CHANNELS):
        assert channel.plausible_min <= channels[:, index].min(), channel.name
        assert channels[:, index].max() <= channel.plausible_max, channel.name


@pytest.mark.parametrize(
    ("mode", "risen", "fallen"),
    [
        ("bearing_wear", "vibration_x", None),
        ("impeller_wear", "vibration_rms", "pressure"),
        ("seal_leakage", "vibration_z", "pressure"),
        ("unbalance", "vibration_y", None),
        ("winding_degradation", "temperature", "rpm"),
    ],
)
def test_each_failure_mode_shows_where_it_should(mode: str, risen: str, fallen: str | None) -> None:
    fleet = fleet_of(5)
    life = fleet.readings(*whole_life(fleet, int(np.flatnonzero(fleet.life.pattern == FAILURE_MODES.index(mode))[0])))

    change = life.channels[-10:].mean(axis=0) / life.channels[:30].mean(axis=0)

    assert change[CHANNEL_NAMES.index(risen)] > 1.4
    assert fallen is None or change[CHANNEL_NAMES.index(fallen)] < 0.99


def test_pumps_differ_from_each_other_by_a_few_percent_when_new() -> None:
    spread = fleet_of(1_000).new.std(axis=0) / fleet_of(1_000).new.mean(axis=0).clip(1e-9)

    measured = dict(zip(CHANNEL_NAMES, spread.tolist(), strict=True))

    assert measured["vibration_x"] == pytest.approx(0.08, abs=0.01)
    assert measured["temperature"] == pytest.approx(0.04, abs=0.005)
    assert measured["current"] == pytest.approx(0.03, abs=0.005)


def test_total_vibration_is_the_vector_sum_of_its_axes() -> None:
    assert vibration_rms(np.array([[3.0, 4.0, 12.0, 0.0, 0.0, 0.0, 0.0, 0.0]])).tolist() == [13.0]


def test_a_repair_gives_the_same_pump_another_life_and_leaves_the_others_alone() -> None:
    fleet = fleet_of(10)

    repaired = fleet.renewed(np.array([4]))

    assert np.array_equal(repaired.new, fleet.new)
    changed = repaired.life.exponent != fleet.life.exponent
    assert np.flatnonzero(changed).tolist() == [4]
    before, after = (one.readings(np.array([4]), np.array([0])).channels for one in (fleet, repaired))
    assert not np.array_equal(before, after)


def test_a_small_fleet_has_every_failure_mode() -> None:
    assert set(fleet_of(len(PATTERNS), seed=2**64 - 1).life.pattern.tolist()) == set(range(len(PATTERNS)))


def test_states_can_be_learned_on_unseen_pumps_but_not_without_error() -> None:
    fleet = fleet_of(40)
    rows, states = zip(*(_smoothed(fleet, pump) for pump in range(40)), strict=True)
    model = HistGradientBoostingClassifier(max_iter=60, random_state=0, class_weight="balanced")
    model.fit(np.concatenate(rows[:28]), np.concatenate(states[:28]))

    macro_f1 = f1_score(np.concatenate(states[28:]), model.predict(np.concatenate(rows[28:])), average="macro")

    assert 0.85 < macro_f1 < 0.97


def _smoothed(fleet: Fleet, pump: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean of the last ten readings relative to the first thirty, and the state."""
    life = fleet.readings(*whole_life(fleet, pump))
    total = np.cumsum(life.channels, axis=0)
    total[10:] -= total[:-10].copy()
    mean = total / np.minimum(np.arange(len(total)) + 1, 10)[:, None]
    return mean / life.channels[:30].mean(axis=0) - 1.0, state_index(life.health_percent)
