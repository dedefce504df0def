"""What was noted survives; what was not written whole is left out, and never taken for something else."""

import resource
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdm_platform.inference.journal import Entry, Journal
from pdm_platform.runtime.mqtt import Message

BATCHES = [("v1", [b"one", b"two"]), ("v1", []), ("v2", [b"three"])]


def delivery(payload: bytes, *, retain: bool = False) -> Message:
    return Message("factory/pumps/p-1/telemetry", payload, 1, retain, False, 7, 1_000, 3)


def written(folder: Path, number: int = 1) -> list[Entry]:
    """A journal of three batches; returns what it holds."""
    journal = Journal(folder)
    journal.begin(number)
    for version, payloads in BATCHES:
        journal.append(version, [delivery(payload) for payload in payloads])
    journal.close()
    return list(journal.read(number))


def payloads(entries: Iterator[Entry] | list[Entry]) -> list[list[bytes]]:
    return [[message.payload for message in entry.delivered()] for entry in entries]


def test_what_is_appended_is_on_the_disk_at_once_and_comes_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(1)
    for version, loads in BATCHES:
        journal.append(version, [delivery(load) for load in loads])

    found = list(Journal(tmp_path).read(0))  # nobody closed the first

    assert [(entry.model_version, *payloads([entry])) for entry in found] == BATCHES


@given(
    topic=st.text(max_size=20), payload=st.binary(max_size=40), received=st.integers(0, 2**63 - 1), retain=st.booleans()
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_message_comes_back_as_if_it_came_now(
    tmp_path: Path, topic: str, payload: bytes, received: int, retain: bool
) -> None:
    journal = Journal(tmp_path)
    journal.begin(journal.last() + 1)
    journal.append("v1", [Message(topic, payload, 1, retain, True, 7, received, 3)], stale_before_ns=5)
    journal.close()

    [entry] = journal.read(journal.last())

    assert entry.stale_before_ns == 5
    assert entry.delivered() == [Message(topic, payload, 0, retain, False, 0, received, 0)]


def test_journals_are_read_one_after_the_other_from_a_snapshot_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in (2, 9, 10):
        journal.begin(number)
        journal.append("v1", [delivery(f"{number}".encode())])
    journal.close()

    assert payloads(journal.read(9)) == [[b"9"], [b"10"]]
    assert journal.last() == 10


def test_what_a_snapshot_makes_superfluous_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        written(tmp_path, number)
    (tmp_path / "journal-old.bak").write_bytes(b"not a journal")

    Journal(tmp_path).forget_before(3)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal-3", "journal-old.bak"]


def test_the_newest_journal_that_holds_anything_stays_however_many_empty_ones_follow(tmp_path: Path) -> None:
    for number in (1, 2):
        written(tmp_path, number)
    journal = Journal(tmp_path)
    for number in (3, 4, 5):
        journal.begin(number)
        journal.forget_before(number)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal-2", "journal-5"]


def test_without_a_folder_there_is_nothing_to_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "none")

    assert (list(journal.read(0)), journal.last()) == ([], 0)


def test_before_a_journal_is_begun_nothing_is_noted(tmp_path: Path) -> None:
    Journal(tmp_path).append("v1", [delivery(b"one")])

    assert list(tmp_path.iterdir()) == []


# -- damaged


def test_wherever_it_is_cut_off_whole_entries_remain_and_the_torn_one_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entries, path = written(tmp_path), tmp_path / "journal-1"
    content = path.read_bytes()
    sizes = [8 + len(msgspec.msgpack.encode(entry)) for entry in entries]
    ends = [sum(sizes[:count]) for count in range(len(sizes) + 1)]
    assert ends[-1] == len(content)

    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        caplog.clear()

        found = list(Journal(tmp_path).read(1))

        assert found == entries[: sum(end <= cut for end in ends[1:])]
        assert ("journal-1 is cut off" in caplog.text) == (cut not in ends)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "zeros, as a power failure leaves them": lambda whole: whole + bytes(64),
    "the length of no entry": lambda whole: whole + b"\xff" * 8 + b"x",
    "an entry of another release": lambda whole: whole + entry_of({"new": "form"}),
}


def entry_of(content: Any) -> bytes:
    body = msgspec.msgpack.encode(content)
    return len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + body


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_entry_ends_the_journal_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    entries, path = written(tmp_path), tmp_path / "journal-1"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))

    assert list(Journal(tmp_path).read(1)) == entries
    assert "cut off" in caplog.text


@given(place=st.integers(0, 2**31), bit=st.integers(0, 7))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_makes_no_other_entry(tmp_path: Path, place: int, bit: int) -> None:
    path = tmp_path / "journal-1"
    path.unlink(missing_ok=True)
    entries = written(tmp_path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)

    found = list(Journal(tmp_path).read(1))

    assert found == entries[: len(found)]


# -- a full disk


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file grows beyond this size while the block runs."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_finds_no_room_is_an_error_and_hides_nothing_that_comes_after_it(tmp_path: Path) -> None:
    journal, path = Journal(tmp_path), tmp_path / "journal-1"
    journal.begin(1)
    journal.append("v1", [delivery(b"before")])

    with room_for(path.stat().st_size + 20), pytest.raises(OSError, match="File too large"):
        journal.append("v1", [delivery(b"no room for this one")])
    journal.append("v1", [delivery(b"after")])

    assert payloads(journal.read(1)) == [[b"before"], [b"after"]]
