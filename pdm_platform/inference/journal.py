"""What was answered since the last snapshot, so that a restart after a kill goes on as if there had been none.

One file a snapshot: `journal-N` holds, in order, the messages acknowledged after snapshot N was taken. A kill of the
process loses nothing of it; after a power failure the tail may be missing, and its readings stay known to the store.
"""

import logging
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from pdm_platform.runtime.mqtt import Message

log = logging.getLogger(__name__)
_HEAD: Final = 8  # length and CRC-32 of what follows


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A batch as it was answered: by which model, and its messages as topic, payload, receive time, retained.

    stale_before_ns: readings before this moment were skipped where the batch held a newer one of their pump.
    """

    model_version: str
    messages: list[tuple[str, bytes, int, bool]]
    stale_before_ns: int = 0

    def delivered(self) -> list[Message]:
        """The messages, as if they came now."""
        return [
            Message(topic, load, 0, retain, False, 0, received, 0) for topic, load, received, retain in self.messages
        ]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Entry)


class Journal:
    """Appends below one folder. All methods raise OSError where the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None

    def begin(self, number: int) -> None:
        """From now on, append to the journal of snapshot `number`."""
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file = _path(self._folder, number).open("ab", buffering=0)

    def append(self, model_version: str, batch: Sequence[Message], stale_before_ns: int = 0) -> None:
        """Add an answered batch. Nothing, where no journal was begun."""
        if self._file is None:
            return
        messages = [(one.topic, one.payload, one.received_ns, one.retain) for one in batch]
        body = _ENCODER.encode(Entry(model_version, messages, stale_before_ns))
        entry = len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + body
        start, written = self._file.tell(), 0
        try:
            while written < len(entry):
                written += self._file.write(entry[written:])
        except OSError:
            # half an entry on a full disk would hide those that come behind it
            self._file.seek(start)
            self._file.truncate()
            raise

    def read(self, since: int, *, before: int = sys.maxsize) -> Iterator[Entry]:
        """All entries between two snapshots, in order, in each journal up to one that was cut off."""
        for number in sorted(found for found in self._numbers() if since <= found < before):
            with _path(self._folder, number).open("rb") as file:
                yield from _entries(file)

    def last(self) -> int:
        """Number of the newest journal; 0 where there is none."""
        return max(self._numbers(), default=0)

    def forget_before(self, number: int) -> None:
        """Delete the journals of all snapshots before this one, but of all that hold anything the newest stays.

        What it holds may be delivered once more, however long the broker is away meanwhile.
        """
        numbers = self._numbers()
        newest = max((found for found in numbers if _path(self._folder, found).stat().st_size), default=0)
        for found in numbers:
            if found < number and found != newest:
                _path(self._folder, found).unlink()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _numbers(self) -> list[int]:
        names = (path.name.removeprefix("journal-") for path in self._folder.glob("journal-*"))
        return [int(name) for name in names if name.isdigit()]


def _path(folder: Path, number: int) -> Path:
    return folder / f"journal-{number}"


def _entries(file: BinaryIO) -> Iterator[Entry]:
    while head := file.read(_HEAD):
        body = file.read(int.from_bytes(head[:4], "big"))
        entry = _decoded(body) if body and zlib.crc32(body) == int.from_bytes(head[4:], "big") else None
        if entry is None:
            log.warning("%s is cut off: what came after is judged anew when it is delivered again", file.name)
            return
        yield entry


def _decoded(body: bytes) -> Entry | None:
    """None where another release wrote it."""
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError:
        return None
