"""A fleet in real time, with the time given by the test."""

import threading
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdm_platform.contract.failure_modes import Disturbance
from pdm_platform.contract.payloads import Telemetry, decode
from pdm_platform.contract.times import NS_PER_MS
from simulators.live import CATCH_UP_MS, Event, EventKind, LiveFleet
from simulators.plans import FleetPlan, parse_chaos, parse_sensor_faults
from simulators.pump import FAILURE_MODES

START_MS = 1_770_000_000_000


def plan_of(**facts: Any) -> FleetPlan:
    return FleetPlan(**{"pumps": 6, "failing": 2, "chaos_pumps": 0, "interval_s": 0.2, "stagger_s": 1.0} | facts)


def drain(fleet: LiveFleet, now_ms: int) -> tuple[list[Telemetry], list[Event]]:
    readings: list[Telemetry] = []
    events: list[Event] = []
    while batch := fleet.take(now_ms):
        readings += [decode(Telemetry, payload) for payload in batch.payloads]
        events += batch.events
    return readings, events


def by_device(readings: list[Telemetry]) -> dict[str, list[Telemetry]]:
    found: dict[str, list[Telemetry]] = defaultdict(list)
    for reading in readings:
        found[reading.device_id].append(reading)
    return dict(found)


def run_for(seconds: float, **facts: Any) -> tuple[list[Telemetry], list[Event]]:
    return drain(LiveFleet(plan_of(**facts), START_MS), START_MS + round(seconds * 1_000))


def test_every_pump_sends_at_its_interval_with_its_own_clock_and_count() -> None:
    for device, readings in by_device(run_for(10)[0]).items():
        assert [reading.measurement_id for reading in readings] == list(range(len(readings))), device
        assert set(np.diff([reading.timestamp for reading in readings]).tolist()) == {200}, device


def test_pumps_do_not_all_send_at_once() -> None:
    firsts = {readings[0].timestamp for readings in by_device(run_for(5)[0]).values()}

    assert len(firsts) == 6


def test_nothing_is_sent_before_it_is_due() -> None:
    fleet = LiveFleet(plan_of(), START_MS)

    assert fleet.take(START_MS - 1) is None
    assert fleet.next_due_ms == START_MS


@settings(max_examples=20, deadline=None)
@given(pauses_ms=st.lists(st.integers(1, 9_000), min_size=1, max_size=12))
def test_readings_do_not_depend_on_when_they_are_fetched(pauses_ms: list[int]) -> None:
    plan = plan_of(chaos_pumps=1)
    fleet, now_ms = LiveFleet(plan, START_MS), START_MS
    fetched: list[Telemetry] = []
    for pause_ms in pauses_ms:
        now_ms += pause_ms
        fetched += drain(fleet, now_ms)[0]

    at_once = drain(LiveFleet(plan, START_MS), now_ms)[0]

    assert by_device(fetched) == by_device(at_once)


def test_failing_pumps_start_new_one_after_the_other_and_stand_still_once_they_failed() -> None:
    readings, events = run_for(60)

    failed = {event.device_id: event for event in events if event.kind is EventKind.FAILURE}
    lives = {device: sent for device, sent in by_device(readings).items() if device in failed}
    assert len(failed) == 2
    for device, sent in lives.items():
        assert 120 <= len(sent) <= 200
        assert (sent[0].health_percent, sent[-1].health_percent) == (100.0, 0.0)
        assert failed[device].time_ns == int(sent[-1].timestamp or 0) * NS_PER_MS
    starts = sorted(int(sent[0].timestamp or 0) for sent in lives.values())
    assert starts[1] - starts[0] == pytest.approx(1_000, abs=200)


def test_the_other_pumps_hardly_wear() -> None:
    readings, events = run_for(60)
    failed = {event.device_id for event in events}

    ends = [sent[-1] for device, sent in by_device(readings).items() if device not in failed]

    assert len(ends) == 4
    assert all(end.health_percent is not None and end.health_percent > 95 for end in ends)


def test_pumps_that_fail_fail_of_different_causes() -> None:
    _, events = run_for(80, pumps=10, failing=8)

    causes = [event.detail for event in events if event.kind is EventKind.FAILURE]

    assert sorted(causes) == sorted(FAILURE_MODES)


def test_a_fleet_that_does_not_wear_stays_new() -> None:
    readings, events = run_for(60, failing=0, wearing=False)

    assert {reading.health_percent for reading in readings} == {100.0}
    assert not events


