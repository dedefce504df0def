"""What is replayed is what the bridge will take, at the time it was taken, and is marked when the broker has it."""

import json
import time
from pathlib import Path

import pytest

from pdm_platform.contract.errors import BrokerError
from pdm_platform.contract.intake import IntakeLimits
from pdm_platform.contract.times import iso_of
from pdm_platform.contract.topics import Topics
from pdm_platform.runtime.mqtt import Message
from sensors_bridge import replay as replay_module
from sensors_bridge.decode import Cause, Decoder
from sensors_bridge.gaps import Gaps
from sensors_bridge.quarantine_index import entries
from sensors_bridge.replay import Judge, Outcome, Prepared, Replay, ReplayRefusedError
from tests.unit.sensors_bridge.quarantine_data import HOUR_NS, kept, reading, rejection

LIMITS = IntakeLimits(max_age_ns=30 * 24 * HOUR_NS, max_ahead_ns=300 * 10**9)
JUDGE = Judge(Topics(), LIMITS)


class Taken:
    """An outlet that remembers; `fails_at`: the batch that the broker does not take."""

    def __init__(self, fails_at: int = -1) -> None:
        self.batches: list[list[Prepared]] = []
        self._fails_at = fails_at

    def publish(self, batch: list[Prepared]) -> None:
        if len(self.batches) == self._fails_at:
            raise BrokerError("gone")
        self.batches.append(batch)


def run(folder: Path, outlet: Taken | None, *, again: bool = False) -> tuple[Outcome, list[str]]:
    told: list[str] = []
    chosen = list(entries(folder))
    return Replay(folder, JUDGE, outlet, told.append, again=again).run(chosen, len(chosen)), told


def event_time_ns(prepared: Prepared) -> int:
    """Where the bridge will store it, if it takes it now."""
    message = Message(prepared.entry.record.topic, prepared.payload, 1, False, False, 1, time.time_ns(), 1)
    [rows] = Decoder(Topics(), LIMITS, Gaps()).decode([message]).rows
    return rows.times_ns[0]


# -- judging


def test_a_reading_without_a_timestamp_gets_the_time_at_which_it_was_received(tmp_path: Path) -> None:
    received_ns = (time.time_ns() - HOUR_NS) // 1_000 * 1_000
    [entry] = kept(tmp_path, rejection(reading(note="ü", measurement_id=7), received_ns=received_ns))

    prepared = JUDGE.prepare(entry)

    assert prepared.timestamped
    assert event_time_ns(prepared) == received_ns
    assert json.loads(prepared.payload) == {**json.loads(entry.record.payload), "timestamp": iso_of(received_ns)}


def test_a_timestamp_of_null_is_overruled_and_the_rest_stays_byte_by_byte(tmp_path: Path) -> None:
    payload = reading(timestamp=None).replace(b"1.0", b"1.00000") + b" \n"
    [entry] = kept(tmp_path, rejection(payload))

    prepared = JUDGE.prepare(entry)

    assert prepared.payload.startswith(payload[:-3])
    assert json.loads(prepared.payload)["timestamp"] == entry.record.received


def test_readings_received_in_one_microsecond_stay_two_points(tmp_path: Path) -> None:
    received_ns = (time.time_ns() - HOUR_NS) // 1_000 * 1_000
    found = kept(tmp_path, *(rejection(reading(rpm=rpm), received_ns=received_ns) for rpm in (1, 2)))

    assert [event_time_ns(JUDGE.prepare(entry)) for entry in found] == [received_ns, received_ns + 1]


def test_a_reading_with_a_timestamp_goes_as_it_is(tmp_path: Path) -> None:
    payload = reading(timestamp=time.time_ns() // 10**6)
    [entry] = kept(tmp_path, rejection(payload))

    assert JUDGE.prepare(entry) == Prepared(entry, payload, timestamped=False)


@pytest.mark.parametrize("retain", [True, False])
def test_where_the_arrival_does_not_tell_the_time_nothing_is_made_up(tmp_path: Path, retain: bool) -> None:
    cause = Cause.DEVICE if retain else Cause.TIME
    [entry] = kept(tmp_path, rejection(reading(), cause, retain=retain))

    with pytest.raises(ReplayRefusedError, match="does not tell when the reading was taken"):
        JUDGE.prepare(entry)
    with pytest.raises(ReplayRefusedError, match="does not tell when the reading was taken"):
        JUDGE.prepare(entry, reading(rpm=5))
    assert not JUDGE.prepare(entry, reading(timestamp=time.time_ns() // 10**6)).timestamped


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"[]", "Expected `object`, got `array`"),
        (b"\xff", "malformed"),
        (b"", "truncated"),
        (reading(rpm="fast"), r"`\$.rpm`"),
        (reading(device_id="pump-2"), "is not the topic's 'pump-1'"),
        (reading(timestamp="2001-01-01T00:00:00Z"), "more than 30 days before"),
        (reading(timestamp=1_767_225_600), "are these seconds"),
    ],
)
def test_what_would_be_rejected_again_is_refused_with_the_reason(tmp_path: Path, payload: bytes, reason: str) -> None:
    as_it_is, other = kept(tmp_path, rejection(payload), rejection(b"{"))

    with pytest.raises(ReplayRefusedError, match=f"{as_it_is.short_id} would be rejected again.*{reason}"):
        JUDGE.prepare(as_it_is)
    with pytest.raises(ReplayRefusedError, match=f"{other.short_id} would be rejected again.*{reason}"):
        JUDGE.prepare(other, payload)


