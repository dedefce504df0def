"""The table of pump states: rows, growth, snapshots, and which readings count as newer."""

import io
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.core.states_table import LAST_TIME, Column, SnapshotError, StatesTable


class Counts(StatesTable):
    CONTRACT: ClassVar = "counts-1"
    COLUMNS: ClassVar = {
        "count": Column((), np.int64, 0),
        "pair": Column((2,), np.float64, np.nan),
    }


class OtherCounts(Counts):
    CONTRACT: ClassVar = "counts-2"


def times(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_a_device_keeps_its_row_while_the_table_grows() -> None:
    table = Counts()
    first = table.rows_of(["a", "b", "a"])
    table["count"][first[0]] = 7

    table.rows_of([f"pump-{number}" for number in range(1_000)])

    assert first.tolist() == [0, 1, 0]
    assert len(table) == 1_002
    assert table["count"][0] == 7
    assert np.isnan(table["pair"][1_001]).all()


def test_a_snapshot_survives_a_file_and_restores_every_column() -> None:
    table = Counts()
    rows = table.rows_of(["a", "b"])
    table["count"][rows] = [3, 4]
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **table.to_arrays())
    file.seek(0)

    restored = Counts.from_arrays(np.load(file, allow_pickle=False))

    assert restored.rows_of(["b", "c"]).tolist() == [1, 2]
    assert restored["count"][:3].tolist() == [3, 4, 0]


def test_an_empty_snapshot_restores_an_empty_table() -> None:
    restored = Counts.from_arrays(Counts().to_arrays())

    assert len(restored) == 0
    assert restored.rows_of(["a"]).tolist() == [0]


def test_a_snapshot_of_another_contract_is_refused() -> None:
    with pytest.raises(SnapshotError, match="contract counts-1, this code has counts-2"):
        OtherCounts.from_arrays(Counts().to_arrays())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"count": np.zeros(5, np.int64)}, "has count as"),
        ({"count": np.zeros(2, np.float64)}, "has count as"),
        ({"device_ids": np.array(["a", "a"])}, "names a device twice"),
    ],
)
def test_a_damaged_snapshot_is_refused(change: dict[str, np.ndarray], reason: str) -> None:
    table = Counts()
    table.rows_of(["a", "b"])

    with pytest.raises(SnapshotError, match=reason):
        Counts.from_arrays({**table.to_arrays(), **change})


def test_a_snapshot_without_a_column_is_refused_naming_it() -> None:
    arrays = Counts().to_arrays()
    del arrays["pair"]

    with pytest.raises(SnapshotError, match="lacks pair"):
        Counts.from_arrays(arrays)


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="2 device ids, but 1 times"):
        Counts().arrange(["a", "b"], times(1))


def test_an_empty_batch_changes_nothing() -> None:
    table = Counts()

    batch = table.arrange([], times())
    table.advance(batch, times())

    assert [turn.tolist() for turn in batch.rounds()] == [[]]
    assert len(table) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5)), max_size=30), st.integers(0, 30))
def test_newer_means_above_all_before_of_the_same_pump(readings: list[tuple[str, int]], cut: int) -> None:
    table, newest, expected = Counts(), dict[str, int](), []
    for device, time in readings:
        expected.append(device not in newest or time > newest[device])
        newest[device] = max(time, newest.get(device, time))

    found: list[bool] = []
    for part in (readings[:cut], readings[cut:]):
        time_ns = times(*(time for _, time in part))
        batch = table.arrange([device for device, _ in part], time_ns)
        newer = np.empty(len(part), dtype=bool)
        newer[batch.order] = batch.newer
        found += newer.tolist()
        table.advance(batch, time_ns)

    assert found == expected
    assert {device: table[LAST_TIME][table.rows_of([device])[0]] for device in newest} == newest


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_rounds_take_each_reading_once_and_a_pump_once_a_round(devices: list[str]) -> None:
    batch = Counts().arrange(devices, np.arange(len(devices)))

    turns = [batch.order[turn].tolist() for turn in batch.rounds()]

    assert sorted(position for turn in turns for position in turn) == list(range(len(devices)))
    assert all(len({devices[position] for position in turn}) == len(turn) for turn in turns)
    for device in set(devices):
        taken = [position for turn in turns for position in turn if devices[position] == device]
        assert taken == sorted(taken)
