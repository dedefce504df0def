"""What is believed of a pump: single readings that flicker do not show, a change that lasts does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdm_platform.core.belief import BeliefStates, fold
from pdm_platform.core.states_table import FloatArray

HEALTHY, WARNING = 0, 1


def believed(states: list[int], time_ns: list[int] | None = None) -> FloatArray:
    """Probabilities of the states believed of one pump, of which a model says these without a doubt."""
    times = np.arange(len(states)) if time_ns is None else np.array(time_ns, np.int64)
    modes = np.zeros((len(states), 9))
    return fold(BeliefStates(), ["p"] * len(states), times, np.eye(4)[states], modes)[0]


def test_the_first_reading_is_believed() -> None:
    assert believed([WARNING]).tolist() == [[0.0, 1.0, 0.0, 0.0]]


def test_one_flicker_of_a_pump_watched_long_is_not_believed_and_a_lasting_change_is() -> None:
    flicker = believed([HEALTHY] * 1_000 + [WARNING] + [HEALTHY] * 5)
    lasting = believed([HEALTHY] * 1_000 + [WARNING] * 100)

    assert (np.argmax(flicker, axis=1) == HEALTHY).all()
    assert (np.argmax(lasting[:1_003], axis=1) == HEALTHY).all()
    assert (np.argmax(lasting[1_020:], axis=1) == WARNING).all()


def test_the_longer_a_pump_was_watched_the_longer_a_change_must_last() -> None:
    needed = [
        int(np.argmax(np.argmax(believed([HEALTHY] * watched + [WARNING] * 200)[watched:], axis=1) == WARNING))
        for watched in (20, 1_000, 5_000)
    ]

    assert needed == sorted(set(needed))
    assert needed[0] <= 1


def test_states_and_modes_are_averaged_alike() -> None:
    draw = np.random.default_rng(1)
    said = draw.dirichlet(np.ones(4), 300)
    modes = np.concatenate([said, np.zeros((300, 5))], axis=1)

    of_states, of_modes = fold(BeliefStates(), ["p"] * 300, np.arange(300), said, modes)

    np.testing.assert_allclose(of_states, of_modes[:, :4])
    assert of_states.sum(axis=1) == pytest.approx(1.0)


def test_a_late_reading_is_told_what_is_believed_now_and_changes_nothing() -> None:
    found = believed([HEALTHY, HEALTHY, WARNING, WARNING, HEALTHY], [1, 5, 3, 5, 6])

    assert found.tolist() == [[1.0, 0.0, 0.0, 0.0]] * 5


def test_of_a_pump_that_lives_anew_what_was_believed_before_is_forgotten() -> None:
    said = np.eye(4)[[WARNING] * 1_000 + [HEALTHY] * 5]
    anew = np.arange(1_005) == 1_000

    of_states, _ = fold(BeliefStates(), ["p"] * 1_005, np.arange(1_005), said, np.zeros((1_005, 9)), anew=anew)

    assert np.argmax(of_states, axis=1).tolist() == [WARNING] * 1_000 + [HEALTHY] * 5


@settings(deadline=None)
@given(
    readings=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(-1, 2)), max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=5),
)
def test_batching_never_shows(readings: list[tuple[str, int, int]], cuts: list[int]) -> None:
    devices = [device for device, _, _ in readings]
    said = np.eye(4)[[state for _, state, _ in readings]].reshape(-1, 4)
    modes = np.eye(9)[[state for _, state, _ in readings]].reshape(-1, 9)
    time_ns = np.cumsum([step for _, _, step in readings]).astype(np.int64)
    whole = np.concatenate(fold(BeliefStates(), devices, time_ns, said, modes), axis=1)

    states, parts, bounds = BeliefStates(), [], sorted(min(cut, len(readings)) for cut in cuts)
    for start, stop in zip([0, *bounds], [*bounds, len(readings)], strict=True):
        now = slice(start, stop)
        parts.append(np.concatenate(fold(states, devices[now], time_ns[now], said[now], modes[now]), axis=1))
        states = BeliefStates.from_arrays(states.to_arrays())

    assert np.concatenate(parts).tobytes() == whole.tobytes()
