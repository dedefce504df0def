"""Unseen lives told as the service would tell them, and what the judgement makes of that."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from pdm_platform.contract.failure_modes import MODE_CLASSES, FailureMode
from pdm_platform.core import alarms, monitoring
from pdm_platform.core.judgement.figures import metrics
from pdm_platform.core.judgement.judge import Judgement
from pdm_platform.core.judgement.replay import assess, baselines_of, replayed, training_of, truth_of
from pdm_platform.core.lives import Lives
from pdm_platform.core.monitoring import FleetState
from pdm_platform.core.promotion import gates
from pdm_platform.core.serving import ServingModel
from pdm_platform.core.states_table import IntArray
from tests.small_fleet import steady_lives

SOME = ("life-accelerated-0", "life-nominal-1", "life-stress-0", "life-stress-1")


def sorted_lives(lives: Lives) -> Lives:
    """Rows by device, then time, as the judgement takes them."""
    chosen = lives.of(SOME)
    return chosen.rows(np.lexsort((chosen.time_ns, chosen.device_ids)))


def renamed(lives: Lives) -> Lives:
    return replace(lives, device_ids=np.char.add("new-", lives.device_ids))


def ticks() -> float:
    return float(next(_COUNT))


_COUNT = itertools.count()


@pytest.fixture(scope="module")
def unknown(unseen: Lives) -> Lives:
    """Unseen lives under names that training does not have."""
    return renamed(sorted_lives(unseen))


@pytest.fixture(scope="module")
def judged(served: ServingModel, lives: Lives, unknown: Lives) -> Judgement:
    return assess(served, lives, unknown, seed=1, clock=ticks)


def test_history_is_told_as_the_service_told_it_live(served: ServingModel, unknown: Lives) -> None:
    verdicts = replayed(served, unknown)

    live, state = np.argsort(unknown.time_ns, kind="stable"), FleetState.empty()
    told = np.empty(len(unknown))
    raised: list[tuple[str, int, int]] = []
    for batch in np.array_split(live, 7):
        rows, devices = unknown.rows(batch), unknown.device_ids[batch].tolist()
        output, changes = monitoring.tell(state, served, devices, rows.time_ns, rows.features)
        told[batch] = output.novelty
        raised += [
            (devices[change.row], int(rows.time_ns[change.row]), change.severity)
            for change in changes
            if change.condition == alarms.CONDITION and change.active
        ]
    found = [
        (str(verdicts.device_ids[change.row]), int(verdicts.time_ns[change.row]), change.severity)
        for change in verdicts.alarms
        if change.active
    ]
    np.testing.assert_allclose(verdicts.told.novelty, told, atol=1e-6)
    assert sorted(found) == sorted(raised)
    assert found


def test_only_alarms_of_the_state_count_as_warnings_of_a_failure(served: ServingModel, unknown: Lives) -> None:
    verdicts = replayed(served, unknown)

    assert {change.condition for change in verdicts.alarms} == {alarms.CONDITION}


def test_what_was_told_is_taken_over_column_by_column(served: ServingModel, unknown: Lives) -> None:
    verdicts = replayed(served, unknown)

    devices = unknown.device_ids.tolist()
    output, _ = monitoring.tell(FleetState.empty(), served, devices, unknown.time_ns, unknown.features)

    assert verdicts.told.state_index.tolist() == output.state_index.tolist()
    assert verdicts.told.mode_index.tolist() == output.mode_index.tolist()
    assert verdicts.told.rul_median.tobytes() == output.rul_hours.tobytes()
    assert (verdicts.told.provisional == output.provisional).all()
    assert set(verdicts.speed.values()) == {"stress", "accelerated", "nominal"}


def test_a_pump_that_never_showed_wear_is_one_that_does_not_wear(unknown: Lives) -> None:
    steady = steady_lives().of(["steady-bearing_wear-100", "steady-bearing_wear-90"])

    assert truth_of(unknown).wearing.all()
    truth = truth_of(steady)
    assert truth.wearing[steady.device_ids == "steady-bearing_wear-90"].all()
    assert not truth.wearing[steady.device_ids == "steady-bearing_wear-100"].any()


def test_truth_is_what_the_labels_say(unknown: Lives) -> None:
    truth = truth_of(unknown)

    assert truth.mode_index.tolist() == unknown.mode_index.tolist()
    assert truth.rul_hours.tobytes() == unknown.rul_hours.tobytes()
    assert truth.sensor_fault.tolist() == unknown.sensor_fault.tolist()
    assert truth.disturbance.tolist() == unknown.disturbance.tolist()


def test_of_the_training_are_known_pumps_modes_and_that_nothing_leaked(lives: Lives, unknown: Lives) -> None:
    training = training_of(lives, unknown)

    assert training.pumps == len(np.unique(lives.device_ids))
    assert training.mode_lives == {"bearing_wear": 4, "impeller_wear": 4, "winding_degradation": 4}
    assert training.leak.total == 0


def test_a_pump_on_both_sides_is_a_leak_also_under_another_name(lives: Lives) -> None:
    same = sorted_lives(lives)

    assert training_of(lives, same).leak.devices == len(SOME)
    assert training_of(lives, renamed(same)).leak.rows == len(same)


def test_baselines_tell_the_same_rows(lives: Lives, unknown: Lives) -> None:
    baselines = baselines_of(lives, unknown, seed=1, clock=ticks)

    assert [baseline.name for baseline in baselines] == ["majority", "iso_10816_7", "random_forest"]
    assert {len(baseline.told.state_index) for baseline in baselines} == {len(unknown)}


def failed(found: dict[str, float]) -> set[str]:
    return {gate.name for gate in gates(found) if not gate.passed}


def test_a_judgement_has_every_figure_that_the_gates_ask_for(judged: Judgement) -> None:
    found = metrics(judged)

    assert all(gate.observed is not None for gate in gates(found))
    assert found["unseen_pumps"] == len(SOME)
    assert found["modes_trained"] == 3.0
    assert not failed(found) & {"no_leak", "enough_modes_trained", "every_mode_trained", "health_error"}


def with_mode(lives: Lives, mode: FailureMode) -> IntArray:
    return np.where(lives.mode_index > 0, MODE_CLASSES.index(mode), 0)


def test_a_model_that_was_taught_one_way_to_fail_is_refused(served: ServingModel, lives: Lives, unknown: Lives) -> None:
    one_mode = replace(lives, mode_index=with_mode(lives, FailureMode.BEARING_WEAR))

    found = metrics(assess(served, one_mode, unknown, seed=1, clock=ticks))

    assert found["modes_trained"] == 1.0
    assert {"enough_modes_trained", "every_mode_trained"} <= failed(found)


def test_a_model_that_is_judged_by_what_it_learned_from_is_refused(served: ServingModel, lives: Lives) -> None:
    found = metrics(assess(served, lives, sorted_lives(lives), seed=1, clock=ticks))

    assert "no_leak" in failed(found)
