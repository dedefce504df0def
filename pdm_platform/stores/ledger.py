"""The registry's ledger: one JSON line a change of production, only ever appended to."""

import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from pdm_platform.contract.errors import IntegrityError
from pdm_platform.stores.files import sync_folder


class Action(StrEnum):
    """How a version came into production, or that it was refused."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    REFUSE = "refuse"


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who put which version into production, or tried to, when and why. `from_version` is null for the first.

    evidence: what was observed of each gate.
    """

    at: str
    actor: str
    action: Action
    reason: str
    from_version: str | None
    to_version: str
    manifest_sha256: str
    evidence: dict[str, float | None] = {}


def read_ledger(path: Path) -> list[LedgerEntry]:
    """All entries, oldest first. Raises IntegrityError naming the line that cannot be read, OSError."""
    if not path.exists():
        return []
    entries = []
    # the part after the last line end is a line whose writer was cut off: it never counted
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            entries.append(msgspec.json.decode(line, type=LedgerEntry))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise IntegrityError(f"{str(path)!r} line {number}: {error}", hint="Restore it from a backup.") from error
    return entries


def append(path: Path, entry: LedgerEntry) -> None:
    """Append one line and force it to disk. Raises OSError."""
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)  # an unfinished line would garble this one
        file.write(msgspec.json.encode(entry) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def last_move(entries: Sequence[LedgerEntry]) -> LedgerEntry:
    """The last entry that put a version into place: refusals after it moved nothing. There must be one."""
    return next(entry for entry in reversed(entries) if entry.action is not Action.REFUSE)


def previous(entries: Sequence[LedgerEntry], production: str) -> LedgerEntry | None:
    """The entry that put the version before `production` into place; None where there was none.

    A rollback takes back a promotion, so two in a row go two versions back. An entry whose pointer was never
    swapped (the process was killed in between) is seen from what its follower calls `from_version`.
    """
    entries = [entry for entry in entries if entry.action is not Action.REFUSE]  # these moved nothing
    came_after = [*(entry.from_version for entry in entries[1:]), production]
    in_place: tuple[LedgerEntry, ...] = ()
    for entry, then in zip(entries, came_after, strict=True) if entries else ():
        if then == entry.to_version:
            in_place = (*in_place, entry) if entry.action is Action.PROMOTE else in_place[:-1]
    known = len(in_place) > 1 and in_place[-1].to_version == production
    return in_place[-2] if known else None
