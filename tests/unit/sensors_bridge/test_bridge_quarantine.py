"""What was rejected lies whole on the disk, once."""

import base64
import errno
import hashlib
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.errors import StoreError
from pdm_platform.runtime.mqtt import Message
from sensors_bridge import quarantine
from sensors_bridge.decode import Cause, Rejection
from sensors_bridge.quarantine import Quarantine, append_durably

NOW_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00Z


def rejection(payload: bytes = b"{", *, dup: bool = False, received_ns: int = NOW_NS) -> Rejection:
    delivery = Message("factory/pumps/p/telemetry", payload, 1, False, dup, 1, received_ns, 1)
    return Rejection(delivery, Cause.PAYLOAD, "Telemetry: Input data was truncated")


def no_space(*_arguments: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_record_says_when_where_why_and_what(tmp_path: Path) -> None:
    Quarantine(tmp_path / "q").keep([rejection(b'{"caf\xc3\xa9": ')])

    [record] = quarantine.read(tmp_path / "q")
    assert (record.received, record.topic) == ("2026-01-01T00:00:00.000000Z", "factory/pumps/p/telemetry")
    assert (record.cause, record.reason) == ("payload", "Telemetry: Input data was truncated")
    assert (record.payload, record.encoding, record.payload_bytes) == ('{"café": ', "utf-8", 10)
    assert record.sha256 == hashlib.sha256(b'{"caf\xc3\xa9": ').hexdigest()


def test_a_payload_that_is_no_text_is_kept_as_base64(tmp_path: Path) -> None:
    Quarantine(tmp_path).keep([rejection(b"\xff\x00")])

    [record] = quarantine.read(tmp_path)
    assert (base64.b64decode(record.payload), record.encoding) == (b"\xff\x00", "base64")


def test_each_day_has_its_file(tmp_path: Path) -> None:
    Quarantine(tmp_path).keep([rejection(received_ns=NOW_NS - 1), rejection(received_ns=NOW_NS)])

    assert sorted(path.name for path in tmp_path.iterdir()) == ["2025-12-31.jsonl", "2026-01-01.jsonl"]
    assert quarantine.count(tmp_path) == 2


def test_a_redelivered_payload_is_kept_once_also_across_a_restart(tmp_path: Path) -> None:
    before = Quarantine(tmp_path)
    before.keep([rejection()])
    kept_again = before.keep([rejection(dup=True)])

    kept_after_restart = Quarantine(tmp_path).keep([rejection(dup=True), rejection(b"other", dup=True)])

    assert kept_again == []
    assert [found.message.payload for found in kept_after_restart] == [b"other"]
    assert quarantine.count(tmp_path) == 2


def test_what_a_killed_process_had_not_synced_is_on_the_disk_before_it_counts_as_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(os, "fsync", lambda _descriptor: None)
        Quarantine(tmp_path).keep([rejection()])
    synced: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))

    kept_again = Quarantine(tmp_path).keep([rejection(dup=True)])

    assert kept_again == []
    assert synced == {path.stat().st_ino for path in (tmp_path, tmp_path / "2026-01-01.jsonl")}


def test_a_quarantine_that_cannot_be_synced_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Quarantine(tmp_path).keep([rejection()])
    keeper = Quarantine(tmp_path)

    with monkeypatch.context() as failing:
        failing.setattr(os, "fsync", no_space)
        with pytest.raises(StoreError, match="cannot be synced: No space left"):
            keeper.keep([rejection(dup=True)])

    assert (keeper.keep([rejection(dup=True)]), quarantine.count(tmp_path)) == ([], 1)


def test_a_payload_that_is_sent_again_by_the_device_is_kept_again(tmp_path: Path) -> None:
    kept = Quarantine(tmp_path).keep([rejection(), rejection()])

    assert (len(kept), quarantine.count(tmp_path)) == (2, 2)


def test_a_line_cut_off_by_a_power_failure_harms_no_other(tmp_path: Path) -> None:
    Quarantine(tmp_path).keep([rejection(b"first")])
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b'{"received": "2026-01-01T0')

    Quarantine(tmp_path).keep([rejection(b"second")])

    assert [record.payload for record in quarantine.read(tmp_path)] == ["first", "second"]


def test_a_line_that_is_not_even_text_harms_no_other(tmp_path: Path) -> None:
    Quarantine(tmp_path).keep([rejection(b"first")])
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b'{"received": "\xff\x00"}\n')

    Quarantine(tmp_path).keep([rejection(b"second")])

    assert [record.payload for record in quarantine.read(tmp_path)] == ["first", "second"]


def test_a_retained_copy_is_kept_as_such(tmp_path: Path) -> None:
    live = rejection(b"live")
    message = msgspec.structs.replace(live.message, payload=b"retained", retain=True)
    retained = Rejection(message, live.cause, live.reason)

    Quarantine(tmp_path).keep([live, retained])

    assert [record.retained for record in quarantine.read(tmp_path)] == [False, True]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "q"
    blocked.write_text("a file where the folder should be")

    with pytest.raises(StoreError, match=r"quarantine file .*q/2026-01-01.jsonl cannot be written"):
        Quarantine(blocked).keep([rejection()])


def test_after_a_failed_write_the_same_rejection_is_kept(tmp_path: Path) -> None:
    blocked = tmp_path / "q"
    blocked.write_text("a file where the folder should be")
    keeper = Quarantine(blocked)
    with pytest.raises(StoreError):
        keeper.keep([rejection(dup=True)])
    blocked.unlink()

    kept = keeper.keep([rejection(dup=True)])

    assert (len(kept), quarantine.count(blocked)) == (1, 1)


def test_after_a_failure_at_the_second_day_the_first_is_not_kept_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_from_2026(path: Path, block: bytes) -> None:
        no_space() if path.name >= "2026" else append_durably(path, block)

    batch = [rejection(received_ns=NOW_NS - 1), rejection(b"other", dup=True, received_ns=NOW_NS - 1), rejection()]
    keeper = Quarantine(tmp_path)
    with monkeypatch.context() as failing:
        failing.setattr(quarantine, "append_durably", full_from_2026)
        with pytest.raises(StoreError):
            keeper.keep(batch)

    kept = keeper.keep(batch)
    kept_later = keeper.keep([rejection(received_ns=NOW_NS - 1)])

    assert kept == batch
    assert len(kept_later) == 1
    assert [record.payload for record in quarantine.read(tmp_path)] == ["{", "other", "{", "{"]


def test_an_empty_quarantine_counts_nothing(tmp_path: Path) -> None:
    assert quarantine.count(tmp_path / "never written") == 0


@given(st.binary(max_size=200))
def test_every_payload_can_be_read_back_byte_for_byte(payload: bytes) -> None:
    record = quarantine.record_of(rejection(payload))

    text = record.payload
    assert (text.encode() if record.encoding == "utf-8" else base64.b64decode(text)) == payload
