"""Rejected messages, kept whole on disk: one JSON line each, one file a day (UTC)."""

import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from pdm_platform.contract.errors import StoreError
from pdm_platform.contract.times import iso_of
from pdm_platform.stores.files import sync_folder
from sensors_bridge.decode import Rejection

# What a broker may still deliver again is bounded by its own bookkeeping, MQTT's 65,535 packet ids at most.
_REMEMBERED: Final = 65_536
_DAY: Final = slice(0, 10)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One rejected message. `payload` is its text, or base64 where it is not UTF-8; the hash is of its bytes."""

    received: str
    topic: str
    cause: str
    reason: str
    payload: str
    encoding: Literal["utf-8", "base64"]
    payload_bytes: Annotated[int, msgspec.Meta(ge=0)]
    sha256: str


_DECODER = msgspec.json.Decoder(Record)
_ENCODER = msgspec.json.Encoder()


def record_of(rejection: Rejection) -> Record:
    """The line that is kept of a rejection."""
    payload = rejection.message.payload
    try:
        text, encoding = payload.decode(), "utf-8"
    except UnicodeDecodeError:
        text, encoding = b64encode(payload).decode(), "base64"
    return Record(
        received=iso_of(rejection.message.received_ns),
        topic=rejection.message.topic,
        cause=rejection.cause,
        reason=rejection.reason,
        payload=text,
        encoding="utf-8" if encoding == "utf-8" else "base64",
        payload_bytes=len(payload),
        sha256=sha256(payload).hexdigest(),
    )


class Quarantine:
    """Writes below one folder. What `keep` returned is on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, str], None] | None = None

    def keep(self, rejections: Sequence[Rejection]) -> list[Rejection]:
        """Write and sync. Returns those that are new: a redelivered one that lies here already is left out.

        Raises StoreError naming the file; then nothing of the day that failed was kept.
        """
        if not rejections:
            return []
        known = self._remember()
        fresh: list[tuple[Rejection, Record]] = []
        for rejection in rejections:
            record = record_of(rejection)
            repeatable = rejection.message.dup or rejection.message.retain
            if not (repeatable and (record.topic, record.sha256) in known):
                fresh.append((rejection, record))
            _note(known, record)
        try:
            for day, records in groupby((record for _, record in fresh), key=lambda record: record.received[_DAY]):
                self._append(self._folder / f"{day}.jsonl", records)
        except StoreError:
            self._known = None
            raise
        return [rejection for rejection, _ in fresh]

    def _remember(self) -> dict[tuple[str, str], None]:
        """What lies in the newest two files, read once: a redelivery follows soon, if across midnight."""
        if self._known is None:
            self._known = {}
            for path in _files(self._folder)[-2:]:
                for record in _records(path):
                    _note(self._known, record)
        return self._known

    def _append(self, path: Path, records: Iterator[Record]) -> None:
        block = b"".join(_ENCODER.encode(record) + b"\n" for record in records)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            created = not path.exists()
            with path.open("ab", buffering=0) as file:
                _write_durably(file.fileno(), block, ends_torn=_ends_torn(path))
            if created:
                sync_folder(self._folder)
        except OSError as error:
            raise StoreError(
                f"quarantine file {path} cannot be written: {error.strerror}",
                hint="Free the disk or correct the folder's owner; until then nothing is acknowledged.",
            ) from None


def _note(known: dict[tuple[str, str], None], record: Record) -> None:
    known[record.topic, record.sha256] = None
    if len(known) > _REMEMBERED:
        del known[next(iter(known))]


def _write_durably(descriptor: int, block: bytes, *, ends_torn: bool) -> None:
    size = os.fstat(descriptor).st_size
    left = memoryview(b"\n" + block if ends_torn else block)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):  # the disk is full or gone: the first error is the one to report
            os.ftruncate(descriptor, size)
        raise


def _ends_torn(path: Path) -> bool:
    """Whether the last line was cut off, as by a power failure: the next one must not be glued to it."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("????-??-??.jsonl"))


def _records(path: Path) -> Iterator[Record]:
    try:
        with path.open("rb") as file:
            for line in file:
                with suppress(msgspec.DecodeError):  # a line torn by a power failure was never acknowledged
                    yield _DECODER.decode(line)
    except OSError as error:
        raise StoreError(f"quarantine file {path} cannot be read: {error.strerror}") from None


def read(folder: Path) -> Iterator[Record]:
    """All records, oldest day first. Lines that a power failure cut off are left out. Raises StoreError."""
    for path in _files(folder):
        yield from _records(path)


def count(folder: Path) -> int:
    """How many messages lie in quarantine."""
    return sum(1 for _ in read(folder))
