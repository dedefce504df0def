"""The state on the disk is that of the acknowledged readings, whatever the disk does."""

import errno
import threading
from pathlib import Path

import numpy as np
import pytest

from pdm_platform.core import monitoring
from pdm_platform.core.monitoring import FleetState
from pdm_platform.inference import snapshot
from pdm_platform.inference.memory import FleetMemory
from pdm_platform.runtime.mqtt import Message
from tests.servers.mosquitto import wait_until

NEW = np.array([[0.6, 0.6, 0.5, 1.0, 38.0, 4.2, 7.8, 2_850.0]])


def see(state: FleetState, device: str) -> None:
    """One reading of a pump goes into the state."""
    monitoring.observe(state, [device], np.array([10**9]), NEW, np.zeros(1, np.int64))


def note(memory: FleetMemory, *payloads: bytes) -> None:
    memory.note("v1", [Message("t", payload, 1, False, False, 1, 1, 1) for payload in payloads])


def noted(memory: FleetMemory) -> list[bytes]:
    return [message.payload for entry in memory.since_snapshot() for message in entry.delivered()]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def noted_before(memory: FleetMemory) -> list[bytes]:
    return [message.payload for entry in memory.before_snapshot() for message in entry.delivered()]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_after_a_snapshot_only_what_was_noted_later_is_told_again(tmp_path: Path) -> None:
    memory = FleetMemory(tmp_path)
    memory.save(wait=True)
    note(memory, b"one")
    see(memory.state, "p-1")
    memory.save(wait=True)
    note(memory, b"two", b"three")

    after_a_kill = FleetMemory(tmp_path)

    assert len(after_a_kill.state.pumps) == 1
    assert noted(after_a_kill) == [b"two", b"three"]
    assert noted_before(after_a_kill) == [b"one"], "whose acknowledgement may have got lost"


def test_no_more_than_two_journals_stay(tmp_path: Path) -> None:
    memory = FleetMemory(tmp_path)
    for number in range(5):
        memory.save(wait=True)
        note(memory, f"{number}".encode())

    assert files(tmp_path) == ["journal-4", "journal-5", "state.npz"]
    assert noted_before(FleetMemory(tmp_path)) == [b"3"]


def test_a_snapshot_holds_the_state_of_its_moment_though_it_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, write = threading.Event(), snapshot.save

    def slowly(arrays: snapshot.Arrays, path: Path) -> None:
        assert gate.wait(10)
        write(arrays, path)

    monkeypatch.setattr(snapshot, "save", slowly)
    memory = FleetMemory(tmp_path)
    memory.save()
    see(memory.state, "p-1")
    note(memory, b"one")
    memory.save()  # the first is still being written: the journal goes on
    note(memory, b"two")
    gate.set()
    wait_until((tmp_path / "state.npz").exists, "the snapshot is written")
    after_a_kill = FleetMemory(tmp_path)

    assert len(after_a_kill.state.pumps) == 0
    assert noted(after_a_kill) == [b"one", b"two"]
    memory.close(save=False)


def test_a_number_never_comes_twice_though_its_snapshot_was_never_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = FleetMemory(tmp_path)
    first.save(wait=True)
    note(first, b"one")
    with monkeypatch.context() as patched:
        patched.setattr(snapshot, "save", full)
        first.save(wait=True)
    note(first, b"two")

    second = FleetMemory(tmp_path)
    remembered = noted(second)
    second.save(wait=True)
    note(second, b"three")
    third = FleetMemory(tmp_path)

    assert remembered == [b"one", b"two"]
    assert noted(third) == [b"three"]
    assert noted_before(third) == [b"one", b"two"]


def test_a_full_disk_is_a_fault_until_a_snapshot_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    memory = FleetMemory(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(snapshot, "save", full)
        memory.save(wait=True)
        memory.save(wait=True)
        found = memory.fault

    memory.save(wait=True)

    assert found == f"cannot write below {str(tmp_path)!r}: No space left on device"
    assert caplog.text.count("cannot write below") == 1, "told once, not every ten seconds"
    assert memory.fault is None


def test_a_journal_that_cannot_be_written_is_a_fault_and_not_the_end(tmp_path: Path) -> None:
    (tmp_path / "inference").write_text("a file where the folder should be", encoding="utf-8")
    memory = FleetMemory(tmp_path / "inference")

    memory.save(wait=True)
    note(memory, b"one")
    memory.close(save=True)

    assert memory.fault is not None
    assert "inference" in memory.fault


def test_an_end_with_a_snapshot_leaves_nothing_to_be_told_again(tmp_path: Path) -> None:
    memory = FleetMemory(tmp_path)
    memory.save()
    note(memory, b"one")
    see(memory.state, "p-1")

    memory.close(save=True)
    after = FleetMemory(tmp_path)

    assert (len(after.state.pumps), noted(after)) == (1, [])


def test_an_end_without_a_snapshot_leaves_what_was_noted(tmp_path: Path) -> None:
    memory = FleetMemory(tmp_path)
    memory.save()
    note(memory, b"one")
    see(memory.state, "p-1")  # what the broker has no answer of comes again

    memory.close(save=False)
    after = FleetMemory(tmp_path)

    assert (len(after.state.pumps), noted(after)) == (0, [b"one"])


def test_where_no_output_depends_on_the_state_nothing_is_written_and_an_old_journal_is_left_alone(
    tmp_path: Path,
) -> None:
    before = FleetMemory(tmp_path)
    before.save(wait=True)
    note(before, b"one")
    files = sorted(path.name for path in tmp_path.iterdir())

    memory = FleetMemory(tmp_path, keeps=False)
    memory.save(wait=True)
    note(memory, b"two")
    memory.close(save=True)

    assert noted(memory) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    assert noted(FleetMemory(tmp_path)) == [b"one"]
