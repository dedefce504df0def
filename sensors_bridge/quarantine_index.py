"""Finding rejected messages again: each has an id of its own, and a mark once it was replayed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from filelock import FileLock, Timeout

from pdm_platform.contract.errors import SettingsError, StoreError
from pdm_platform.contract.times import iso_of, time_of
from sensors_bridge.decode import Cause
from sensors_bridge.quarantine import QuarantineError, Record, append_durably, read

SHORT_ID: Final = 10
_MARKS: Final = "replayed.jsonl"
_LOCK: Final = "replayed.lock"
# Records of one microsecond are written with one batch, which has 100,000 messages at most.
_REMEMBERED: Final = 100_000


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One replay: of which record, when, by whom, and the hash of the payload that the broker took."""

    id: str
    at: str
    by: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A record with its id. place: how many of its topic came before it in the same microsecond."""

    id: str
    record: Record
    place: int
    mark: Mark | None

    @property
    def short_id(self) -> str:
        """As much of the id as people type."""
        return self.id[:SHORT_ID]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records; what is empty takes all. since, until: of `received`, in its own form, half-open."""

    since: str = ""
    until: str = ""
    cause: str = ""
    device: str = ""
    topic: str = ""

    @classmethod
    def of(cls, since: str, until: str, cause: str, device: str, topic: str) -> "Selection":
        """From what a user typed. Raises SettingsError naming the option."""
        if cause and cause not in tuple(Cause):
            raise SettingsError(f"--cause {cause!r} is none", hint=f"One of: {', '.join(Cause)}.")
        return cls(_moment(since, "--since"), _moment(until, "--until"), cause, device, topic)

    def takes(self, record: Record) -> bool:
        """Whether the record is one of these."""
        return (
            (not self.since or record.received >= self.since)
            and (not self.until or record.received < self.until)
            and (not self.cause or record.cause == self.cause)
            and (not self.topic or record.topic == self.topic)
            # by the topic, which names a device also where the payload cannot be read
            and (not self.device or self.device in record.topic.split("/"))
        )


def _moment(text: str, option: str) -> str:
    return iso_of(time_of(text, option)) if text else ""


@dataclass(slots=True)
class _Places:
    """Tells apart what came on one topic in the same microsecond, by the order in which it lies in the file."""

    _next: dict[tuple[str, str], int] = field(default_factory=dict)

    def place(self, record: Record) -> int:
        key = record.received, record.topic
        place = self._next.get(key, 0)
        self._next[key] = place + 1
        if len(self._next) > _REMEMBERED:
            del self._next[next(iter(self._next))]
        return place


def entries(folder: Path, selection: Selection = Selection()) -> Iterator[Entry]:
    """The selected records, the newest last, with their latest mark. Raises StoreError."""
    marks = {mark.id: mark for mark in _marks(folder)}
    places = _Places()
    for record in read(folder):
        place = places.place(record)
        if selection.takes(record):
            identity = f"{record.received}\n{record.topic}\n{record.sha256}\n{place}"
            name = sha256(identity.encode()).hexdigest()
            yield Entry(name, record, place, marks.get(name))


def find(folder: Path, prefixes: Sequence[str]) -> list[Entry]:
    """The one record that each prefix of an id means, in their order; once, where several mean the same.

    Raises QuarantineError naming a prefix that means none or several, StoreError.
    """
    wanted = {prefix: prefix.strip().lower() for prefix in prefixes}
    found: dict[str, list[Entry]] = {prefix: [] for prefix in prefixes}
    for entry in entries(folder):
        for prefix, start in wanted.items():
            if start and entry.id.startswith(start):
                found[prefix].append(entry)
    only = (_only(prefix, matches) for prefix, matches in found.items())
    return list({entry.id: entry for entry in only}.values())


def _only(prefix: str, matches: list[Entry]) -> Entry:
    if not matches:
        raise QuarantineError(
            f"no record in quarantine has an id that begins with {prefix!r}",
            hint="`pdmctl quarantine list` shows them.",
        )
    if len(matches) > 1:
        raise QuarantineError(
            f"id {prefix!r} is not enough: {len(matches)} records begin with it",
            hint=f"For example {' and '.join(_distinct(matches[0], matches[1]))}.",
        )
    return matches[0]


def _distinct(one: Entry, other: Entry) -> tuple[str, str]:
    length = SHORT_ID
    while one.id[:length] == other.id[:length]:
        length += 1
    return one.id[:length], other.id[:length]


def _marks(folder: Path) -> Iterator[Mark]:
    path = folder / _MARKS
    decoder = msgspec.json.Decoder(Mark)
    try:
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    # torn by a power failure: a second replay is the same point again
                    with suppress(msgspec.DecodeError, UnicodeDecodeError):
                        yield decoder.decode(line)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None


def keep_marks(folder: Path, marks: Sequence[Mark]) -> None:
    """Append marks, on the disk on return. Raises StoreError."""
    path = folder / _MARKS
    try:
        append_durably(path, b"".join(msgspec.json.encode(mark) + b"\n" for mark in marks))
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}",
            hint=f"{len(marks)} records were replayed and are not marked. Replayed again they are the same points.",
        ) from None


@contextmanager
def only_replay(folder: Path) -> Iterator[None]:
    """Hold off any other replay meanwhile. Raises QuarantineError where one is under way, StoreError."""
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise QuarantineError(f"another replay is under way in {str(folder)!r}", hint="Wait until it ends.") from None
    except OSError as error:
        raise StoreError(f"{folder / _LOCK} cannot be locked: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()
