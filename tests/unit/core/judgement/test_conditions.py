"""Disturbances, lying sensors, leaks and simple rules."""

from itertools import count

import numpy as np
import pytest

from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.core.judgement.baselines import FOREST_ROWS, iso_zones, majority, random_forest
from pdm_platform.core.judgement.conditions import judge_conditions
from pdm_platform.core.judgement.leaks import leaked
from pdm_platform.core.judgement.verdicts import Verdicts
from tests.unit.core.judgement.builders import FAULTY, HEALTHY, changed, life, together, told_as


def marked(verdicts: Verdicts, field: str, name: str, rows: range) -> Verdicts:
    values = np.full(len(verdicts), "", dtype="<U40")
    values[list(rows)] = name
    return changed(verdicts, truth={field: values})


def told_faulty(verdicts: Verdicts, rows: range) -> Verdicts:
    states = verdicts.truth.state_index.copy()
    states[list(rows)] = FAULTY
    return told_as(verdicts, states)


def test_a_disturbance_that_makes_the_state_lie_is_seen_beside_undisturbed_readings() -> None:
    hot = marked(told_faulty(life(wearing=False), range(10, 15)), "disturbance", "heatwave", range(10, 20))

    (found,) = judge_conditions(hot).disturbances

    assert (found.name, found.readings, found.lives) == ("heatwave", 10, 1)
    assert (found.worse, found.worse_without, found.much_worse) == (0.5, 0.0, 0.5)


def test_a_condition_is_compared_with_the_same_lives_and_states_only() -> None:
    # the other pump's readings are always told wrong, but it never had the condition
    liar = told_faulty(life("b", wearing=False), range(100))
    hot = marked(life("a", wearing=False), "disturbance", "heatwave", range(10, 20))

    (found,) = judge_conditions(together(hot, liar)).disturbances

    assert (found.worse, found.worse_without) == (0.0, 0.0)


def test_a_state_in_which_the_life_was_never_undisturbed_has_nothing_to_compare_with() -> None:
    hot = marked(told_faulty(life("a"), range(5)), "disturbance", "heatwave", range(5, 30))
    whole = told_faulty(marked(life("b"), "disturbance", "heatwave", range(100)), range(100))

    (found,) = judge_conditions(together(hot, whole)).disturbances

    assert found.worse == 0.0
    assert found.worse_without == pytest.approx(20 / 25)  # all five plain readings of HEALTHY lied, of WARNING none


def test_a_warning_raised_once_the_pump_is_truly_faulty_is_meant_for_the_pump() -> None:
    turned = marked(life(readings=101), "sensor_fault", "rpm:drift", range(40, 80))  # FAULTY from 65 on, raised at 67

    found = judge_conditions(turned).all_episodes

    assert (found.judged, found.mistaken) == (1, 0)


def test_a_lying_sensor_that_raises_a_warning_was_taken_for_the_machine() -> None:
    lied = marked(told_faulty(life(), range(10, 15)), "sensor_fault", "temperature:bias", range(8, 18))

    found = judge_conditions(lied)

    assert [each.name for each in found.sensor_faults] == ["bias"]
    assert (found.all_episodes.episodes, found.all_episodes.judged, found.all_episodes.mistaken) == (1, 1, 1)
    assert found.all_episodes.mistaken_share == 1.0


def test_a_warning_before_the_sensor_lied_or_of_a_faulty_pump_is_not_its_doing() -> None:
    before = marked(told_faulty(life(), range(5, 20)), "sensor_fault", "current:drift", range(8, 18))
    worn = marked(life(), "sensor_fault", "current:drift", range(60, 80))  # FAULTY truly from 65, below 50 % health

    assert judge_conditions(before).all_episodes.mistaken == 0
    assert judge_conditions(worn).all_episodes.judged == 0


def test_a_lying_sensor_is_called_one_by_three_readings() -> None:
    whole = marked(life(wearing=False), "sensor_fault", "rpm:freeze", range(10, 20))
    sure, hesitant = np.zeros(100), np.zeros(100)
    sure[12:15], hesitant[12:14] = 0.5, 0.9

    called = judge_conditions(changed(whole, told={"sensor_fault_probability": sure}))
    not_called = judge_conditions(changed(whole, told={"sensor_fault_probability": hesitant}))

    assert (called.all_episodes.called_share, called.false_calls_per_pump_day) == (1.0, 0.0)
    assert not_called.all_episodes.called_share == 0.0
    assert [(each.kind, each.called) for each in called.episodes] == [("freeze", 1)]


