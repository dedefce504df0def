"""How the quarantine reads in a terminal, and as lines for programs."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from sensors_bridge.quarantine import Record, payload_of
from sensors_bridge.quarantine_index import SHORT_ID, Entry

_SHOWN_TOPICS: Final = 20
_REASON_CHARACTERS: Final = 100
_DUMPED_BYTES: Final = 4_096
_ROW: Final = 16
HEADINGS: Final = f"{'id':{SHORT_ID}}  {'received':20}  {'cause':7}  {'bytes':>9}  {'replayed':20}  topic: reason"


def printable(text: str) -> str:
    """The text with what would steer a terminal made visible: topics and payloads come from anyone."""
    return "".join(found if found.isprintable() else found.encode("unicode_escape").decode() for found in text)


def line_of(entry: Entry) -> str:
    """One record in one line."""
    record = entry.record
    replayed = _to_second(entry.mark.at) if entry.mark else "-"
    reason = record.reason if len(record.reason) <= _REASON_CHARACTERS else f"{record.reason[:_REASON_CHARACTERS]}…"
    return (
        f"{entry.short_id}  {_to_second(record.received):20}  {printable(record.cause):7}  {record.payload_bytes:>9}"
        f"  {replayed:20}  {printable(record.topic)}: {printable(reason)}"
    )


def _to_second(moment: str) -> str:
    return f"{moment[:19]}Z"


def json_of(entry: Entry) -> str:
    """One record whole, with its id and its last replay, as one line of JSON."""
    return msgspec.json.encode(
        {"id": entry.id, **msgspec.to_builtins(entry.record), "replayed": msgspec.to_builtins(entry.mark)}
    ).decode()


class Summary:
    """Counts by cause and topic."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._replayed = 0

    def add(self, entry: Entry) -> None:
        """Count one record."""
        self._counts[entry.record.cause, entry.record.topic] += 1
        self._replayed += entry.mark is not None

    def lines(self) -> Iterator[str]:
        """How many there are, and where most of them come from."""
        total = self._counts.total()
        yield f"{total:,} in quarantine, {self._replayed:,} of them replayed since"
        ordered = self._counts.most_common()
        for (cause, topic), count in ordered[:_SHOWN_TOPICS]:
            yield f"{count:>9,}  {printable(cause):7}  {printable(topic)}"
        if rest := ordered[_SHOWN_TOPICS:]:
            yield f"{sum(count for _, count in rest):>9,}  in {len(rest):,} more of cause and topic"


def page_of(entry: Entry) -> Iterator[str]:
    """One record with its whole reason and its payload."""
    record = entry.record
    facts = {
        "id": entry.id,
        "received": record.received,
        "topic": record.topic + (" (retained)" if record.retained else ""),
        "cause": record.cause,
        "reason": record.reason,
        "payload": f"{record.payload_bytes} bytes, SHA-256 {record.sha256}",
    }
    if entry.mark is not None:
        changed = "" if entry.mark.sha256 == record.sha256 else f", as a payload with SHA-256 {entry.mark.sha256}"
        facts["replayed"] = f"{entry.mark.at} by {entry.mark.by}{changed}"
    for name, value in facts.items():
        yield f"{name:9} {printable(value)}"
    yield ""
    yield from _payload_lines(record)


def _payload_lines(record: Record) -> Iterator[str]:
    payload = payload_of(record)
    if record.encoding == "base64":
        yield from _dump(payload)
        return
    text = record.payload
    try:
        text = msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, RecursionError):
        yield "not JSON:"
    for line in text.split("\n"):
        yield printable(line)


def _dump(payload: bytes) -> Iterator[str]:
    """Offset, hex and ASCII, as `xxd` has it."""
    for start in range(0, min(len(payload), _DUMPED_BYTES), _ROW):
        row = payload[start : start + _ROW]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{start:08x}  {row.hex(' '):{3 * _ROW - 1}}  {text}"
    if len(payload) > _DUMPED_BYTES:
        yield f"… {len(payload) - _DUMPED_BYTES} bytes more: `--payload` writes all of them"
