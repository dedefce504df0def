"""Publishing rejected messages again, on their own topic: the bridge judges them anew."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

import msgspec

from pdm_platform.contract.intake import IntakeLimits
from pdm_platform.contract.times import iso_of, time_ns_of
from pdm_platform.contract.topics import Topics
from pdm_platform.runtime.actor import actor
from pdm_platform.runtime.mqtt import Message
from pdm_platform.stores.files import sha256_of
from sensors_bridge.decode import Cause, Decoder, Rows
from sensors_bridge.gaps import Gaps
from sensors_bridge.quarantine import QuarantineError, payload_of
from sensors_bridge.quarantine_index import Entry, Mark, keep_marks

BATCH: Final = 500
_PROGRESS_EVERY_S: Final = 2.0
Tell = Callable[[str], None]


class ReplayRefusedError(QuarantineError):
    """The bridge would reject the payload again; `what` is its reason."""

    code = "PDM-QUARANTINE-002"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A payload that the bridge would take now. timestamped: the time at which it was received was written into it."""

    entry: Entry
    payload: bytes
    timestamped: bool


class Judge:
    """Judges by the code and the limits of the bridge, before anything is published."""

    def __init__(self, topics: Topics, limits: IntakeLimits) -> None:
        self._decoder = Decoder(topics, limits, Gaps())

    def prepare(self, entry: Entry, repaired: bytes | None = None) -> Prepared:
        """What to publish for the record, or instead of it. Raises ReplayRefusedError with the bridge's reason.

        A reading without a timestamp would be given the moment of the replay, a plausible time and a wrong one: it gets
        the time at which it was received, where that tells when it was taken.
        """
        record = entry.record
        payload = payload_of(record) if repaired is None else repaired
        if not self._accepted(entry, payload).untimed:
            return Prepared(entry, payload, timestamped=False)
        # of a retained copy, and of a reading whose own time was wrong, the arrival says nothing
        if record.retained or record.cause == Cause.TIME:
            raise ReplayRefusedError(
                f"{entry.short_id}: timestamp is missing, and the arrival at {record.received} does not tell when the"
                " reading was taken",
                hint=f"It needs a `timestamp`. {_repair(entry, Cause.TIME)}",
            )
        timed = _with_timestamp(payload, _arrival(entry))
        self._accepted(entry, timed)
        return Prepared(entry, timed, timestamped=True)

    def _accepted(self, entry: Entry, payload: bytes) -> Rows:
        message = Message(entry.record.topic, payload, 1, False, False, 0, time.time_ns(), 0)
        decoded = self._decoder.decode([message])
        if not decoded.rows:
            cause, reason = Cause.TOPIC, "the bridge stores nothing of this topic"
            for rejection in decoded.rejected:
                cause, reason = rejection.cause, rejection.reason
            raise ReplayRefusedError(
                f"{entry.short_id} would be rejected again: {reason}",
                hint=_HINTS.get(cause, "") + _repair(entry, cause),
            )
        return decoded.rows[0]


_HINTS: Final = {
    Cause.DEVICE: "Correct PDM_ALLOWED_DEVICES, for the bridge as well, or the payload. ",
    Cause.TIME: "PDM_MAX_AGE_DAYS and PDM_MAX_AHEAD_S are the limits, for the bridge as well. ",
}


def _repair(entry: Entry, cause: Cause) -> str:
    show = f"pdmctl quarantine show {entry.short_id} --payload"
    if cause is Cause.TOPIC:
        return f"No payload mends a topic: publish what `{show}` writes on the right one."
    return f"Repair it: `{show}`, then `pdmctl quarantine replay {entry.short_id} --payload FILE`."


def _arrival(entry: Entry) -> str | int:
    """When the record was received; nanoseconds keep apart what came on its topic in the same microsecond."""
    received = entry.record.received
    return time_ns_of(received) + entry.place if entry.place else received


def _with_timestamp(payload: bytes, moment: str | int) -> bytes:
    """The reading with a `timestamp`, all else byte by byte as it was.

    Behind the other fields: of a field that is there twice the last one counts, so it overrules a null.
    """
    return payload.rstrip()[:-1] + b',"timestamp":' + msgspec.json.encode(moment) + b"}"


class Outlet(Protocol):
    """Where prepared payloads go."""

    def publish(self, batch: list[Prepared]) -> None:
        """Return when the broker has all of them. Raises BrokerError, after which none counts as replayed."""
        ...


@dataclass(slots=True)
class Outcome:
    """What became of the chosen records. before: left out, because they were replayed earlier."""

    replayed: int = 0
    refused: int = 0
    before: int = 0
    timestamped: int = 0


@dataclass(frozen=True, slots=True)
class Replay:
    """Prepares records, publishes them in batches and marks each batch once the broker has it.

    outlet: without one it only says what would be done. again: also those with a mark. repaired: in place of one
    record's payload.
    """

    folder: Path
    judge: Judge
    outlet: Outlet | None
    tell: Tell
    again: bool = False
    repaired: bytes | None = None

    def run(self, chosen: Iterable[Entry], total: int) -> Outcome:
        """Replay what can be. Raises BrokerError, StoreError; what was marked until then is replayed."""
        outcome = Outcome()
        progress = _Progress(total, self.tell)
        prepared = self._prepared(chosen, outcome, with_hints=total == 1)
        while batch := list(islice(prepared, BATCH)):
            if self.outlet is not None:
                self.outlet.publish(batch)
                keep_marks(self.folder, [_mark(item) for item in batch])
            outcome.replayed += len(batch)
            outcome.timestamped += sum(item.timestamped for item in batch)
            progress.at(outcome.replayed + outcome.refused + outcome.before)
        return outcome

    def _prepared(self, chosen: Iterable[Entry], outcome: Outcome, *, with_hints: bool) -> Iterator[Prepared]:
        for entry in chosen:
            if entry.mark is not None and not self.again:
                outcome.before += 1
                continue
            try:
                yield self.judge.prepare(entry, self.repaired)
            except QuarantineError as error:
                outcome.refused += 1
                self.tell(str(error) if with_hints else error.what)


def _mark(item: Prepared) -> Mark:
    return Mark(id=item.entry.id, at=iso_of(time.time_ns()), by=actor(), sha256=sha256_of(item.payload))


class _Progress:
    """Tells how far it is, every two seconds."""

    def __init__(self, total: int, tell: Tell) -> None:
        self._total = total
        self._tell = tell
        self._told_s = time.monotonic()

    def at(self, done: int) -> None:
        if time.monotonic() - self._told_s >= _PROGRESS_EVERY_S:
            self._tell(f"{done:,} of {self._total:,}")
            self._told_s = time.monotonic()
