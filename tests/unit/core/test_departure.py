"""What is novel for a device that was only watched: steps, drifts, glitches, returns."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdm_platform.contract.times import NS_PER_S
from pdm_platform.core import signals
from pdm_platform.core.departure import Departure, DepartureStates, Settings, columns_of, contract_of, fold
from pdm_platform.core.signals import SignalSpec, SignalStates
from pdm_platform.core.states_table import BoolArray, FloatArray, IntArray

SPEC = SignalSpec(channels=("vibration", "flow"), running=lambda channels: ~(channels[1] == 0.0))
LEARN = 100
# a hundred readings have not shown everything: a wider limit than for a device that was learnt for longer
LIMIT = 2.4
SETTINGS = Settings(learn_readings=LEARN, limit=LIMIT, relative_floor=(0.06, 0.0))


class Signals(SignalStates):
    SPEC = SPEC
    CONTRACT = SPEC.contract
    COLUMNS = signals.columns_of(SPEC)


class Departures(DepartureStates):
    SPEC = SPEC
    CONTRACT = contract_of(SPEC)
    COLUMNS = columns_of(SPEC)


class Device(NamedTuple):
    """A device that was watched, its states kept between calls."""

    signals: Signals
    departures: Departures

    def tell(self, channels: FloatArray, first: int = 0, maintained_ns: IntArray | None = None) -> Departure:
        time_ns = (first + np.arange(len(channels))) * NS_PER_S
        ids = ["d"] * len(channels)
        features = signals.fold(self.signals, ids, time_ns, channels, maintained_ns=maintained_ns)
        return fold(self.departures, ids, time_ns, features, SETTINGS)


def device() -> Device:
    return Device(Signals(), Departures())


def healthy(readings: int, seed: int = 1) -> FloatArray:
    return np.array([2.0, 30.0]) + np.array([0.1, 1.0]) * np.random.default_rng(seed).standard_normal((readings, 2))


def test_nothing_is_said_while_a_device_is_learnt() -> None:
    channels = healthy(LEARN)
    channels[60:] *= 5.0

    told = device().tell(channels)

    assert np.isnan(told.novelty).all()
    assert not told.novel.any()


def test_a_healthy_device_stays_below_the_limit() -> None:
    told = device().tell(healthy(1_000))

    assert told.novel.mean() < 0.01
    assert np.nanmedian(told.novelty) < 0.5


def test_a_step_is_novel_within_ten_readings_and_stays_so() -> None:
    channels = healthy(600)
    channels[300:, 0] += 0.8

    told = device().tell(channels)

    assert not told.novel[:300].any()
    assert told.novel[310:].all()
    assert (told.novelty[310:] > 1.0).mean() > 0.9


def test_a_drop_of_one_quantity_is_as_novel_as_a_rise() -> None:
    channels = healthy(600)
    channels[300:, 1] -= 8.0

    assert device().tell(channels).novel[310:].all()


def test_a_drift_slow_against_the_time_constant_is_followed() -> None:
    channels = healthy(2_000)
    channels[LEARN:, 0] += np.linspace(0.0, 0.25, 2_000 - LEARN)

    assert not device().tell(channels).novel.any()


def test_a_lone_glitch_is_not_novel() -> None:
    channels = healthy(400)
    channels[300] = [40.0, 500.0]

    assert not device().tell(channels).novel.any()


def test_an_episode_ends_some_readings_after_the_device_returned() -> None:
    channels = healthy(600)
    channels[300:400, 0] += 2.0

    told = device().tell(channels)

    assert told.novel[310:400].all()
    assert told.novel[400 : 400 + SETTINGS.hold_readings].all()
    assert not told.novel[500:].any()


def test_where_a_device_rests_after_most_of_the_way_back_is_its_new_normal() -> None:
    channels = healthy(800)
    channels[300:400, 0] += 4.0
    channels[400:, 0] += 0.4

    told = device().tell(channels)

    assert told.novel[310:400].all()
    assert not told.novel[500:].any()
    assert np.median(told.novelty[500:]) < 0.5


def test_a_fault_that_stays_is_not_learnt() -> None:
    channels = healthy(1_500)
    channels[300:, 0] += 0.8

    assert device().tell(channels).novel[310:].all()


def test_a_standing_machine_changes_nothing_and_an_episode_outlasts_it() -> None:
    channels = healthy(600)
    channels[300:, 0] += 2.0
    channels[320:420] = [0.0, 0.0]

    told = device().tell(channels)

    assert told.novel[310:].all()


def test_after_maintenance_a_device_is_learnt_anew() -> None:
    channels = healthy(600)
    channels[300:, 0] += 2.0
    maintained_ns = np.where(np.arange(600) < 400, 0, 400 * NS_PER_S)

    told = device().tell(channels, maintained_ns=maintained_ns)

    assert told.novel[310:400].all()
    assert np.isnan(told.novelty[400 : 400 + LEARN]).all()
    assert not told.novel[400:].any()


def test_a_quantity_that_never_comes_or_never_moves_does_not_hide_the_other() -> None:
    for dull in (np.nan, 7.0):
        channels = healthy(400)
        channels[:, 1] = dull
        quiet = device().tell(channels)
        channels[300:, 0] += 2.0
        told = device().tell(channels)

        assert not quiet.novel.any()
        assert told.novel[310:].all()


def test_a_sensor_that_falls_silent_is_no_departure() -> None:
    channels = healthy(600)
    channels[300:, 1] = np.nan

    assert not device().tell(channels).novel.any()


def test_a_floor_keeps_small_departures_from_being_novel() -> None:
    channels = healthy(600)
    channels[300:, 0] += 0.8
    time_ns, ids = np.arange(600) * NS_PER_S, ["d"] * 600
    features = signals.fold(Signals(), ids, time_ns, channels)

    for wide in (
        Settings(LEARN, limit=LIMIT, floor=(1.0, 0.0)),
        Settings(LEARN, limit=LIMIT, relative_floor=(0.5, 0.0)),
    ):
        assert not fold(Departures(), ids, time_ns, features, wide).novel.any()


def test_late_readings_are_judged_and_change_nothing() -> None:
    channels, one = healthy(400), device()
    one.tell(channels)
    before = {name: values.copy() for name, values in one.departures.to_arrays().items()}

    told = one.tell(channels[:50] * 10.0, first=100)

    assert np.isfinite(told.novelty).all()
    assert all(np.array_equal(values, before[name]) for name, values in one.departures.to_arrays().items())


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"features have shape \(2, 3\)"):
        fold(Departures(), ["a", "b"], np.arange(2), np.zeros((2, 3), np.float32), SETTINGS)


def test_no_readings_tell_nothing() -> None:
    empty = fold(Departures(), [], np.empty(0, np.int64), np.empty((0, len(SPEC.feature_names)), np.float32), SETTINGS)

    assert empty.novelty.shape == empty.novel.shape == (0,)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(-1, 2), st.booleans()), min_size=1, max_size=150),
    st.lists(st.integers(0, 150), max_size=6),
    st.integers(0, 9),
)
def test_batching_never_shows(readings: list[tuple[str, int, bool]], cuts: list[int], seed: int) -> None:
    ids = [name for name, _, _ in readings]
    time_ns = np.cumsum([step for _, step, _ in readings]).astype(np.int64) * NS_PER_S
    moved: BoolArray = np.array([moves for _, _, moves in readings])
    channels = healthy(len(ids), seed) + moved[:, None]
    features = signals.fold(Signals(), ids, time_ns, channels)
    short = Settings(learn_readings=5, hold_readings=2, limit=1.0)
    whole = fold(Departures(), ids, time_ns, features, short)

    states, parts, bounds = Departures(), [], sorted(min(cut, len(ids)) for cut in cuts)
    for start, stop in zip([0, *bounds], [*bounds, len(ids)], strict=True):
        parts.append(fold(states, ids[start:stop], time_ns[start:stop], features[start:stop], short))
        states = Departures.from_arrays(states.to_arrays())

    assert np.array_equal(np.concatenate([part.novelty for part in parts]), whole.novelty, equal_nan=True)
    assert np.array_equal(np.concatenate([part.novel for part in parts]), whole.novel)
