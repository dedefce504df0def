"""Labelled lives laid out in time."""

from collections import Counter
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdm_platform.contract.errors import SettingsError
from pdm_platform.contract.failure_modes import Disturbance, FailureMode, SensorFault
from pdm_platform.contract.payloads import Labelled, decode
from pdm_platform.contract.states import STATES, State, state_index, state_of
from pdm_platform.contract.times import NS_PER_MS, time_ns_of
from pdm_platform.contract.topics import Kind, Topics
from simulators.lives import SPAN_MS, Lives
from simulators.plans import LivesPlan
from simulators.pump import FAILURE_MODES

END_NS = time_ns_of("2026-03-02T00:00:00Z")
TOPICS = Topics()


def payloads_of(plan: LivesPlan) -> list[tuple[str, Labelled]]:
    lives = Lives.lay_out(plan, END_NS)
    return [(topic, decode(Labelled, payload)) for topic, payload in lives.messages(TOPICS, 0, len(lives))]


def time_of(payload: Labelled) -> int:
    assert payload.timestamp is not None
    return time_ns_of(payload.timestamp)


def test_readings_come_in_the_order_of_time_within_the_two_days_before_the_end() -> None:
    plan = LivesPlan(stress=5, accelerated=3, nominal=1, sensor_fault_share=0.0)
    times = [time_of(payload) for _, payload in payloads_of(plan)]

    assert times == sorted(times)
    assert times[0] >= END_NS - SPAN_MS * NS_PER_MS
    assert END_NS - 10_000 * NS_PER_MS <= times[-1] < END_NS


def test_a_device_counts_from_zero_at_its_own_interval_down_to_no_remaining_life() -> None:
    plan = LivesPlan(stress=3, accelerated=0, nominal=0, sensor_fault_share=0.0)
    life = [payload for _, payload in payloads_of(plan) if payload.device_id == "life-7-stress-002"]

    assert [payload.measurement_id for payload in life] == list(range(len(life)))
    assert set(np.diff([time_of(payload) for payload in life]).tolist()) == {1_000 * NS_PER_MS}
    assert (life[0].health_percent, life[0].ground_truth) == (100.0, State.HEALTHY)
    assert (life[-1].health_percent, life[-1].ground_truth, life[-1].rul_hours) == (0.0, State.BROKEN, 0.0)
    assert {payload.failure_mode for payload in life} <= set(FAILURE_MODES)


def test_topic_payload_and_state_agree() -> None:
    for topic, payload in payloads_of(LivesPlan(stress=5, accelerated=0, nominal=0)):
        assert TOPICS.parse(topic).kind is Kind.TRAINING
        assert TOPICS.parse(topic).device_id == payload.device_id
        assert payload.health_percent is not None
        assert payload.ground_truth is state_of(payload.health_percent)


def test_the_default_plan_has_enough_of_every_state() -> None:
    lives = Lives.lay_out(LivesPlan(), END_NS)
    readings = lives.fleet.readings(lives.pump, lives.step)
    rows = np.bincount(state_index(readings.health_percent), minlength=len(STATES))

    assert 300_000 < rows.sum() < 400_000
    assert rows.min() > 5_000


def test_a_plan_of_sixty_lives_has_every_failure_mode_sensor_fault_and_disturbance() -> None:
    payloads = [payload for _, payload in payloads_of(LivesPlan(stress=60, accelerated=0, nominal=0))]

    assert {payload.failure_mode for payload in payloads} == {mode.value for mode in FailureMode}
    kinds = {payload.sensor_fault.partition(":")[2] for payload in payloads if payload.sensor_fault}
    assert kinds == {fault.value for fault in SensorFault}
    assert {payload.disturbance for payload in payloads if payload.disturbance} == {one.value for one in Disturbance}


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.35, 20, 50), (1.0, 100, 100)])
def test_the_planned_share_of_the_lives_has_an_episode_after_its_baseline(share: float, low: int, high: int) -> None:
    plan = LivesPlan(stress=100, accelerated=0, nominal=0, sensor_fault_share=share, disturbance_share=share)
    payloads = [payload for _, payload in payloads_of(plan)]

    faulty = [payload for payload in payloads if payload.sensor_fault]
    disturbed = [payload for payload in payloads if payload.disturbance]

    for found in (faulty, disturbed):
        assert low <= len({payload.device_id for payload in found}) <= high
        assert all((payload.measurement_id or 0) >= 40 for payload in found)


def test_no_two_readings_of_a_device_share_their_time_although_clocks_run_behind() -> None:
    payloads = [payload for _, payload in payloads_of(LivesPlan(stress=80, sensor_fault_share=1.0, nominal=0))]

    places = Counter((payload.device_id, payload.timestamp) for payload in payloads)

    assert any(payload.sensor_fault == "timestamp:clock_skew" for payload in payloads)
    assert max(places.values()) == 1


def test_a_larger_plan_adds_lives_and_moves_none() -> None:
    few, many = (
        dict.fromkeys(payload for _, payload in payloads_of(plan))
        for plan in (LivesPlan(stress=2, accelerated=1, nominal=0), LivesPlan(stress=4, accelerated=2, nominal=1))
    )

    assert set(few) < set(many)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 500), max_size=6))
def test_bytes_do_not_depend_on_where_a_campaign_is_cut(cuts: list[int]) -> None:
    lives = Lives.lay_out(LivesPlan(stress=3, accelerated=0, nominal=0), END_NS)
    bounds = [0, *sorted(cuts), len(lives)]

    pieces = [lives.messages(TOPICS, start, stop) for start, stop in pairwise(bounds)]

    assert list(chain.from_iterable(pieces)) == lives.messages(TOPICS, 0, len(lives))


def test_counts_tell_how_far_each_device_has_come() -> None:
    lives = Lives.lay_out(LivesPlan(stress=3, accelerated=0, nominal=0), END_NS)

    sent = Counter(TOPICS.parse(topic).device_id for topic, _ in lives.messages(TOPICS, 0, 300))

    assert {device: count for device, count in lives.counts(300).items() if count} == dict(sent)
    assert sum(lives.counts(len(lives)).values()) == len(lives)


@pytest.mark.parametrize("end_ns", [0, -5, 2**63])
def test_an_end_that_leaves_no_room_is_refused(end_ns: int) -> None:
    with pytest.raises(SettingsError, match=str(end_ns)):
        Lives.lay_out(LivesPlan(), end_ns)
