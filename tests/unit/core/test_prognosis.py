"""Remaining life from the line through predicted health."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S
from pdm_platform.core.prognosis import PrognosisStates, fold


def seconds(count: int, interval_s: float = 1.0) -> np.ndarray:
    return (np.arange(count) * interval_s * NS_PER_S).astype(np.int64)


def fold_one(health: np.ndarray, time_ns: np.ndarray) -> np.ndarray:
    return fold(PrognosisStates(), ["p"] * len(health), time_ns, health)


@pytest.mark.parametrize("interval_s", [0.2, 1.0, 10.0, 600.0])
def test_a_straight_fall_is_followed_to_ten_percent_at_any_speed(interval_s: float) -> None:
    time_ns = seconds(80, interval_s)
    health = 85.0 - np.arange(80) * 0.5

    rul_hours = fold_one(health, time_ns)

    assert np.isnan(rul_hours[:9]).all()
    assert rul_hours[9:] == pytest.approx((health[9:] - 10.0) / 0.5 * interval_s / 3_600.0)


def test_a_slow_noisy_fall_over_ten_thousand_readings_is_seen() -> None:
    noise = np.random.default_rng(1).normal(0.0, 2.0, 8_000)
    health = np.linspace(80.0, 20.0, 8_000) + noise

    rul_hours = fold_one(health, seconds(8_000, 10.0))[4_000:]

    true_hours = (np.linspace(80.0, 20.0, 8_000)[4_000:] - 10.0) / 60.0 * 8_000 * 10.0 / 3_600.0
    assert np.isnan(rul_hours).mean() < 0.05
    assert np.nanmedian(np.abs(rul_hours - true_hours) / true_hours) < 0.3


def test_a_healthy_pump_has_no_remaining_life_to_tell() -> None:
    health = 97.0 + np.random.default_rng(1).normal(0.0, 1.0, 3_000)

    assert np.isnan(fold_one(health, seconds(3_000))).all()


def test_a_worn_pump_that_wears_no_further_has_none_either() -> None:
    health = 60.0 + np.random.default_rng(1).normal(0.0, 2.0, 3_000)

    assert np.isfinite(fold_one(health, seconds(3_000))).mean() < 0.01


def test_a_pump_at_the_end_has_zero_hours() -> None:
    rul_hours = fold_one(np.full(40, 5.0), seconds(40))

    assert (rul_hours[9:] == 0.0).all()


@pytest.mark.parametrize("readings", [150, 400, 3_000, 8_000])
def test_after_a_repair_the_old_fall_is_not_continued(readings: int) -> None:
    noise = np.random.default_rng(1).normal(0.0, 1.5, readings + 4_000)
    health = np.concatenate([np.linspace(98.0, 5.0, readings), np.full(4_000, 97.0)]) + noise

    rul_hours = fold_one(health, seconds(readings + 4_000, 10.0))

    assert rul_hours[readings - 1] == pytest.approx(0.0, abs=0.1)
    # however long the life was, the memory of it ends with the first readings after it
    assert np.isnan(rul_hours[readings + 10 :]).all()


def test_a_late_reading_is_answered_but_not_learned_from() -> None:
    states, health = PrognosisStates(), np.linspace(80.0, 60.0, 40)
    told = fold(states, ["p"] * 40, seconds(40), health)
    before = states.to_arrays()

    late = fold(states, ["p"], seconds(40)[20:21], np.array([1.0]))

    after = states.to_arrays()
    assert late[0] == told[-1]
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("health", [np.array([50.0, np.nan]), np.array([50.0])])
def test_every_reading_needs_a_health(health: np.ndarray) -> None:
    with pytest.raises(ValueError, match="needs a predicted health"):
        fold(PrognosisStates(), ["a", "b"], seconds(2), health)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 120), st.lists(st.integers(0, 120), max_size=8))
def test_one_fold_many_folds_and_device_by_device_agree_bit_for_bit(seed: int, count: int, cuts: list[int]) -> None:
    random = np.random.default_rng(seed)
    devices = random.choice(["a", "b", "c"], count).tolist()
    time_ns = 10**18 + np.cumsum(random.choice([-NS_PER_S, 0, 1, NS_PER_S, NS_PER_HOUR], count))
    health = np.clip(np.linspace(90.0, 5.0, count) + random.normal(0.0, random.choice([0.0, 1.0, 20.0]), count), 0, 100)
    whole = fold(PrognosisStates(), devices, time_ns, health)

    states, parts, bounds = PrognosisStates(), [np.empty(0)], sorted(min(cut, count) for cut in cuts)
    for start, stop in zip([0, *bounds], [*bounds, count], strict=True):
        parts.append(fold(states, devices[start:stop], time_ns[start:stop], health[start:stop]))
    alone = np.empty(count)
    for device in set(devices):
        rows = [index for index, each in enumerate(devices) if each == device]
        alone[rows] = fold(PrognosisStates(), [device] * len(rows), time_ns[rows], health[rows])

    assert np.concatenate(parts).tobytes() == whole.tobytes() == alone.tobytes()
    assert not (whole < 0.0).any()
