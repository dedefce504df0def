"""The fold that training and serving share, for a device of any kind: batching never shows, late is late."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S
from pdm_platform.core import signals
from pdm_platform.core.signals import SignalSpec, SignalStates, fold
from pdm_platform.core.states_table import SnapshotError

SPEC = SignalSpec(
    channels=("flow", "load"),
    derived=("flow_per_load",),
    derive=lambda channels: (channels[0] / channels[1])[None],
    running=lambda channels: ~(channels[1] == 0.0),
)
OF_TIME = {"interval_s", "age_hours", "lag_short_hours", "lag_medium_hours", "lag_long_hours"}


class States(SignalStates):
    SPEC = SPEC
    CONTRACT = SPEC.contract
    COLUMNS = signals.columns_of(SPEC)


History = tuple[list[str], np.ndarray, np.ndarray, np.ndarray, list[int]]


def seconds(count: int, interval_s: float = 1.0) -> np.ndarray:
    return (np.arange(count) * interval_s * NS_PER_S).astype(np.int64)


def noisy(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal([10.0, 4.0], [1.0, 0.2], (count, 2))


def told(rows: np.ndarray, name: str) -> np.ndarray:
    return rows[:, SPEC.feature_names.index(name)]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Devices, times with gaps, repeats and late ones, missing values, stops, maintenance, and where batches end."""
    count = draw(st.integers(0, 90))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shares = draw(st.sampled_from([(0.25,) * 4, (0.85, 0.05, 0.05, 0.05)]))
    devices = random.choice(["a", "b", "c", "d"], count, p=shares)
    steps = random.choice([0, 1, 7_000_000, NS_PER_S, 30 * NS_PER_S, NS_PER_HOUR, -NS_PER_S], count)
    channels = random.normal(3.0, random.choice([0.0, 1e-3, 10.0]), (count, 2))
    channels[random.random((count, 2)) < draw(st.sampled_from([0.0, 0.1, 0.9]))] = np.nan
    channels[random.random((count, 2)) < 0.1] = random.choice([0.0, -0.0, np.inf])
    times = np.cumsum(steps).astype(np.int64) + 10**18
    maintained = np.where(random.random(count) < draw(st.sampled_from([0.0, 0.1])), times - NS_PER_S, 0)
    cuts = sorted(draw(st.lists(st.integers(0, count), max_size=10)))
    return devices.tolist(), times, channels, maintained, cuts


@settings(max_examples=100, deadline=None)
@given(histories())
def test_one_fold_many_folds_and_device_by_device_agree_bit_for_bit(history: History) -> None:
    devices, time_ns, channels, maintained, cuts = history
    whole = fold(States(), devices, time_ns, channels, maintained_ns=maintained)

    states, parts = States(), [np.empty((0, len(SPEC.feature_names)), np.float32)]
    for start, stop in zip([0, *cuts], [*cuts, len(devices)], strict=True):
        now = slice(start, stop)
        parts.append(fold(states, devices[now], time_ns[now], channels[now], maintained_ns=maintained[now]))
        states = States.from_arrays(states.to_arrays())
    alone = np.empty_like(whole)
    for device in set(devices):
        rows = np.flatnonzero(np.array(devices) == device)
        own = [device] * len(rows)
        alone[rows] = fold(States(), own, time_ns[rows], channels[rows], maintained_ns=maintained[rows])

    assert np.concatenate(parts).tobytes() == whole.tobytes() == alone.tobytes()


@settings(max_examples=50, deadline=None)
@given(histories())
def test_no_feature_is_infinite(history: History) -> None:
    devices, time_ns, channels, _, _ = history

    rows = fold(States(), devices, time_ns, channels)

    assert not np.isinf(rows).any(), [SPEC.feature_names[place] for place in np.argwhere(np.isinf(rows))[:, 1]]
    assert rows.shape == (len(devices), len(SPEC.feature_names))


def test_what_is_late_or_delivered_again_changes_no_state() -> None:
    states, channels = States(), noisy(40)
    rows = fold(states, ["d"] * 40, seconds(40), channels)
    before = states.to_arrays()

    late = np.stack([channels[39], [99.0, 1.0], channels[0]])
    again = fold(states, ["d"] * 3, seconds(40)[[39, 12, 0]], late)

    after = states.to_arrays()
    assert all(np.array_equal(before[name], after[name], equal_nan=before[name].dtype.kind == "f") for name in before)
    assert again[1, :2].tolist() == [99.0, 1.0]
    assert told(again, "flow_level").tolist() == [told(rows, "flow_level")[-1]] * 3


def test_a_device_that_was_maintained_starts_anew_as_if_it_had_never_been_seen() -> None:
    channels = noisy(100)
    maintained_ns = np.where(np.arange(100) < 60, 0, seconds(100)[60])

    rows = fold(States(), ["d"] * 100, seconds(100), channels, maintained_ns=maintained_ns)

    anew = fold(States(), ["d"] * 40, seconds(100)[60:], channels[60:])
    assert rows[60:].tobytes() == anew.tobytes()


