"""A snapshot brings the pumps' states back exactly; one that cannot be used never stops the service."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdm_platform.core import alarms, belief, departure, monitoring
from pdm_platform.core.monitoring import COLD_START, FleetState
from pdm_platform.inference import snapshot

DEVICES = ["p-1", "p-2", "p-1"]
TIMES = np.array([1, 2, 3], dtype=np.int64) * 10**9
NUMBER = 7
TURNS = 40  # beyond the first readings, so that a baseline is known


def seen(state: FleetState, turns: int = 1, start: int = 0) -> list[np.ndarray[Any, Any]]:
    """Feed the same readings into all parts of the state; returns what they answer."""
    answers: list[np.ndarray[Any, Any]] = []
    for turn in range(start, start + turns):
        times = TIMES + turn * 10 * 10**9
        channels = np.linspace(1.0, 5.0, 24).reshape(3, 8) + turn
        rows = monitoring.observe(state, DEVICES, times, channels, np.full(3, turn // 30))
        flags = np.array([turn % 7 > 2] * 3)
        changes = alarms.fold(state.alarms, DEVICES, times, np.array([2, 0, 2]), sensor_fault=flags, novel=~flags)
        answers += [rows, departure.fold(state.departures, DEVICES, times, rows, COLD_START).novelty]
        answers.append(np.array([str(change) for change in changes]))
        said = np.tile(np.eye(13)[turn % 13], (3, 1))
        answers += belief.fold(state.beliefs, DEVICES, times, said[:, :4], said[:, 4:])
    return answers


def saved(path: Path) -> FleetState:
    state = FleetState.empty()
    seen(state, turns=TURNS)
    snapshot.save(snapshot.to_arrays(state, NUMBER), path)
    return state


def test_a_restored_service_goes_on_exactly_where_it_was(tmp_path: Path) -> None:
    state = saved(tmp_path / "state.npz")

    restored, number = snapshot.restore(tmp_path / "state.npz")

    assert number == NUMBER
    for went_on, would_have in zip(seen(restored, 30, start=TURNS), seen(state, 30, start=TURNS), strict=True):
        np.testing.assert_array_equal(went_on, would_have)


def test_without_a_snapshot_all_pumps_are_new(tmp_path: Path) -> None:
    state, number = snapshot.restore(tmp_path / "none" / "state.npz")

    assert number == 0
    assert (len(state.pumps), len(state.departures), len(state.alarms)) == (0, 0, 0)


def test_a_fleet_without_pumps_can_be_saved_and_restored(tmp_path: Path) -> None:
    snapshot.save(snapshot.to_arrays(FleetState.empty(), 1), tmp_path / "state.npz")

    assert len(snapshot.restore(tmp_path / "state.npz")[0].pumps) == 0
    assert not (tmp_path / "state.refused").exists()


def with_another_contract(path: Path) -> None:
    with np.load(path, allow_pickle=False) as arrays:
        changed = {name: arrays[name] for name in arrays.files}
    changed["pumps/contract"] = np.array("of an older release")
    np.savez(path, allow_pickle=False, **changed)


def without_departures(path: Path) -> None:
    """As an older release wrote it."""
    with np.load(path, allow_pickle=False) as arrays:
        kept = {name: arrays[name] for name in arrays.files if not name.startswith("departures/")}
    np.savez(path, allow_pickle=False, **kept)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:5_000]),
    "no archive": lambda path: path.write_bytes(b"\x00" * 500),
    "a single array": lambda path: path.write_bytes(_npy()),
    "another contract": with_another_contract,
    "a part missing": without_departures,
    "an archive of other things": lambda path: np.savez(path, allow_pickle=False, other=np.zeros(3)),
}


def _npy() -> bytes:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }"
    padded = header + b" " * (117 - len(header)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + b"\x00" * 8


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_snapshot_that_cannot_be_used_is_set_aside_and_all_pumps_are_new(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state.npz"
    saved(path)
    DAMAGES[damage](path)
    damaged = path.read_bytes()

    state, number = snapshot.restore(path)

    assert (len(state.pumps), number) == (0, 0)
    assert not path.exists()
    assert (tmp_path / "state.refused").read_bytes() == damaged


@given(place=st.integers(0, 2**31), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_flipped_bit_stops_the_service(tmp_path: Path, place: int, bit: int) -> None:
    path = tmp_path / "state.npz"
    saved(path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)

    state, _ = snapshot.restore(path)

    assert len(state.pumps) in (0, 2)


class Opens:
    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self._marker), "w"))


def test_a_pickle_in_a_snapshot_is_never_opened(tmp_path: Path) -> None:
    path, marker = tmp_path / "state.npz", tmp_path / "opened"
    arrays: dict[str, Any] = {"pumps/device_ids": np.array([Opens(marker)], dtype=object)}
    np.savez(path, **arrays)
    assert str(marker).encode() in path.read_bytes()

    state, _ = snapshot.restore(path)

    assert len(state.pumps) == 0
    assert not marker.exists()


def test_the_old_snapshot_stays_until_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.npz"
    state = saved(path)
    before = path.read_bytes()

    def full(*_arguments: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        snapshot.save(snapshot.to_arrays(state, NUMBER + 1), path)

    assert path.read_bytes() == before