def test_a_reading_that_lay_longer_than_the_limit_is_refused_with_the_limit(tmp_path: Path) -> None:
    [entry] = kept(tmp_path, rejection(reading(), received_ns=time.time_ns() - 31 * 24 * HOUR_NS))

    with pytest.raises(ReplayRefusedError, match="more than 30 days before") as refused:
        JUDGE.prepare(entry)

    assert "PDM_MAX_AGE_DAYS" in refused.value.hint


@pytest.mark.parametrize("topic", ["factory/elsewhere", "factory/pumps/+/telemetry", "factory/platform/rejected", ""])
def test_a_topic_that_the_bridge_does_not_store_is_refused(tmp_path: Path, topic: str) -> None:
    [entry] = kept(tmp_path, rejection(reading(), Cause.TOPIC, topic=topic))

    with pytest.raises(ReplayRefusedError, match=r"topic") as refused:
        JUDGE.prepare(entry)

    assert "No payload mends a topic" in refused.value.hint


def test_a_record_that_was_changed_on_the_disk_is_refused(tmp_path: Path) -> None:
    kept(tmp_path, rejection(reading(rpm=5)))
    [path] = tmp_path.glob("2*.jsonl")
    path.write_bytes(path.read_bytes().replace(rb"\"rpm\": 5", rb"\"rpm\": 6"))

    outcome, [told] = run(tmp_path, outlet := Taken())

    assert (outcome.refused, outlet.batches) == (1, [])
    assert "is not the one with sha256=" in told


# -- replaying


def test_what_the_broker_has_is_marked_and_left_out_the_next_time(tmp_path: Path) -> None:
    kept(tmp_path, rejection(reading(rpm=1)), rejection(reading(rpm="fast")), rejection(reading(rpm=2)))

    first, [refused] = run(tmp_path, outlet := Taken())
    second, _ = run(tmp_path, none := Taken())

    assert first == Outcome(replayed=2, refused=1, before=0, timestamped=2)
    assert second == Outcome(replayed=0, refused=1, before=2)
    assert "`$.rpm`" in refused
    assert ([len(batch) for batch in outlet.batches], none.batches) == ([2], [])
    assert [entry.mark is not None for entry in entries(tmp_path)] == [True, False, True]
    assert [entry.record.payload_bytes for entry in entries(tmp_path)] == [
        len(reading(rpm=1)),
        *[len(reading(rpm="fast")), len(reading(rpm=2))],
    ]


def test_again_replays_the_very_same_point(tmp_path: Path) -> None:
    kept(tmp_path, rejection(reading()))

    run(tmp_path, once := Taken())
    run(tmp_path, twice := Taken(), again=True)

    [[first]], [[second]] = once.batches, twice.batches
    assert first.payload == second.payload


def test_a_batch_that_the_broker_does_not_take_is_not_marked_and_those_before_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "BATCH", 2)
    kept(tmp_path, *(rejection(reading(rpm=rpm)) for rpm in range(5)))

    with pytest.raises(BrokerError):
        run(tmp_path, Taken(fails_at=1))

    assert [entry.mark is not None for entry in entries(tmp_path)] == [True, True, False, False, False]


def test_a_dry_run_says_the_same_and_marks_nothing(tmp_path: Path) -> None:
    kept(tmp_path, rejection(reading()), rejection(b"{"))

    outcome, told = run(tmp_path, None)

    assert (outcome.replayed, outcome.refused, len(told)) == (1, 1, 1)
    assert [entry.mark for entry in entries(tmp_path)] == [None, None]


def test_a_replay_that_lasts_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_module, "BATCH", 1)
    monkeypatch.setattr(replay_module, "_PROGRESS_EVERY_S", 0.0)
    kept(tmp_path, rejection(reading(rpm=1)), rejection(reading(rpm=2)))

    _, told = run(tmp_path, Taken())

    assert told == ["1 of 2", "2 of 2"]
