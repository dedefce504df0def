"""Which pumps teach and which judge, how fast they lived, and how many rows each gives."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import TrainingError
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.core.lives import SPEEDS, Lives, evenly, speed_index, speed_of, speeds_of, split_by_pump

INTERVAL_S = {"stress": 1, "accelerated": 2, "nominal": 10}
MODES = ("bearing_wear", "cavitation", "unbalance")


def pumps(**counts: int) -> dict[str, str]:
    """Speeds of so many devices of each."""
    return {f"{speed}-{number}": speed for speed, count in counts.items() for number in range(count)}


def times(interval_s: float, readings: int = 20) -> np.ndarray:
    return (np.arange(readings) * interval_s * NS_PER_S).astype(np.int64)


@pytest.mark.parametrize(("interval_s", "speed"), [(0.2, "stress"), (1, "stress"), (2, "accelerated"), (10, "nominal")])
def test_speed_follows_the_sampling_interval_and_ignores_a_gap(interval_s: float, speed: str) -> None:
    time_ns = times(interval_s)
    time_ns[10:] += 3_600 * NS_PER_S

    assert speed_of(time_ns) == speed
    assert speed_of(time_ns[::-1]) == speed


def test_what_has_no_interval_counts_as_nominal() -> None:
    assert speed_of(np.array([5])) == "nominal"
    assert SPEEDS[speed_index(np.array([np.nan]))[0]] == "nominal"


def test_speeds_are_told_device_by_device_from_interleaved_rows() -> None:
    devices = np.repeat(["b", "a"], 20)
    time_ns = np.concatenate([times(10), times(1)])
    mixed = np.argsort(time_ns, kind="stable")

    assert speeds_of(devices[mixed], time_ns[mixed]) == {"a": "stress", "b": "nominal"}
    assert list(speeds_of(devices[mixed], time_ns[mixed])) == ["a", "b"]


@given(
    counts=st.fixed_dictionaries({speed: st.integers(0, 9) for speed in INTERVAL_S}).filter(
        lambda counts: max(counts.values()) > 1
    ),
    seed=st.integers(0, 2**32),
    share=st.floats(0.05, 0.95),
)
def test_the_split_keeps_pumps_apart_and_every_speed_on_both_sides(
    counts: dict[str, int], seed: int, share: float
) -> None:
    speeds = pumps(**counts)

    seen, unseen = split_by_pump(speeds, unseen_share=share, seed=seed)

    assert not set(seen) & set(unseen)
    assert sorted(seen + unseen) == sorted(speeds)
    assert (seen, unseen) == (sorted(seen), sorted(unseen))
    for speed, count in counts.items():
        sides = [any(device.startswith(speed) for device in side) for side in (seen, unseen)]
        assert sides == [count > 0, count > 1]


@given(st.data(), st.integers(2, 40), st.integers(0, 2**32), st.floats(0.1, 0.9))
def test_modes_are_spread_evenly_over_both_sides(data: st.DataObject, count: int, seed: int, share: float) -> None:
    speeds = pumps(stress=count)
    modes = {device: data.draw(st.sampled_from(MODES)) for device in speeds}

    seen, unseen = split_by_pump(speeds, modes=modes, unseen_share=share, seed=seed)

    held = len(unseen) / count
    found = Counter(modes[device] for device in unseen)
    assert all(abs(found[mode] - held * pumps) < 1.0 for mode, pumps in Counter(modes.values()).items())
    assert len(seen) + len(unseen) == count


def test_the_same_seed_splits_alike_whatever_the_order_and_another_does_not() -> None:
    speeds = pumps(stress=20)
    backwards = dict(reversed(speeds.items()))

    assert split_by_pump(speeds, seed=1) == split_by_pump(backwards, seed=1)
    assert split_by_pump(speeds, seed=1) != split_by_pump(speeds, seed=2)
    assert len(split_by_pump(speeds, seed=1)[1]) == 6


@pytest.mark.parametrize("counts", [{}, {"stress": 1}, {"stress": 1, "nominal": 1}])
def test_pumps_that_cannot_be_divided_are_refused_saying_how_many(counts: dict[str, int]) -> None:
    with pytest.raises(TrainingError, match=rf"{len(pumps(**counts))} pump\(s\)"):
        split_by_pump(pumps(**counts), seed=1)


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=6), rows=st.integers(1, 20), seed=st.integers(0, 2**32 - 1)
)
def test_every_cell_gives_as_many_rows_spread_over_its_own(counts: list[int], rows: int, seed: int) -> None:
    cell = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))

    chosen = evenly(cell, rows)

    assert np.bincount(cell[chosen]).tolist() == [rows] * len(counts)
    for number, count in enumerate(counts):
        own = chosen[cell[chosen] == number]
        assert (np.diff(own) >= 0).all(), "in the order of time"
        assert len(set(own.tolist())) == min(rows, count), "none is repeated before all were given"


def test_nothing_gives_nothing() -> None:
    assert evenly(np.empty(0, np.int64), 5).tolist() == []


def test_rows_of_some_devices_keep_their_order(lives: Lives) -> None:
    chosen = lives.of(["life-stress-1", "life-nominal-0", "not-there"])

    assert sorted(set(chosen.device_ids.tolist())) == ["life-nominal-0", "life-stress-1"]
    assert len(chosen) == (np.isin(lives.device_ids, ["life-stress-1", "life-nominal-0"])).sum()
    assert chosen.time_ns.tolist() == lives.time_ns[np.isin(lives.device_ids, chosen.device_ids)].tolist()


def test_the_channel_that_lies_is_told_by_its_number(lives: Lives) -> None:
    faults = np.array(["", "rpm:freeze", "vibration_x:drift", "clock:clock_skew", "temperature"])
    found = replace(lives.rows(np.arange(5)), sensor_fault=faults).faulty_channel

    assert found.tolist() == [0, 1 + CHANNEL_NAMES.index("rpm"), 1, 0, 1 + CHANNEL_NAMES.index("temperature")]
