"""`pdmctl quarantine replay`: from what a user typed to what was replayed."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pdm_platform.contract.errors import SettingsError
from pdm_platform.contract.times import iso_of
from pdm_platform.runtime.settings import PlatformSettings
from sensors_bridge.quarantine import QuarantineError
from sensors_bridge.quarantine_index import Entry, Selection, entries, find, only_replay
from sensors_bridge.quarantine_text import printable
from sensors_bridge.replay import Judge, Outcome, Outlet, Replay
from sensors_bridge.replay_outlet import confirmed_outlet


@dataclass(frozen=True, slots=True)
class Choice:
    """Which records to replay: these ids, or what a filter selects, or everything. Raises SettingsError."""

    ids: tuple[str, ...]
    selection: Selection
    everything: bool

    def __post_init__(self) -> None:
        filtered = self.selection != Selection()
        if bool(self.ids) + (filtered or self.everything) != 1:
            raise SettingsError(
                "name the records to replay: by ID, by a filter or with --all; ids and filters do not go together",
                hint="`pdmctl quarantine list` shows ids, `--dry-run` says what would be done.",
            )

    def check_mendable(self) -> None:
        """Raises SettingsError where it is not one record that a repaired payload could stand for."""
        if len(self.ids) != 1:
            raise SettingsError("--payload repairs one record", hint="Give its ID, and no filter.")

    def taken(self, folder: Path, *, again: bool) -> Iterator[Entry]:
        """The chosen records. Raises QuarantineError, also for an id that was replayed before, StoreError."""
        if not self.ids:
            yield from entries(folder, self.selection)
            return
        for entry in find(folder, self.ids):
            if entry.mark is not None and not again:
                raise QuarantineError(
                    f"{entry.short_id} was replayed at {entry.mark.at} by {entry.mark.by}",
                    hint="`--again` replays it once more.",
                )
            yield entry

    def until(self, moment: str) -> "Choice":
        """The same without what is received later: a replay must not meet what it causes."""
        ends = min(self.selection.until or moment, moment)
        return replace(self, selection=replace(self.selection, until=ends), everything=False) if not self.ids else self


def run_replay(platform: PlatformSettings, choice: Choice, *, payload_file: str, again: bool, dry_run: bool) -> int:
    """Replay and tell what became of it. Returns the exit code: 1 where a record was refused."""
    if payload_file:
        choice.check_mendable()
    repaired = _read(payload_file) if payload_file else None
    folder = platform.home.absolute() / "quarantine"
    choice = choice.until(iso_of(time.time_ns()))
    topics: set[str] = set()
    total = 0
    for entry in choice.taken(folder, again=again):
        topics.add(entry.record.topic)
        total += 1
    if not total:
        _tell(f"nothing in quarantine to replay: {folder}")
        return 0
    judge = Judge(platform.topics, platform.intake_limits)
    with _outlet(platform, folder, topics, dry_run=dry_run) as outlet:
        work = Replay(folder, judge, outlet, _tell, again=again, repaired=repaired)
        outcome = work.run(choice.taken(folder, again=again), total)
    print(_said(outcome, dry_run=dry_run))
    return 1 if outcome.refused else 0


def _read(payload_file: str) -> bytes:
    if payload_file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(payload_file).read_bytes()
    except OSError as error:
        raise SettingsError(f"--payload {payload_file!r}: {error.strerror}") from None


@contextmanager
def _outlet(
    platform: PlatformSettings, folder: Path, topics: Iterable[str], *, dry_run: bool
) -> Iterator[Outlet | None]:
    if dry_run:
        yield None
        return
    with only_replay(folder), confirmed_outlet(platform, topics) as outlet:
        yield outlet


def _said(outcome: Outcome, *, dry_run: bool) -> str:
    said = f"{'would replay' if dry_run else 'replayed'} {outcome.replayed:,}"
    if outcome.timestamped:
        said += f", {outcome.timestamped:,} of them with the time of arrival as their timestamp"
    if outcome.refused:
        said += f"; refused {outcome.refused:,}"
    if outcome.before:
        said += f"; left out {outcome.before:,} that were replayed before"
    return said


def _tell(text: str) -> None:
    # a reason may quote the payload
    print(*(printable(line) for line in text.split("\n")), sep="\n", file=sys.stderr, flush=True)