def test_a_maintenance_that_is_told_again_or_no_more_changes_nothing() -> None:
    channels = noisy(90)
    once = np.where(np.arange(90) == 30, 5, 0)

    rows = fold(States(), ["d"] * 90, seconds(90), channels, maintained_ns=once)

    for later in (np.where(np.arange(90) >= 30, 5, 0), np.where(np.arange(90) % 30 == 0, 5, 0)):
        again = fold(States(), ["d"] * 90, seconds(90), channels, maintained_ns=later)
        assert again[60:].tobytes() == (rows if later[0] == 0 else again)[60:].tobytes()
        assert told(again, "readings_seen")[-1] == 30.0


def test_maintenance_of_one_device_is_not_that_of_another() -> None:
    devices, channels = ["a", "b"] * 40, noisy(80)
    maintained_ns = np.where((np.arange(80) >= 60) & (np.arange(80) % 2 == 0), 7, 0)

    rows = fold(States(), devices, seconds(80), channels, maintained_ns=maintained_ns)

    assert told(rows, "readings_seen")[[-2, -1]].tolist() == [10.0, 30.0]


def test_what_has_no_unit_of_time_is_the_same_at_every_speed() -> None:
    channels = noisy(200) * np.linspace(1.0, 2.0, 200)[:, None]
    scale_free = [place for place, name in enumerate(SPEC.feature_names) if name not in OF_TIME]

    fast, slow = (fold(States(), ["d"] * 200, seconds(200, step), channels) for step in (1.0, 10.0))

    np.testing.assert_allclose(fast[:, scale_free], slow[:, scale_free], rtol=1e-4, atol=1e-6)
    assert told(slow, "interval_s")[-1] == pytest.approx(10.0)
    assert told(slow, "age_hours")[-1] == pytest.approx(10.0 * told(fast, "age_hours")[-1])


def test_a_quantity_that_is_derived_is_watched_like_a_measured_one() -> None:
    channels = np.concatenate([np.full((40, 2), 2.0), np.tile([3.0, 2.0], (40, 1))])

    rows = fold(States(), ["d"] * 80, seconds(80), channels)

    assert told(rows, "flow_per_load_change")[-1] == pytest.approx(0.5, abs=0.01)
    assert told(rows, "load_change")[-1] == 0.0


def test_progress_is_what_a_straight_line_gained_since_the_first_reading() -> None:
    channels = np.tile((10.0 + np.arange(200) * 0.1)[:, None], 2)

    rows = fold(States(), ["d"] * 200, seconds(200), channels)

    gained = (channels[-1, 0] - channels[0, 0]) / told(rows, "flow_baseline")[-1]
    assert told(rows, "flow_progress")[-1] == pytest.approx(gained, rel=0.1)


def test_while_the_machine_stands_its_levels_stay_and_it_says_so() -> None:
    channels = np.concatenate([np.full((40, 2), 5.0), np.zeros((10, 2)), np.full((1, 2), 5.0)])

    rows = fold(States(), ["d"] * 51, seconds(51), channels)

    assert told(rows, "running").tolist() == [1.0] * 40 + [0.0] * 10 + [1.0]
    assert (told(rows, "flow_level")[40:] == 5.0).all()


def test_a_channel_that_is_never_known_has_no_level_and_disturbs_no_other() -> None:
    channels = noisy(50)
    without = channels.copy()
    without[:, 0] = np.nan

    rows = fold(States(), ["d"] * 50, seconds(50), without)

    assert np.isnan(told(rows, "flow_level")).all()
    assert np.isnan(told(rows, "flow_change")).all()
    whole = fold(States(), ["d"] * 50, seconds(50), channels)
    assert told(rows, "load_z").tolist() == told(whole, "load_z").tolist()
    assert told(rows, "flow_missing_share")[-1] > 0.9


def test_infinities_are_missing_values() -> None:
    missing, infinite = noisy(20), noisy(20)
    missing[5, 0], infinite[5, 0] = np.nan, -np.inf

    both = [fold(States(), ["d"] * 20, seconds(20), channels) for channels in (missing, infinite)]

    assert both[0].tobytes() == both[1].tobytes()


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"channels have shape \(2, 3\), expected \(2, 2\)"):
        fold(States(), ["a", "b"], seconds(2), np.zeros((2, 3)))


def test_no_readings_give_no_rows() -> None:
    assert fold(States(), [], seconds(0), np.empty((0, 2))).shape == (0, len(SPEC.feature_names))


def test_a_memory_of_another_meaning_is_refused() -> None:
    states = States()
    fold(states, ["d"], seconds(1), noisy(1))
    arrays = {**states.to_arrays(), "contract": np.array(SignalSpec(("flow", "load"), version="2").contract)}

    with pytest.raises(SnapshotError, match="was made under contract"):
        States.from_arrays(arrays)


def test_the_contract_follows_the_names_and_the_version() -> None:
    specs = [
        SPEC,
        SignalSpec(("flow", "load")),
        SignalSpec(("flow", "load"), version="2"),
        SignalSpec(("load", "flow")),
        SignalSpec(("flow", "load"), extra=("zone",)),
    ]

    assert len({spec.contract for spec in specs}) == len(specs)
    assert all(len(set(spec.feature_names)) == len(spec.feature_names) for spec in specs)