def test_calls_of_a_sensor_that_tells_the_truth_are_counted_by_day() -> None:
    probability = np.zeros(97)
    probability[[3, 4, 5, 30, 31, 50, 51, 52, 53]] = 0.9
    found = judge_conditions(changed(life(readings=97), told={"sensor_fault_probability": probability}))

    assert found.false_calls_per_pump_day == pytest.approx(2 / 4)
    silent = changed(life(), told={"sensor_fault_probability": np.full(100, np.nan)})
    assert np.isnan(judge_conditions(silent).false_calls_per_pump_day)


def test_episodes_end_with_the_fault_the_channel_and_the_life() -> None:
    first = marked(life("a"), "sensor_fault", "rpm:bias", range(90, 100))
    faults = np.full(100, "", dtype="<U40")
    faults[:5], faults[5:9], faults[20:22] = "rpm:bias", "current:bias", "rpm:bias"

    found = judge_conditions(together(first, changed(life("b"), truth={"sensor_fault": faults}))).all_episodes

    assert (found.episodes, found.tellable) == (4, 3)


def test_nothing_happened_is_empty_and_unknown() -> None:
    found = judge_conditions(life())

    assert (found.disturbances, found.sensor_faults, found.episodes) == ([], [], [])
    assert np.isnan([found.all_episodes.mistaken_share, found.all_episodes.called_share]).all()


def rows_of(seed: int, rows: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 8))


def test_other_pumps_leak_nothing() -> None:
    assert leaked(["a"], rows_of(1), ["b"], rows_of(2)) == (0, 0)


def test_a_device_on_both_sides_is_a_leak() -> None:
    leak = leaked(["a", "b", "b"], rows_of(1), ["b", "c"], rows_of(2))

    assert (leak.devices, leak.total) == (1, 1)
    assert leak._replace(rows=3).total == 4


def test_a_pump_that_was_renamed_is_known_by_its_readings() -> None:
    train, unseen = rows_of(1), rows_of(2)
    train[::7], unseen[::5] = np.nan, 0.0
    train[3, 2] = np.nan
    planted = np.concatenate([unseen, train[3:6], -0.0 * np.ones((1, 8))])

    leak = leaked(["a"], np.concatenate([train, np.zeros((1, 8))]), ["renamed"], planted)

    assert leak.devices == 0
    assert leak.rows == 3 + 1 + len(unseen[::5])


def test_rows_of_which_little_is_known_are_alike_without_a_leak() -> None:
    silent = np.full((4, 8), np.nan)
    silent[:, 0] = 1.0

    assert leaked(["a"], silent, ["b"], silent).total == 0


def test_other_features_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="8 features in training, but 7 unseen"):
        leaked(["a"], rows_of(1), ["b"], rows_of(2)[:, :7])


def test_the_majority_of_training_is_told_to_all() -> None:
    found = majority(np.array([0, 2, 2]), 3, np.array([1, 4, 4, -1]))

    assert found.told.state_index.tolist() == [2, 2, 2]
    assert found.told.mode_index.tolist() == [4, 4, 4]
    assert majority(np.array([0]), 2).told.mode_index.tolist() == [-1, -1]


def test_zones_of_iso_10816_7_are_states_and_cost_is_told_by_row() -> None:
    ticks = count()
    found = iso_zones(np.array([1.0, 4.0, 6.0, 9.0]), clock=lambda: float(next(ticks)))

    assert found.told.state_index.tolist() == [0, 1, 2, 3]
    assert (found.fit_s, found.predict_us) == (0.0, 250_000.0)


def test_the_forest_learns_states_and_modes_from_raw_channels_gaps_included() -> None:
    draw = np.random.default_rng(1)
    channels = draw.normal(size=(400, 8))
    channels[::9, 7] = np.nan
    states, modes = (channels[:, 0] > 0).astype(np.int64) * 3, np.where(channels[:, 1] > 0, 4, -1)
    ticks = count()

    found = random_forest(
        channels, states, channels[:50], train_mode_index=modes, clock=lambda: float(next(ticks)), seed=1
    )

    assert (found.told.state_index == states[:50]).mean() > 0.9
    assert found.told.mode_probabilities.shape == (50, len(MODE_CLASSES))
    assert set(found.told.mode_index.tolist()) == {4}
    assert (found.fit_s, found.predict_us) == (1.0, 20_000.0)
    assert FOREST_ROWS >= 400


def test_a_forest_that_saw_healthy_pumps_only_tells_nothing_else() -> None:
    found = random_forest(rows_of(1), np.full(50, HEALTHY), rows_of(2), clock=lambda: 0.0)

    assert found.told.state_probabilities[:, HEALTHY].tolist() == [1.0] * 50
