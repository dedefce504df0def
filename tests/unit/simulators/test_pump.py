"""Pumps over their lives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import f1_score

from pdm_platform.contract.channels import CHANNEL_NAMES, CHANNELS
from pdm_platform.contract.states import state_index
from simulators import duty
from simulators.pump import FAILURE_MODES, WORST_REPAIR, Fleet, Readings, vibration_rms
from tests.unit.simulators.fleets import fleet_of, pumps_failing_of, steady, unworn, whole_life

# where zones B, C and D begin in mm/s. Source: ISO 10816-7:2009, table 1, category II, up to 200 kW
ZONE_B_MM_S, ZONE_C_MM_S, ZONE_D_MM_S = 3.2, 5.1, 8.5


@given(seed=st.integers(0, 2**64 - 1), pump=st.integers(0, 9))
def test_health_falls_from_new_to_failed_and_remaining_life_with_it(seed: int, pump: int) -> None:
    fleet = fleet_of(10, seed=seed)

    life = whole_life(fleet, pump)

    assert life.health_percent[0] == 100.0
    assert life.health_percent[-1] == 0.0
    assert (np.diff(life.health_percent) <= 1e-4).all()
    assert life.rul_hours[-1] == 0.0
    assert np.allclose(np.diff(life.rul_hours), -1.0 / 3_600)
    assert life.failure_mode[-1] == fleet.life.pattern[pump]


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


def test_a_pump_is_the_same_in_a_small_fleet_and_in_a_large_one() -> None:
    small, large = whole_life(fleet_of(3), 2), whole_life(fleet_of(40), 2)

    assert np.array_equal(small.channels, large.channels)


@pytest.mark.parametrize("mode", FAILURE_MODES)
def test_every_value_stays_plausible_to_the_end_of_life(mode: str) -> None:
    fleet = fleet_of(160)

    channels = np.concatenate([whole_life(fleet, int(pump)).channels for pump in pumps_failing_of(fleet, mode)])

    for index, channel in enumerate(CHANNELS):
        assert channel.plausible_min <= channels[:, index].min(), channel.name
        assert channels[:, index].max() <= channel.plausible_max, channel.name


SHOWS = {
    # of each mode: channels that end above, and below, those of the healthy twin by the shares or differences given
    "bearing_wear": ({"vibration_x": 3.0, "vibration_z": 3.0, "temperature": 1.25}, {}),
    "impeller_wear": ({"vibration_rms": 1.5}, {"pressure": 0.87, "current": 0.95}),
    "seal_leakage": ({"temperature": 1.2}, {"pressure": 0.92}),
    "cavitation": ({"vibration_x": 3.0, "vibration_z": 3.0}, {"pressure": 0.97}),
    "unbalance": ({"vibration_x": 4.0, "vibration_y": 4.0}, {}),
    "misalignment": ({"vibration_z": 5.0, "temperature": 1.12}, {}),
    "winding_degradation": ({"current": 1.1, "temperature": 1.25}, {"rpm": 0.99}),
    "plugged_suction": ({"vibration_rms": 1.3}, {"pressure": 0.8, "current": 0.93}),
}


@pytest.mark.parametrize("mode", FAILURE_MODES)
def test_each_failure_mode_shows_where_it_should(mode: str) -> None:
    fleet = steady(fleet_of(160))
    pumps = pumps_failing_of(fleet, mode)

    ratio = np.median([_end_against_twin(fleet, int(pump)) for pump in pumps], axis=0)

    risen, fallen = SHOWS[mode]
    for name, least in risen.items():
        assert ratio[CHANNEL_NAMES.index(name)] > least, name
    for name, most in fallen.items():
        assert ratio[CHANNEL_NAMES.index(name)] < most, name


def _end_against_twin(fleet: Fleet, pump: int) -> np.ndarray:
    """Mean of the last five readings over that of the healthy twin."""
    worn, healthy = (whole_life(one, pump).channels[-5:].mean(axis=0) for one in (fleet, unworn(fleet)))
    return np.asarray(worn / healthy)


def test_cavitation_and_a_plugged_suction_make_pressure_unsteady() -> None:
    fleet = steady(fleet_of(160))

    def scatter(mode: str) -> float:
        lives = [whole_life(fleet, int(pump)).channels[-20:, 5] for pump in pumps_failing_of(fleet, mode)]
        return float(np.median([np.diff(life).std() / life.mean() for life in lives]))

    quiet = scatter("misalignment")
    assert scatter("cavitation") > 2.0 * quiet
    assert scatter("plugged_suction") > 1.5 * quiet


def test_unbalance_shows_across_the_shaft_and_misalignment_along_it() -> None:
    fleet = fleet_of(160)

    def axial_share(mode: str) -> float:
        ends = [whole_life(fleet, int(pump)).channels[-5:].mean(axis=0) for pump in pumps_failing_of(fleet, mode)]
        return float(np.median([end[2] / end[0] for end in ends]))

    assert axial_share("misalignment") > 1.4
    assert axial_share("unbalance") < 0.5


def test_new_pumps_lie_in_zone_a_and_those_that_vibration_fails_in_zone_c_or_d() -> None:
    fleet = fleet_of(160)
    ends = {
        mode: np.median(
            [whole_life(fleet, int(pump)).channels[-3:, 3].mean() for pump in pumps_failing_of(fleet, mode)]
        )
        for mode in ("bearing_wear", "unbalance", "misalignment", "cavitation")
    }

    first = np.concatenate([whole_life(fleet, pump).channels[:40, 3] for pump in range(160)])

    assert np.quantile(first, 0.99) < ZONE_B_MM_S
    assert all(ZONE_C_MM_S < end < 1.3 * ZONE_D_MM_S for end in ends.values()), ends


def test_a_new_pump_is_the_rated_one_and_pumps_differ_by_some_percent() -> None:
    steps = np.arange(40)
    fleet = fleet_of(400)
    new = np.array([fleet.readings(np.full(40, pump), steps).channels.mean(axis=0) for pump in range(400)])

    rated = dict(zip(CHANNEL_NAMES, new.mean(axis=0), strict=True))
    spread = dict(zip(CHANNEL_NAMES, new.std(axis=0) / new.mean(axis=0), strict=True))

    assert rated["vibration_rms"] == pytest.approx(1.0, abs=0.15)
    assert rated["temperature"] == pytest.approx(38.0, abs=1.0)
    assert rated["pressure"] == pytest.approx(4.2, abs=0.1)
    assert rated["current"] == pytest.approx(7.8, abs=0.1)
    assert rated["rpm"] == pytest.approx(2_850.0, abs=5.0)
    assert 0.08 < spread["vibration_rms"] < 0.25
    assert 0.03 < spread["temperature"] < 0.12
    assert 0.02 < spread["current"] < 0.08


def test_a_change_of_duty_moves_the_channels_and_leaves_health_alone() -> None:
    fleet = unworn(fleet_of(60))
    readings = [whole_life(fleet, pump) for pump in range(60)]
    moved = [np.ptp(one.channels[:, 5]) for one in readings]

    assert np.median(moved) > 0.4
    assert all((one.health_percent == 100.0).all() for one in readings)


def test_a_pump_that_stands_still_has_no_speed_no_current_and_static_pressure() -> None:
    fleet = fleet_of(60)
    standing = []
    for pump in range(60):
        steps = np.arange(fleet.life.readings[pump])
        rows, _, _ = fleet.life.duty.at(np.array([pump]), steps)
        standing.append(whole_life(fleet, pump).channels[rows[duty.RUNNING] == 0.0])

    channels = np.concatenate(standing)

    assert len(channels) > 50
    assert (channels[:, 6:] == 0.0).all()
    assert channels[:, 3].max() < 0.2
    assert channels[:, 5] == pytest.approx(1.67, abs=0.3)


def test_total_vibration_is_the_vector_sum_of_its_axes() -> None:
    channels = whole_life(fleet_of(1), 0).channels

    assert vibration_rms(np.array([[3.0, 4.0, 12.0, 0.0, 0.0, 0.0, 0.0, 0.0]])).tolist() == [13.0]
    assert channels[:, 3] == pytest.approx(vibration_rms(channels), rel=1e-5)


def test_a_repair_gives_the_same_pump_another_life_and_leaves_the_others_alone() -> None:
    fleet = fleet_of(10)

    repaired = fleet.renewed(np.array([4]))

    assert np.array_equal(repaired.unit, fleet.unit)
    for pump in range(10):
        same = np.array_equal(whole_life(repaired, pump).channels, whole_life(fleet, pump).channels)
        assert same == (pump != 4)


def test_a_repair_leaves_some_wear_and_a_perfect_one_none() -> None:
    fleet = fleet_of(200).renewed(np.arange(200))

    first = fleet.readings(np.arange(200), np.zeros(200, dtype=np.int64)).health_percent

    assert first == pytest.approx(100.0 * fleet.life.repair_quality, abs=1e-4)
    assert first.min() >= 100.0 * (1.0 - WORST_REPAIR) - 1e-4
    assert 0.2 < (first == 100.0).mean() < 0.5
    assert len(np.unique(first)) > 100


def test_a_pump_that_does_not_wear_stays_new_for_ever() -> None:
    fleet = fleet_of(3, wearing=np.zeros(3, dtype=np.bool_))
    steps = np.array([0, 10_000, 10**9])

    readings = fleet.readings(np.arange(3), steps)

    assert (readings.health_percent == 100.0).all()
    assert np.isinf(readings.rul_hours).all()
    assert np.isfinite(readings.channels).all()


def test_a_small_fleet_has_every_failure_mode() -> None:
    assert set(fleet_of(len(FAILURE_MODES), seed=2**64 - 1).life.pattern.tolist()) == set(range(len(FAILURE_MODES)))


def test_states_can_be_learned_on_unseen_pumps_but_not_without_error() -> None:
    fleet = fleet_of(64)
    rows, states = zip(*(_smoothed(whole_life(fleet, pump)) for pump in range(64)), strict=True)
    model = HistGradientBoostingClassifier(max_iter=60, random_state=0, class_weight="balanced")
    model.fit(np.concatenate(rows[:48]), np.concatenate(states[:48]))

    macro_f1 = f1_score(np.concatenate(states[48:]), model.predict(np.concatenate(rows[48:])), average="macro")

    assert 0.6 < macro_f1 < 0.95


def _smoothed(life: Readings) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the last ten readings relative to the first thirty, and the state."""
    total = np.cumsum(life.channels, axis=0)
    total[10:] -= total[:-10].copy()
    mean = total / np.minimum(np.arange(len(total)) + 1, 10)[:, None]
    return mean / life.channels[:30].mean(axis=0) - 1.0, state_index(life.health_percent)