def test_a_repaired_pump_starts_again_and_says_when_and_how_well() -> None:
    readings, events = run_for(60, repair_after_s=5.0)

    repairs = [event for event in events if event.kind is EventKind.REPAIR]
    assert len(repairs) == 2
    for repair in repairs:
        sent = by_device(readings)[repair.device_id]
        again = next(reading for reading in sent if reading.last_maintenance is not None)
        before = sent[sent.index(again) - 1]
        quality = float(repair.detail.removeprefix("quality "))
        assert before.health_percent == 0.0
        assert again.health_percent == pytest.approx(100.0 * quality, abs=0.06)
        assert int(again.timestamp or 0) - int(before.timestamp or 0) == 5_000
        assert int(again.timestamp or 0) * NS_PER_MS == repair.time_ns
        assert again.measurement_id == (before.measurement_id or 0) + 1


def test_a_fleet_that_has_failed_for_good_has_nothing_due() -> None:
    fleet = LiveFleet(plan_of(failing=6), START_MS)

    drain(fleet, START_MS + 60_000)

    assert fleet.next_due_ms is None
    assert fleet.running == 0


def test_after_a_long_outage_the_stale_readings_are_skipped_and_show_as_gaps() -> None:
    fleet = LiveFleet(plan_of(failing=0), START_MS)
    before = drain(fleet, START_MS + 1_000)[0]
    back_ms = START_MS + 1_000 + 10 * CATCH_UP_MS

    readings = drain(fleet, back_ms)[0]

    assert len(readings) <= 12
    assert all(back_ms - int(reading.timestamp or 0) < 200 for reading in readings[-6:])
    taken = sum((sent[-1].measurement_id or 0) + 1 for sent in by_device(readings).values())
    assert taken == len(before) + len(readings) + fleet.skipped
    assert fleet.skipped > 6 * 14_000


def test_an_outage_shorter_than_that_loses_nothing() -> None:
    fleet = LiveFleet(plan_of(failing=0), START_MS)

    readings = drain(fleet, START_MS + CATCH_UP_MS)[0]

    assert fleet.skipped == 0
    assert len(readings) == 6 * (CATCH_UP_MS // 200) + 1


def test_what_disturbs_a_pump_is_told_and_seen() -> None:
    readings, events = run_for(40, failing=0, chaos_pumps=1)

    disturbed = {event.device_id for event in events}
    assert len(disturbed) == 1
    sent = {int(reading.timestamp or 0): reading for reading in by_device(readings)[disturbed.pop()]}
    glitches = {event.time_ns // NS_PER_MS for event in events if event.kind is EventKind.MECHANICAL_SPIKE}
    assert {moment for moment, reading in sent.items() if (reading.vibration_rms or 0) > 11.9} == glitches
    assert glitches
    (spell, *_) = (event for event in events if event.kind is EventKind.HEATWAVE)
    began = spell.time_ns // NS_PER_MS
    assert (sent[began].temperature or 0) - (sent[began - 200].temperature or 0) > 10


@pytest.mark.parametrize("name", list(Disturbance))
def test_each_scenario_is_told_as_it_begins_by_its_own_name(name: Disturbance) -> None:
    _, events = run_for(60, failing=0, chaos_pumps=3, chaos=parse_chaos([f"{name}:0.05:6"]))

    assert len(events) > 3
    assert {(event.kind.value, event.readings) for event in events} == {(name.value, 6)}
    assert all(event.step >= 40 for event in events)


def test_a_lying_sensor_is_told_with_its_channel() -> None:
    rules = parse_sensor_faults(["dropout:0.05:8"])
    readings, events = run_for(60, failing=0, chaos_pumps=1, chaos=(), sensor_faults=rules)

    assert {event.kind for event in events} == {EventKind.SENSOR_FAULT}
    sent = by_device(readings)[events[0].device_id]
    for event in events:
        channel, kind = event.detail.split(":")
        told = [getattr(reading, channel) for reading in sent[event.step : event.step + event.readings]]
        assert kind == "dropout"
        assert None in told


def test_a_heatwave_warms_the_whole_fleet() -> None:
    cool, warm = (run_for(5, heatwave=heatwave)[0] for heatwave in (False, True))

    warmer = [(b.temperature or 0) - (a.temperature or 0) for a, b in zip(cool, warm, strict=True)]

    assert warmer == pytest.approx([15.0] * len(warmer), abs=0.011)


def test_a_fleet_that_goes_on_sends_what_one_without_an_interruption_would_have_sent() -> None:
    faults = parse_sensor_faults(["freeze:0.02:10", "clock_skew:0.01:5"])
    plan = plan_of(chaos_pumps=2, repair_after_s=3.0, sensor_faults=faults)
    whole, resumed = LiveFleet(plan, START_MS), LiveFleet(plan, START_MS)
    drain(whole, START_MS + 45_000)

    resumed.live_through(START_MS + 45_000, threading.Event())

    assert drain(resumed, START_MS + 60_000) == drain(whole, START_MS + 60_000)
