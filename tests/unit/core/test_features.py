"""What the models see of a pump: derived quantities, when it runs, zones, and that the fold is one function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES, PumpStates, fold
from tests.small_fleet import NEW_PUMP, WORN_PUMP

RMS, PRESSURE, CURRENT, RPM = (CHANNEL_NAMES.index(name) for name in ("vibration_rms", "pressure", "current", "rpm"))


def feature(rows: np.ndarray, name: str) -> np.ndarray:
    return rows[:, FEATURE_NAMES.index(name)]


def new_pump(count: int, **changes: float) -> np.ndarray:
    channels = np.tile(NEW_PUMP, (count, 1))
    for name, value in changes.items():
        channels[:, CHANNEL_NAMES.index(name)] = value
    return channels


def seconds(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64) * NS_PER_S


def fold_one(*parts: np.ndarray) -> np.ndarray:
    channels = np.concatenate(parts)
    return fold(PumpStates(), ["p"] * len(channels), seconds(len(channels)), channels)


def test_the_raw_channels_come_first_as_they_were_measured() -> None:
    row = fold_one(new_pump(1, temperature=-3.5))

    assert FEATURE_NAMES[:8] == CHANNEL_NAMES
    assert row.dtype == np.float32
    assert row[0, :8].tolist() == new_pump(1, temperature=-3.5)[0].astype(np.float32).tolist()


def test_names_are_unique_and_the_contract_is_a_hash() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert len(FEATURE_CONTRACT) == 64


def test_a_change_of_speed_changes_what_follows_from_it_and_not_what_it_is_derived_from() -> None:
    slow = 0.8
    faster = new_pump(60)
    slower = new_pump(60, rpm=NEW_PUMP[RPM] * slow)
    slower[:, [RMS, PRESSURE]] *= slow**2

    rows = fold_one(faster, slower)

    assert feature(rows, "vibration_rms_change")[-1] == pytest.approx(slow**2 - 1.0, abs=0.01)
    assert feature(rows, "vibration_per_speed2_change")[-1] == pytest.approx(0.0, abs=1e-5)
    assert feature(rows, "head_per_speed2_change")[-1] == pytest.approx(0.0, abs=1e-5)


def test_a_worn_impeller_takes_more_current_for_the_pressure_it_gives() -> None:
    rows = fold_one(new_pump(60), new_pump(60, pressure=NEW_PUMP[PRESSURE] / 2))

    assert feature(rows, "power_per_head_change")[-1] == pytest.approx(1.0, abs=0.01)


def test_misalignment_shows_in_the_axial_share() -> None:
    rows = fold_one(new_pump(60), new_pump(60, vibration_z=1.0))

    assert feature(rows, "axial_share_change")[-1] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("changes", "runs"),
    [
        ({}, True),
        ({"rpm": 0.0, "current": 0.0}, False),
        ({"rpm": 250.0, "current": 0.5}, False),
        ({"rpm": 0.0}, True),
        ({"current": 0.0}, True),
        ({"rpm": np.nan, "current": 0.0}, False),
        ({"rpm": np.nan, "current": np.nan}, True),
    ],
)
def test_a_pump_runs_where_speed_or_current_says_so_or_neither_is_known(changes: dict[str, float], runs: bool) -> None:
    assert feature(fold_one(new_pump(1, **changes)), "running").tolist() == [float(runs)]


def test_a_stop_leaves_levels_and_baseline_as_they_are() -> None:
    stop = new_pump(50, **dict.fromkeys(CHANNEL_NAMES, 0.0))

    rows = fold_one(new_pump(20), stop, new_pump(40))

    level = [place for place, name in enumerate(FEATURE_NAMES) if name.endswith(("_level", "_baseline"))]
    np.testing.assert_allclose(rows[20:, level], np.tile(rows[19, level], (90, 1)), rtol=1e-6)
    assert feature(rows, "readings_seen")[[19, 69, 70]].tolist() == [20.0, 20.0, 21.0]


@pytest.mark.parametrize(("vibration", "zone"), [(3.2, 0), (3.3, 1), (5.2, 2), (8.6, 3)])
def test_the_zone_is_that_of_the_level_of_vibration(vibration: float, zone: int) -> None:
    assert feature(fold_one(new_pump(5, vibration_rms=vibration)), "iso_zone")[-1] == zone


def test_the_zone_is_unknown_until_vibration_was_measured() -> None:
    rows = fold_one(new_pump(2, vibration_rms=np.nan), new_pump(1))

    assert np.isnan(feature(rows, "iso_zone")).tolist() == [True, True, False]


def test_a_total_that_is_not_that_of_its_axes_is_a_mismatch() -> None:
    rows = fold_one(new_pump(1, vibration_rms=2.0 * 0.985), new_pump(1, vibration_x=np.nan))

    assert feature(rows, "axes_mismatch")[0] == pytest.approx(1.0, abs=0.01)
    assert np.isnan(feature(rows, "axes_mismatch")[1])


def test_wear_moves_levels_away_from_a_baseline_that_stays() -> None:
    wear = np.linspace(0.0, 1.0, 200)[:, None]

    rows = fold_one(new_pump(30), NEW_PUMP + wear * (WORN_PUMP - NEW_PUMP))

    baseline = feature(rows, "vibration_rms_baseline")
    assert len(set(baseline[30:].tolist())) == 1
    assert feature(rows, "vibration_rms_change")[-1] > 5.0
    assert (np.diff(feature(rows, "vibration_rms_level")[40:]) > 0.0).all()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    missing=st.sampled_from([0.0, 0.2]),
    cuts=st.lists(st.integers(0, 120), max_size=6).map(sorted),
)
def test_however_readings_of_pumps_are_cut_into_batches_features_are_the_same(
    seed: int, missing: float, cuts: list[int]
) -> None:
    random = np.random.default_rng(seed)
    devices = random.choice(["a", "b", "c"], 120).tolist()
    channels = NEW_PUMP * random.normal(1.0, 0.2, (120, 8))
    channels[random.random((120, 8)) < missing] = np.nan
    channels[random.random(120) < 0.1] = 0.0
    time_ns = np.cumsum(random.choice([0, NS_PER_S, -NS_PER_S, 60 * NS_PER_S], 120))
    whole = fold(PumpStates(), devices, time_ns, channels)

    states, parts = PumpStates(), []
    for start, stop in zip([0, *cuts], [*cuts, 120], strict=True):
        parts.append(fold(states, devices[start:stop], time_ns[start:stop], channels[start:stop]))

    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_what_is_remembered_of_a_pump_has_a_bounded_size() -> None:
    states = PumpStates()
    fold(states, [f"pump-{number}" for number in range(100)], np.ones(100, np.int64), new_pump(100))
    fold(states, ["pump-1"] * 500, seconds(500), new_pump(500))

    numeric = [values for values in states.to_arrays().values() if values.dtype.kind != "U"]

    assert sum(values.nbytes for values in numeric) < 3_000 * 100
