"""The ledger: lines that are only ever appended, refusals among them, and what a rollback goes back to."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.errors import IntegrityError
from pdm_platform.stores.ledger import Action, LedgerEntry, append, previous, read_ledger


def entry(action: Action, to_version: str, from_version: str | None = None, **evidence: float | None) -> LedgerEntry:
    return LedgerEntry(
        at="2026-01-01T00:00:00Z",
        actor="ana",
        action=action,
        reason="a test",
        from_version=from_version,
        to_version=to_version,
        manifest_sha256="0" * 64,
        evidence=evidence,
    )


def test_entries_are_read_as_they_were_appended(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    written = [entry(Action.PROMOTE, "a", macro_f1=0.9, unknown=None), entry(Action.REFUSE, "b", "a")]

    for each in written:
        append(path, each)

    assert read_ledger(path) == written
    assert len(path.read_bytes().splitlines()) == 2


def test_evidence_that_is_not_a_number_is_read_as_unknown(tmp_path: Path) -> None:
    append(tmp_path / "ledger.jsonl", entry(Action.REFUSE, "a", coverage=float("nan")))

    assert read_ledger(tmp_path / "ledger.jsonl")[0].evidence == {"coverage": None}


def test_lines_of_an_older_release_have_no_evidence(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append(path, entry(Action.PROMOTE, "a"))
    line = json.loads(path.read_bytes())
    del line["evidence"]
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")

    assert read_ledger(path) == [entry(Action.PROMOTE, "a")]


@pytest.mark.parametrize("line", [b"{}", b"[", b"\xff\xfe", b'{"action": "burn"}'])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "ledger.jsonl"
    append(path, entry(Action.PROMOTE, "a"))
    path.write_bytes(path.read_bytes() + line + b"\n")

    with pytest.raises(IntegrityError, match=r"ledger\.jsonl' line 2"):
        read_ledger(path)


def test_where_there_is_no_ledger_nothing_happened(tmp_path: Path) -> None:
    assert read_ledger(tmp_path / "ledger.jsonl") == []
    assert previous([], "a") is None


MOVES = st.lists(st.tuples(st.sampled_from(["promote", "rollback", "refuse"]), st.integers(0, 4)), max_size=25)


@given(MOVES)
def test_refusals_move_nothing_and_rollbacks_take_promotions_back(moves: list[tuple[str, int]]) -> None:
    entries: list[LedgerEntry] = []
    stack: list[str] = []
    for move, number in moves:
        now, other = stack[-1] if stack else None, f"v{number}"
        if move == "refuse":
            entries.append(entry(Action.REFUSE, other, now))
        elif move == "promote" and other != now:
            entries.append(entry(Action.PROMOTE, other, now))
            stack.append(other)
        elif move == "rollback" and len(stack) > 1:
            entries.append(entry(Action.ROLLBACK, stack[-2], now))
            stack.pop()
        if stack:
            before = previous(entries, stack[-1])
            assert (before.to_version if before else None) == (stack[-2] if len(stack) > 1 else None)
