"""Rejected messages, kept whole on disk: one JSON line each, one file a day (UTC)."""

import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from pdm_platform.contract.errors import PdmError, StoreError
from pdm_platform.contract.times import iso_of
from pdm_platform.stores.files import sync_file, sync_folder
from sensors_bridge.decode import Rejection

# What a broker may still deliver again is bounded by its own bookkeeping, MQTT's 65,535 packet ids at most.
_REMEMBERED: Final = 65_536
_DAY: Final = slice(0, 10)


class QuarantineError(PdmError):
    """What was asked of the quarantine cannot be done."""

    code = "PDM-QUARANTINE-001"


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rejected message. `payload` is its text, or base64 where it is not UTF-8; the hash is of its bytes.

    retained: the broker's kept copy, so that `received` says nothing of when it was measured.
    """

    received: str
    topic: str
    cause: str
    reason: str
    payload: str
    encoding: Literal["utf-8", "base64"]
    payload_bytes: Annotated[int, msgspec.Meta(ge=0)]
    sha256: str
    retained: bool = False


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
        retained=rejection.message.retain,
    )


def payload_of(record: Record) -> bytes:
    """The very bytes that were rejected. Raises QuarantineError where the line was changed since."""
    try:
        payload = record.payload.encode() if record.encoding == "utf-8" else b64decode(record.payload)
    except ValueError:
        payload = b""
    if sha256(payload).hexdigest() != record.sha256:
        raise QuarantineError(
            f"the payload received at {record.received} on {record.topic!r} is not the one with sha256={record.sha256}",
            hint="Its line in the quarantine was changed. Publish what it should be with `--payload FILE`.",
        )
    return payload


class Quarantine:
    """Writes below one folder. What `keep` returned is on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, str], None] | None = None
        # of a call that failed midway, by identity: equal ones are messages of their own
        self._written: dict[int, Rejection] = {}

    def keep(self, rejections: Sequence[Rejection]) -> list[Rejection]:
        """Write and sync. Returns those that are new: a redelivered one that lies here already is left out.

        Raises StoreError naming the file; then nothing of the day that failed was kept. The same rejections, given
        again, are kept from that day on.
        """
        if not rejections:
            return []
        fresh = self._fresh(rejections)
        left = (pair for pair in fresh if id(pair[0]) not in self._written)
        try:
            for day, pairs in groupby(left, key=lambda pair: pair[1].received[_DAY]):
                written = list(pairs)
                self._append(self._folder / f"{day}.jsonl", [record for _, record in written])
                self._written.update((id(rejection), rejection) for rejection, _ in written)
        except StoreError:
            self._known = None
            raise
        self._written.clear()
        return [rejection for rejection, _ in fresh]

    def _fresh(self, rejections: Sequence[Rejection]) -> list[tuple[Rejection, Record]]:
        known = self._remember()
        fresh = []
        for rejection in rejections:
            record = record_of(rejection)
            repeated = (rejection.message.dup or rejection.message.retain) and (record.topic, record.sha256) in known
            if id(rejection) in self._written or not repeated:
                fresh.append((rejection, record))
            _note(known, record)
        return fresh

    @property
    def size_bytes(self) -> int:
        """What it takes on disk."""
        return sum(path.stat().st_size for path in _files(self._folder))

    def _remember(self) -> dict[tuple[str, str], None]:
        """What lies in the newest two files, read once: a redelivery follows soon, if across midnight."""
        if self._known is None:
            known: dict[tuple[str, str], None] = {}
            for path in _sync(self._folder, _files(self._folder)[-2:]):
                for record in _records(path):
                    _note(known, record)
            self._known = known
        return self._known

    def _append(self, path: Path, records: Iterable[Record]) -> None:
        block = b"".join(_ENCODER.encode(record) + b"\n" for record in records)
        try:
            append_durably(path, block)
        except OSError as error:
            raise StoreError(
                f"quarantine file {path} cannot be written: {error.strerror}",
                hint="Free the disk or correct the folder's owner; until then nothing is acknowledged.",
            ) from None


def _note(known: dict[tuple[str, str], None], record: Record) -> None:
    known[record.topic, record.sha256] = None
    if len(known) > _REMEMBERED:
        del known[next(iter(known))]


def append_durably(path: Path, block: bytes) -> None:
    """Append whole lines, all of them or none; on return they are on the disk. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    created = not path.exists()
    with path.open("ab", buffering=0) as file:
        _write_durably(file.fileno(), block, ends_torn=_ends_torn(path))
    if created:
        sync_folder(path.parent)


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


def _sync(folder: Path, paths: list[Path]) -> list[Path]:
    """The paths, with their content on the disk: a process that was killed has written some of it, and not synced."""
    try:
        for path in paths:
            sync_file(path)
        if paths:
            sync_folder(folder)
    except OSError as error:
        raise StoreError(f"quarantine {str(folder)!r} cannot be synced: {error.strerror}") from None
    return paths


def _records(path: Path) -> Iterator[Record]:
    try:
        with path.open("rb") as file:
            for line in file:
                # a line torn by a power failure was never acknowledged; what stands there need not even be text
                with suppress(msgspec.DecodeError, UnicodeDecodeError):
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
