"""What is told of a fleet in one step: levels of alarms, novelty of a pump that nobody knows, batches."""

from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.core import alarms, monitoring
from pdm_platform.core.alarms import AlarmChange
from pdm_platform.core.features import FEATURE_NAMES
from pdm_platform.core.monitoring import FleetState
from pdm_platform.core.serving import ServingModel, ServingOutput
from tests.small_fleet import NEW_PUMP, NOISE

HEALTHY, WARNING, FAULTY, BROKEN = range(4)
UNTOLD = np.nan
LEARNT = 30


def said(count: int = 1, *, states: Any = HEALTHY, lies: bool = False, **changes: Any) -> ServingOutput:
    """What models say of so many readings: a healthy pump that was watched for long, but for the changes."""
    nothing = np.full(count, np.nan)
    output = ServingOutput(
        probabilities=np.eye(4)[np.broadcast_to(states, count)],
        health_percent=np.full(count, 100.0),
        mode_probabilities=np.eye(len(MODE_CLASSES))[np.zeros(count, np.int64)],
        sensor_probabilities=np.full((count, len(CHANNEL_NAMES)), 0.9 if lies else 0.0),
        rul_lower_hours=nothing,
        rul_hours=nothing,
        rul_upper_hours=nothing,
        consumed_share=nothing,
        novelty=np.zeros(count),
        provisional=np.zeros(count, np.bool_),
    )
    return output._replace(**{name: np.broadcast_to(value, count) for name, value in changes.items()})


class Says:
    """A model that says what it was told to, and of the first readings of a pump that it is provisional."""

    def __init__(self, **said: Any) -> None:
        self._said = said

    def predict(self, rows: np.ndarray) -> ServingOutput:
        seen = rows[:, FEATURE_NAMES.index("readings_seen")]
        return said(len(rows), **{"provisional": seen < LEARNT, **self._said})


def healthy(count: int, seed: int = 1) -> np.ndarray:
    return NEW_PUMP + NOISE * np.random.default_rng(seed).standard_normal((count, 8))


def watched(
    channels: np.ndarray,
    model: object = None,
    *,
    state: FleetState | None = None,
    maintained_ns: np.ndarray | None = None,
    first: int = 0,
) -> tuple[ServingOutput, list[AlarmChange]]:
    """One pump, a reading a second."""
    count, known = len(channels), state or FleetState.empty()
    time_ns = (first + np.arange(count)) * NS_PER_S
    rows = monitoring.observe(known, ["p"] * count, time_ns, channels, maintained_ns)
    return monitoring.tell(known, cast(ServingModel, model or Says()), ["p"] * count, time_ns, rows)


# -- how severe an alarm should be


@pytest.mark.parametrize(
    ("state", "health_percent", "share", "level"),
    [
        (HEALTHY, 100.0, UNTOLD, HEALTHY),
        (WARNING, 100.0, UNTOLD, WARNING),
        (FAULTY, 100.0, UNTOLD, WARNING),
        (BROKEN, 100.0, UNTOLD, WARNING),
        (BROKEN, 100.0, 0.79, WARNING),
        (BROKEN, 100.0, 0.81, BROKEN),
        (FAULTY, 21.0, UNTOLD, WARNING),
        (FAULTY, 19.0, UNTOLD, FAULTY),
        (HEALTHY, 0.0, 0.79, HEALTHY),
        (HEALTHY, 0.0, 0.81, FAULTY),
    ],
)
def test_only_a_pump_that_is_far_gone_by_most_of_what_is_told_is_worth_a_visit_today(
    state: int, health_percent: float, share: float, level: int
) -> None:
    output = said(states=state, health_percent=health_percent, consumed_share=share)

    assert monitoring.alarm_level(output).tolist() == [level]


@pytest.mark.parametrize(("health_percent", "level"), [(80.0, WARNING), (79.0, BROKEN)])
def test_while_a_sensor_lies_its_pump_must_be_further_gone(health_percent: float, level: int) -> None:
    output = said(states=BROKEN, health_percent=health_percent, consumed_share=1.0, lies=True)

    assert monitoring.alarm_level(output).tolist() == [level]


def test_levels_are_told_reading_by_reading() -> None:
    output = said(3, states=[HEALTHY, BROKEN, BROKEN], consumed_share=[UNTOLD, UNTOLD, 1.0])

    assert monitoring.alarm_level(output).tolist() == [HEALTHY, WARNING, BROKEN]


# -- alarms of the three conditions


def test_a_worn_pump_a_lying_sensor_and_news_are_alarms_of_their_own() -> None:
    _, changes = watched(healthy(40), Says(states=BROKEN, consumed_share=1.0))
    _, lying = watched(healthy(40), Says(lies=True))
    _, novel = watched(healthy(40), Says(novelty=2.0))

    assert [(change.row, change.condition, change.severity) for change in changes] == [(2, alarms.CONDITION, 900)]
    assert [(change.row, change.condition) for change in lying] == [(2, alarms.SENSOR_FAULT)]
    assert [(change.row, change.condition) for change in novel] == [(LEARNT + 1, alarms.NOVELTY)]


