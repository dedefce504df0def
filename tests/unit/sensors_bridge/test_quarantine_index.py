"""A rejected message has one id for ever, and what was replayed is marked once."""

from pathlib import Path

import pytest

from pdm_platform.contract.errors import SettingsError, StoreError
from sensors_bridge.decode import Cause
from sensors_bridge.quarantine import QuarantineError
from sensors_bridge.quarantine_index import (
    Entry,
    Mark,
    Selection,
    entries,
    find,
    keep_marks,
    only_replay,
)
from tests.unit.sensors_bridge.quarantine_data import HOUR_NS, TOPIC, kept, rejection

DAY_1_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00Z
OTHER = "factory/pumps/pump-2/telemetry"


def mark(entry: Entry, by: str = "ann") -> Mark:
    return Mark(id=entry.id, at="2026-01-02T00:00:00.000000Z", by=by, sha256=entry.record.sha256)


def test_ids_stay_the_same_while_more_is_quarantined(tmp_path: Path) -> None:
    before = kept(tmp_path, rejection(b"1", received_ns=DAY_1_NS), rejection(b"2", received_ns=DAY_1_NS))

    after = kept(tmp_path, rejection(b"3", received_ns=DAY_1_NS), rejection(b"0", received_ns=DAY_1_NS - HOUR_NS))

    ids = [entry.id for entry in after]
    assert len(set(ids)) == 4
    assert set(ids) > {entry.id for entry in before}


def test_equal_messages_of_one_microsecond_are_told_apart(tmp_path: Path) -> None:
    found = kept(tmp_path, *[rejection(b"{", received_ns=DAY_1_NS)] * 3, rejection(b"{", topic=OTHER))

    assert [entry.place for entry in found if entry.record.topic == TOPIC] == [0, 1, 2]
    assert [entry.place for entry in found if entry.record.topic == OTHER] == [0]
    assert len({entry.id for entry in found}) == 4


def test_a_selection_does_not_change_the_id_of_what_it_takes(tmp_path: Path) -> None:
    everything = kept(
        tmp_path,
        rejection(b"{", Cause.PAYLOAD, received_ns=DAY_1_NS),
        rejection(b"{", Cause.STORE, received_ns=DAY_1_NS),
    )

    assert list(entries(tmp_path, Selection(cause="store"))) == everything[1:]


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        (Selection(), "abc"),
        (Selection(since="2026-01-01T00:00:00.000000Z"), "bc"),
        (Selection(until="2026-01-01T00:00:00.000000Z"), "a"),
        (Selection(cause="time"), "b"),
        (Selection(device="pump-2"), "c"),
        (Selection(device="pump"), ""),
        (Selection(topic=OTHER), "c"),
        (Selection(topic=OTHER, cause="time"), ""),
    ],
)
def test_a_selection_takes_what_fits_all_of_it(tmp_path: Path, selection: Selection, taken: str) -> None:
    kept(
        tmp_path,
        rejection(b"a", received_ns=DAY_1_NS - 1_000),
        rejection(b"b", Cause.TIME, received_ns=DAY_1_NS),
        rejection(b"c", received_ns=DAY_1_NS + HOUR_NS, topic=OTHER),
    )

    assert "".join(entry.record.payload for entry in entries(tmp_path, selection)) == taken


def test_what_cannot_be_selected_by_is_named() -> None:
    with pytest.raises(SettingsError, match="--cause 'weather'"):
        Selection.of("", "", "weather", "", "")
    with pytest.raises(SettingsError, match="--until: timestamp 'soon'"):
        Selection.of("", "soon", "", "", "")


def test_a_record_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    first, second = kept(tmp_path, rejection(b"1"), rejection(b"2"))

    assert find(tmp_path, [second.id[:12], first.id.upper()]) == [second, first]


def test_a_record_that_is_named_twice_is_found_once(tmp_path: Path) -> None:
    first, second = kept(tmp_path, rejection(b"1"), rejection(b"2"))

    assert find(tmp_path, [second.id[:12], first.id, second.id]) == [second, first]


@pytest.mark.parametrize("prefix", ["", "zz", "no hex at all"])
def test_an_id_that_is_none_is_named(tmp_path: Path, prefix: str) -> None:
    kept(tmp_path, rejection(b"1"))

    with pytest.raises(QuarantineError, match=f"begins with '{prefix}'"):
        find(tmp_path, [prefix])


def test_an_id_that_is_not_enough_is_refused_with_two_that_are(tmp_path: Path) -> None:
    # of 17 hexadecimal digits two are the same
    found = kept(tmp_path, *(rejection(str(number).encode(), received_ns=DAY_1_NS) for number in range(17)))
    first = next(entry.id[0] for entry in found if sum(other.id[0] == entry.id[0] for other in found) > 1)
    with pytest.raises(QuarantineError, match=f"id '{first}' is not enough") as refused:
        find(tmp_path, [first])

    _for, _example, one, _and, other = refused.value.hint.removesuffix(".").split()
    assert [len(find(tmp_path, [prefix])) for prefix in (one, other)] == [1, 1]


def test_a_mark_stays_with_its_record_and_the_last_one_counts(tmp_path: Path) -> None:
    first, second = kept(tmp_path, rejection(b"1"), rejection(b"2"))

    keep_marks(tmp_path, [mark(second)])
    keep_marks(tmp_path, [mark(second, by="bob")])

    marked = list(entries(tmp_path))
    assert [entry.id for entry in marked] == [first.id, second.id]
    assert [entry.mark for entry in marked] == [None, mark(second, by="bob")]


def test_a_mark_cut_off_by_a_power_failure_harms_no_other(tmp_path: Path) -> None:
    first, second = kept(tmp_path, rejection(b"1"), rejection(b"2"))
    keep_marks(tmp_path, [mark(first)])
    with (tmp_path / "replayed.jsonl").open("ab") as file:
        file.write(b'{"id": "\xff')

    keep_marks(tmp_path, [mark(second)])

    assert all(entry.mark for entry in entries(tmp_path))


def test_marks_that_cannot_be_written_are_told_with_what_it_means(tmp_path: Path) -> None:
    [entry] = kept(tmp_path, rejection(b"1"))
    (tmp_path / "replayed.jsonl").mkdir()

    with pytest.raises(StoreError, match=r"replayed.jsonl cannot be written") as error:
        keep_marks(tmp_path, [mark(entry)])

    assert "same points" in error.value.hint


def test_a_second_replay_at_the_same_time_is_refused(tmp_path: Path) -> None:
    with only_replay(tmp_path), pytest.raises(QuarantineError, match="another replay"), only_replay(tmp_path):
        pass

    with only_replay(tmp_path):
        assert kept(tmp_path) == []
