"""The one feature function: what it computes, and that batching never shows."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES, PumpStates, fold

RMS = CHANNEL_NAMES.index("vibration_rms")


def feature(rows: np.ndarray, name: str) -> np.ndarray:
    return rows[:, FEATURE_NAMES.index(name)]


def readings(count: int, value: float = 1.0) -> np.ndarray:
    return np.full((count, 8), value)


def seconds(count: int, interval_s: float = 1.0) -> np.ndarray:
    return (np.arange(count) * interval_s * NS_PER_S).astype(np.int64)


def fold_one(channels: np.ndarray, time_ns: np.ndarray | None = None) -> np.ndarray:
    time_ns = seconds(len(channels)) if time_ns is None else time_ns
    return fold(PumpStates(), ["p"] * len(channels), time_ns, channels)


def test_the_first_reading_is_its_own_level_and_has_no_rate() -> None:
    row = fold_one(readings(1, 4.0))

    assert feature(row, "temperature")[0] == feature(row, "temperature_level")[0] == 4.0
    assert feature(row, "temperature_spread")[0] == feature(row, "temperature_change")[0] == 0.0
    assert np.isnan(feature(row, "temperature_per_hour")[0])
    assert feature(row, "readings_seen")[0] == 1


def test_level_and_spread_are_median_and_interquartile_range_of_the_last_ten() -> None:
    channels = np.repeat(np.arange(40.0)[:, None], 8, axis=1)

    last = fold_one(channels)[-1:]

    assert feature(last, "rpm_level")[0] == 34.5  # of 30 to 39
    assert feature(last, "rpm_spread")[0] == 5.0  # 37 less 32


def test_one_glitch_moves_neither_level_nor_baseline_nor_rate() -> None:
    channels = readings(45)
    channels[[12, 40], RMS] = 12.0

    after = fold_one(channels)[41:]

    assert (feature(after, "vibration_rms_level") == 1.0).all()
    assert (feature(after, "vibration_rms_change") == 0.0).all()
    assert (feature(after, "vibration_rms_per_hour") == 0.0).all()


def test_change_is_relative_to_the_first_thirty_readings_for_ever() -> None:
    channels = np.concatenate([readings(30, 2.0), readings(100, 3.0)])

    rows = fold_one(channels)

    assert feature(rows, "current_change")[-1] == 0.5
    assert feature(rows, "current_change")[29] == 0.0


def test_change_against_a_baseline_of_zero_is_unknown() -> None:
    rows = fold_one(np.concatenate([readings(30, 0.0), readings(10, 3.0)]))

    assert np.isnan(feature(rows, "current_change")).all()


@pytest.mark.parametrize("interval_s", [0.2, 1.0, 10.0, 3_600.0])
def test_the_rate_is_per_hour_of_event_time_at_any_speed(interval_s: float) -> None:
    time_ns = seconds(60, interval_s)
    channels = np.repeat((time_ns / NS_PER_HOUR * 5.0)[:, None], 8, axis=1)

    rate = feature(fold_one(channels, time_ns), "temperature_per_hour")

    assert np.isnan(rate[:10]).all()
    assert rate[10:] == pytest.approx(5.0)


def test_the_rate_counts_a_gap_as_the_time_that_passed() -> None:
    time_ns = seconds(30) + np.where(np.arange(30) >= 20, 10 * NS_PER_HOUR, 0)
    channels = np.concatenate([readings(20, 1.0), readings(10, 2.0)])

    rate = feature(fold_one(channels, time_ns), "temperature_per_hour")[-1]

    assert rate == pytest.approx(0.1, rel=0.01)


def test_missing_values_are_passed_over_and_a_silent_sensor_stays_unknown() -> None:
    channels = np.repeat(np.arange(40.0)[:, None], 8, axis=1)
    channels[35:, RMS] = np.nan
    channels[:, 5] = np.nan

    last = fold_one(channels)[-1:]

    assert np.isnan(feature(last, "vibration_rms")[0])
    assert feature(last, "vibration_rms_level")[0] == 32.0  # of 30 to 34
    assert all(
        np.isnan(feature(last, f"pressure{end}")[0]) for end in ("", "_level", "_spread", "_change", "_per_hour")
    )


def test_infinities_are_missing_values() -> None:
    missing, infinite = readings(12), readings(12)
    missing[5, 3], infinite[5, 3] = np.nan, -np.inf

    assert np.array_equal(fold_one(missing), fold_one(infinite), equal_nan=True)


def test_a_late_or_redelivered_reading_changes_no_state() -> None:
    states, channels = PumpStates(), np.random.default_rng(1).normal(5.0, 1.0, (40, 8))
    rows = fold(states, ["p"] * 40, seconds(40), channels)
    before = states.to_arrays()

    again = fold(
        states, ["p"] * 3, seconds(40)[[39, 12, 0]], np.stack([channels[39], readings(1, 99.0)[0], channels[0]])
    )

    after = states.to_arrays()
    assert all(np.array_equal(before[name], after[name], equal_nan=before[name].dtype.kind == "f") for name in before)
    assert again[0].tobytes() == rows[39].tobytes()
    assert again[1, :8].tolist() == [99.0] * 8
    assert np.array_equal(again[1, 8:], rows[39, 8:])


def test_channels_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 7\), expected \(2, 8\)"):
        fold(PumpStates(), ["a", "b"], seconds(2), np.zeros((2, 7)))


def test_an_empty_batch_has_no_rows() -> None:
    assert fold(PumpStates(), [], seconds(0), readings(0)).shape == (0, len(FEATURE_NAMES))


def test_the_contract_is_a_hash_and_names_are_unique() -> None:
    assert len(FEATURE_CONTRACT) == 64
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES) == 41


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[str], np.ndarray, np.ndarray, list[int]]:
    """Devices, times with gaps, repeats and late ones, channels with missing values, and where to cut into batches."""
    count = draw(st.integers(0, 150))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    devices = random.choice(
        ["a", "b", "c", "d"], count, p=draw(st.sampled_from([(0.25,) * 4, (0.85, 0.05, 0.05, 0.05)]))
    )
    steps = random.choice([0, 1, 7_000_000, NS_PER_S, 30 * NS_PER_S, NS_PER_HOUR, -NS_PER_S], count)
    channels = random.normal(3.0, random.choice([0.0, 1e-3, 10.0]), (count, 8))
    channels[random.random((count, 8)) < draw(st.sampled_from([0.0, 0.1, 0.9]))] = np.nan
    channels[random.random((count, 8)) < 0.05] = random.choice([0.0, -0.0])
    cuts = sorted(draw(st.lists(st.integers(0, count), max_size=12)))
    return devices.tolist(), np.cumsum(steps) + 10**18, channels, cuts


@settings(max_examples=150, deadline=None)
@given(histories())
def test_one_fold_many_folds_and_device_by_device_agree_bit_for_bit(
    history: tuple[list[str], np.ndarray, np.ndarray, list[int]],
) -> None:
    devices, time_ns, channels, cuts = history
    whole = fold(PumpStates(), devices, time_ns, channels)

    states, parts = PumpStates(), [np.empty((0, len(FEATURE_NAMES)))]
    for start, stop in zip([0, *cuts], [*cuts, len(devices)], strict=True):
        parts.append(fold(states, devices[start:stop], time_ns[start:stop], channels[start:stop]))
        states = PumpStates.from_arrays(states.to_arrays())
    alone = np.empty_like(whole)
    for device in set(devices):
        rows = [index for index, each in enumerate(devices) if each == device]
        alone[rows] = fold(PumpStates(), [device] * len(rows), time_ns[rows], channels[rows])

    assert np.concatenate(parts).tobytes() == whole.tobytes() == alone.tobytes()


def test_a_long_history_folds_as_its_single_readings_do_across_internal_chunks() -> None:
    random = np.random.default_rng(3)
    devices = [f"pump-{number}" for number in random.integers(0, 3, 5_000)]
    channels, time_ns = random.normal(5.0, 1.0, (5_000, 8)), seconds(5_000)
    states = PumpStates()

    whole = fold(PumpStates(), devices, time_ns, channels)
    single = [fold(states, devices[i : i + 1], time_ns[i : i + 1], channels[i : i + 1]) for i in range(5_000)]

    assert np.concatenate(single).tobytes() == whole.tobytes()


def test_ten_thousand_pumps_fit_in_thirty_megabytes() -> None:
    states = PumpStates()
    fold(states, [f"pump-{number}" for number in range(10_000)], np.ones(10_000, np.int64), readings(10_000))

    numeric = [values for values in states.to_arrays().values() if values.dtype.kind != "U"]

    assert sum(values.nbytes for values in numeric) < 3_000 * 10_000


def test_a_history_of_thirty_thousand_readings_folds_in_seconds() -> None:
    devices = ["long-1", "long-2"] * 10_000 + [f"short-{number}" for number in range(40)] * 250
    channels = np.random.default_rng(1).normal(5.0, 1.0, (30_000, 8))

    started = time.perf_counter()
    fold(PumpStates(), devices, seconds(30_000), channels)

    assert time.perf_counter() - started < 4.0