# -- novelty of a pump that no model knows


def test_what_the_fleet_finds_novel_does_not_count_while_a_pump_is_learnt() -> None:
    output, _ = watched(healthy(60), Says(novelty=5.0))

    assert (output.novelty[: LEARNT - 1] == 0.0).all()
    assert (output.novelty[LEARNT - 1 :] >= 5.0).all()


def test_a_pump_that_stays_as_it_began_is_never_novel() -> None:
    output, changes = watched(healthy(400))

    assert not output.novel.any()
    assert changes == []


def test_a_pump_that_leaves_what_it_showed_first_is_novel_though_no_model_says_so() -> None:
    channels = healthy(200)
    channels[100:, CHANNEL_NAMES.index("temperature")] += 30.0

    output, changes = watched(channels)

    assert not output.novel[:100].any()
    assert output.novel[110:].all()
    assert [change.condition for change in changes] == [alarms.NOVELTY]
    assert 102 <= changes[0].row < 115


def test_a_pump_of_another_kind_is_only_compared_with_itself() -> None:
    output, _ = watched(healthy(200) * 3.0)

    assert not output.novel.any()


def test_after_maintenance_a_pump_is_learnt_anew() -> None:
    channels = healthy(300)
    channels[150:, CHANNEL_NAMES.index("temperature")] += 30.0
    maintained_ns = np.where(np.arange(300) < 150, 0, 150 * NS_PER_S)

    output, _ = watched(channels, maintained_ns=maintained_ns)

    assert output.provisional[150 : 150 + LEARNT - 1].all()
    assert not output.novel.any()


def test_after_maintenance_what_was_said_of_the_worn_pump_is_forgotten() -> None:
    maintained_ns = np.where(np.arange(3_000) < 2_950, 0, 2_950 * NS_PER_S)
    model = Says(states=np.where(np.arange(3_000) < 2_950, WARNING, HEALTHY))

    output, changes = watched(healthy(3_000), model, maintained_ns=maintained_ns)

    of_state = [(change.row, change.active) for change in changes if change.condition == alarms.CONDITION]
    assert output.state_index.tolist() == [WARNING] * 2_950 + [HEALTHY] * 50
    assert of_state == [(2, True), (2_959, False)]


def test_a_reading_that_says_otherwise_than_all_before_is_not_believed() -> None:
    states = np.where(np.arange(400) % 40 == 39, BROKEN, HEALTHY)

    output, _ = watched(healthy(400), Says(states=states))

    assert (output.state_index == HEALTHY).mean() > 0.95


# -- order


def test_what_is_remembered_outlives_a_swap_of_the_model() -> None:
    channels = healthy(80)
    whole, _ = watched(channels, Says(states=WARNING))

    state = FleetState.empty()
    watched(channels[:50], Says(states=BROKEN), state=state)
    after, changes = watched(channels[50:], Says(states=WARNING), state=state, first=50)

    assert np.concatenate([after.novelty]).tolist() == whole.novelty[50:].tolist()
    assert not after.provisional.any()
    assert changes == [], "the alarm of before goes on"


@settings(deadline=None, max_examples=15)
@given(cuts=st.lists(st.integers(0, 120), max_size=5).map(sorted), seed=st.integers(0, 1_000))
def test_batching_never_shows(served: ServingModel, cuts: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    devices = random.choice(["a", "b"], 120).tolist()
    time_ns = np.cumsum(random.choice([0, NS_PER_S, 2 * NS_PER_S, -NS_PER_S], 120)).astype(np.int64)
    channels = healthy(120, seed) * np.where(np.arange(120)[:, None] < 70, 1.0, 2.5)

    def told(start: int, stop: int, state: FleetState) -> tuple[ServingOutput, list[AlarmChange]]:
        now = slice(start, stop)
        rows = monitoring.observe(state, devices[now], time_ns[now], channels[now])
        return monitoring.tell(state, served, devices[now], time_ns[now], rows)

    whole, changes = told(0, 120, FleetState.empty())
    state, bounds = FleetState.empty(), [0, *cuts, 120]
    parts = [(start, *told(start, stop, state)) for start, stop in pairwise(bounds)]

    for place, values in enumerate(whole):
        joined = np.concatenate([output[place] for _, output, _ in parts])
        np.testing.assert_allclose(joined.astype(float), values.astype(float), atol=1e-6)
    found = [change._replace(row=change.row + start) for start, _, part in parts for change in part]
    assert sorted(found) == sorted(changes)


def test_no_readings_tell_nothing(served: ServingModel) -> None:
    state = FleetState.empty()
    rows = monitoring.observe(state, [], np.empty(0, np.int64), np.empty((0, 8)))

    output, changes = monitoring.tell(state, served, [], np.empty(0, np.int64), rows)

    assert (len(output.novelty), changes) == (0, [])
