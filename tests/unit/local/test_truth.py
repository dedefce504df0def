"""What a simulator wrote down is read back, whatever state the file is in."""

from pathlib import Path

from pdm_platform.contract.times import NS_PER_S
from pdm_platform.local.truth import TrueEvent, failure_of, lying_sensors, read_truth
from simulators.live import LiveFleet
from simulators.plans import FleetPlan

LINE = '{{"kind":"{kind}","device_id":"p","time_ns":{time_ns},"step":3,"detail":"{detail}"}}'


def event(kind: str, time_ns: int, detail: str = "") -> TrueEvent:
    return TrueEvent(kind, "p", time_ns, detail)


def test_events_come_by_time_and_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    lines = [LINE.format(kind="repair", time_ns=9, detail=""), LINE.format(kind="failure", time_ns=4, detail="wear")]
    path.write_text("\n".join([*lines, '{"kind":"fail']))

    assert read_truth(path) == [event("failure", 4, "wear"), event("repair", 9)]


def test_without_a_file_nothing_is_known(tmp_path: Path) -> None:
    assert read_truth(tmp_path / "truth.jsonl") == []


def test_a_failure_is_the_first_from_then_on_of_that_pump() -> None:
    truth = [event("failure", 4), event("repair", 5), event("failure", 9), event("failure", 12)]

    assert failure_of(truth, "p", 5) == event("failure", 9)
    assert failure_of(truth, "q", 0) is None


def test_a_sensor_that_lied_is_known_by_its_channel() -> None:
    truth = [event("sensor_freeze", 1, "pressure for 40 readings"), event("heatwave", 2, "temperature +15")]

    assert lying_sensors([*truth, event("sensor_fault", 3, "vibration_x:drift")]) == {
        ("p", "pressure"),
        ("p", "vibration_x"),
    }


def test_the_simulators_failure_is_found_with_its_mode_when_health_is_zero() -> None:
    fleet = LiveFleet(FleetPlan(pumps=1, failing=1, chaos_pumps=0, interval_s=1.0), 1_800_000_000_000)
    events = []
    while (due_ms := fleet.next_due_ms) is not None:
        batch = fleet.take(due_ms)
        assert batch is not None
        events += batch.events

    found = failure_of([TrueEvent(e.kind, e.device_id, e.time_ns, e.detail) for e in events], "pump-001", 0)

    assert found is not None
    assert found.time_ns > 1_800_000_000 * NS_PER_S
    assert found.detail
