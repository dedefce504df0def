"""What is remembered of a device: levels that glitches do not move, a baseline that ends, sensors that are watched."""

from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S
from pdm_platform.core.signal_memory import BASELINE_READINGS, Memory, columns
from pdm_platform.core.states_table import FloatArray

LEVELS = ("short", "medium", "long", "baseline")


def empty(devices: int = 1, quantities: int = 1) -> Memory:
    """The memory of devices that were never seen; all quantities are measured ones."""
    kept = columns(quantities, quantities)
    block = np.concatenate([np.full((column.shape[0], devices), column.fresh, np.float64) for column in kept.values()])
    ends = accumulate((column.shape[0] for column in kept.values()), initial=0)
    return Memory(block, {name: slice(*place) for name, place in zip(kept, pairwise(ends), strict=True)})


def take(memory: Memory, values: FloatArray | list[float], *, since_s: float = 1.0, running: bool = True) -> Memory:
    """Take one reading of one device after the other."""
    for value in np.asarray(values, np.float64):
        since_ns = 0 if memory.seen[0, 0] == 0.0 else int(since_s * NS_PER_S)
        memory.take(np.array([[value]]), np.array([since_ns]), np.array([running]))
    return memory


def levels(memory: Memory) -> list[float]:
    return [float(getattr(memory, name)[0, 0]) for name in LEVELS]


def test_the_first_reading_is_every_level_and_has_no_scatter() -> None:
    memory = take(empty(), [4.0])

    assert levels(memory) == [4.0] * 4
    assert memory.variance[0, 0] == memory.age_h[0, 0] == 0.0
    assert memory.seen[0, 0] == memory.count[0, 0] == 1.0


@given(sound=st.lists(st.integers(2, 7), min_size=1, max_size=20), size=st.floats(-1e6, 1e6, allow_nan=False))
def test_a_glitch_among_three_readings_moves_no_level(sound: list[int], size: float) -> None:
    values = [3.0]
    for count in sound:
        values += [size] + [3.0] * count

    assert levels(take(empty(), values)) == [3.0] * 4


def test_a_step_is_taken_over_from_its_second_reading_on() -> None:
    memory = take(empty(), [1.0] * 60)

    after = [levels(take(memory, [2.0])) for _ in range(40)]

    short, medium, long, baseline = np.array(after).T
    assert short[0] == 1.0
    assert short[1] == pytest.approx(1.2)
    assert short[-1] > 1.99
    assert 1.8 < medium[-1] < short[-1]
    assert 1.5 < long[-1] < medium[-1]
    assert baseline[-1] == 1.0


def test_the_baseline_is_the_mean_of_the_first_thirty_readings_for_ever() -> None:
    values = np.random.default_rng(1).normal(5.0, 1.0, 500)
    memory = take(empty(), values[:BASELINE_READINGS])
    frozen = (memory.baseline[0, 0], memory.baseline_variance[0, 0])

    take(memory, values[BASELINE_READINGS:] + 100.0)

    assert (memory.baseline[0, 0], memory.baseline_variance[0, 0]) == frozen
    assert frozen[0] == pytest.approx(values[:BASELINE_READINGS].mean(), abs=0.5)


def test_scatter_of_noise_is_found_at_every_scale() -> None:
    noise = np.random.default_rng(1).standard_normal(2_000)

    for scale in (1e-3, 1.0, 1e3):
        memory = take(empty(), 10.0 + scale * noise)
        found = [np.sqrt(getattr(memory, name)[0, 0]) for name in ("variance", "variance_short", "baseline_variance")]
        assert found == pytest.approx([scale] * 3, rel=0.6)


def test_a_missing_value_moves_no_level_and_is_counted_as_missing() -> None:
    memory = take(empty(), [1.0, 2.0, 3.0])
    before = levels(memory)

    take(memory, [np.nan] * 60)

    assert levels(memory) == before
    assert memory.count[0, 0] == 3.0
    assert memory.seen[0, 0] == 63.0
    assert memory.missing_share[0, 0] == pytest.approx(1.0, abs=0.05)
    assert memory.last[0, 0] == 3.0


def test_a_stuck_sensor_is_one_that_repeats_itself() -> None:
    memory = take(empty(), [1.0, 2.0, 2.0, 2.0, 2.0])
    runs = memory.repeat_run[0, 0]

    take(memory, [2.0] * 60)
    share = memory.repeat_share[0, 0]
    take(memory, [2.5])

    assert runs == 3.0
    assert share == pytest.approx(1.0, abs=0.05)
    assert memory.repeat_run[0, 0] == 0.0


def test_spikes_are_counted_and_noise_is_not() -> None:
    noise = np.random.default_rng(1).normal(10.0, 1.0, 300)
    quiet = take(empty(), noise)

    spiky = noise.copy()
    spiky[100::8] = 60.0
    spiked = take(empty(), spiky)

    assert quiet.spike_share[0, 0] < 0.03
    assert spiked.spike_share[0, 0] > 0.05


def test_while_the_machine_stands_time_passes_and_nothing_else_changes() -> None:
    memory = take(empty(), np.random.default_rng(1).normal(5.0, 1.0, 50))
    before = {name: values.copy() for name, values in memory.arrays().items()}

    take(memory, [0.0] * 20, since_s=3_600.0, running=False)

    changed = {name for name, values in memory.arrays().items() if not np.array_equal(values, before[name])}
    assert changed == {"age_h", "since_run_h"}
    assert memory.age_h[0, 0] - before["age_h"][0, 0] == pytest.approx(20.0)


@pytest.mark.parametrize("interval_s", [0.2, 1.0, 3_600.0])
def test_lags_tell_how_old_what_a_level_holds_is(interval_s: float) -> None:
    memory = take(empty(), np.zeros(400), since_s=interval_s)

    hours = interval_s * NS_PER_S / NS_PER_HOUR
    assert memory.age_h[0, 0] == pytest.approx(399 * hours)
    assert memory.interval_h[0, 0] == pytest.approx(hours)
    assert memory.lag_short_h[0, 0] == pytest.approx(4 * hours)
    assert memory.lag_medium_h[0, 0] == pytest.approx(15 * hours)
    assert memory.lag_long_h[0, 0] == pytest.approx(0.2 * 399 * hours, rel=0.02)


def test_a_gap_does_not_stretch_the_interval() -> None:
    memory = take(empty(), np.zeros(100))

    take(memory, [0.0], since_s=86_400.0)

    assert memory.interval_h[0, 0] * 3_600.0 < 1.3


def test_what_is_forgotten_of_one_device_stays_known_of_the_other() -> None:
    memory = empty(devices=2)
    for second in range(40):
        memory.take(np.array([[2.0, 3.0]]), np.full(2, min(second, 1) * NS_PER_S), np.ones(2, np.bool_))

    memory.forget(np.array([True, False]))

    fresh = empty(devices=2)
    assert all(
        np.array_equal(values[:, 0], getattr(fresh, name)[:, 0], equal_nan=True)
        for name, values in memory.arrays().items()
    )
    assert memory.baseline[0, 1] == 3.0


def test_a_slice_is_a_view_and_a_mask_a_copy() -> None:
    memory = empty(devices=3)

    memory.of(slice(0, 2)).seen[...] = 7.0
    memory.of(np.array([False, False, True])).seen[...] = 9.0

    assert memory.seen.tolist() == [[7.0, 7.0, 0.0]]
