"""Whether all that the broker acknowledged is stored, each once, and beside which fault that failed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tests.chaos.faults import BROKER_KILLS, Fault
from tests.chaos.ledger import DEVICES, BoolMatrix, Ledger, device_id, mark

_SHOWN = 20
# A reading acknowledged just before a kill is read, or handed to the thread that notes its time, a little later.
_SLACK_S = 0.5


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that took place. Times are monotonic; handed_over: what the bridge was sent on its last connection."""

    fault: Fault
    began_s: float
    ended_s: float
    handed_over: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """One reading that is not stored just once, and the fault that began nearest before its acknowledgement."""

    device: int
    number: int
    copies: int
    nearest: Fault | None

    def __str__(self) -> str:
        what = "lost" if self.copies == 0 else f"stored {self.copies} times"
        return f"{device_id(self.device)} number {self.number}: {what}; {self.nearest or 'before any fault'}"


@dataclass(frozen=True, slots=True)
class Toll:
    """What one kill of a broker that saves now and then cost: readings, and how old the oldest of them was."""

    struck: Struck
    lost: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was sent, acknowledged and stored, and all that does not fit. `tolls` has what a save interval explains."""

    sent: int
    acknowledged: int
    stored: int
    lost: Sequence[Finding]
    doubled: Sequence[Finding]
    strangers: int
    tolls: Sequence[Toll]

    @property
    def good(self) -> bool:
        """Nothing lost that should not be, nothing twice, nothing that nobody sent."""
        return not self.lost and not self.doubled and not self.strangers and self.acknowledged > 0

    def lines(self) -> Iterator[str]:
        """The verdict for people."""
        yield (
            f"sent {self.sent:,}, acknowledged {self.acknowledged:,}, stored {self.stored:,}: lost {len(self.lost):,},"
            f" doubled {len(self.doubled):,}, never sent but stored {self.strangers:,}"
        )
        for toll in self.tolls:
            since = f", acknowledged up to {toll.oldest_s:.1f} s before" if toll.lost else ""
            yield f"{toll.struck.fault}: cost {toll.lost:,} readings not yet saved nor handed to the bridge{since}"
        for name, findings in (("lost", self.lost), ("doubled", self.doubled)):
            yield from (f"  {finding}" for finding in findings[:_SHOWN])
            if len(findings) > _SHOWN:
                yield f"  ... and {len(findings) - _SHOWN:,} more {name}"
        yield "VERDICT: all that was acknowledged is stored, each once" if self.good else "VERDICT: FAILED"


def count_copies(ledger: Ledger, rows: pa.Table) -> tuple[npt.NDArray[np.int64], int]:
    """How often each reading is stored, shaped like the ledger, and how many rows are none of its readings."""
    names = {device_id(device): device for device in range(DEVICES)}
    copies = np.zeros(ledger.sent.shape, dtype=np.int64)
    strangers = 0
    for name, number in zip(rows["device_id"].to_pylist(), rows["measurement_id"].to_pylist(), strict=True):
        if name in names and number is not None and 0 <= number < ledger.per_device:
            copies[names[name], number] += 1
        else:
            strangers += 1
    return copies, strangers


def judge(ledger: Ledger, rows: pa.Table, strikes: Sequence[Struck], *, saves_every_s: float | None = None) -> Verdict:
    """Compare the store's rows with the ledger.

    saves_every_s: of a broker that keeps its queue in memory and saves it now and then; a kill may then cost what it
    acknowledged since its last save and had not yet handed to the bridge. None: a kill may cost nothing.
    """
    copies, strangers = count_copies(ledger, rows)
    acknowledged = ledger.acknowledged
    lost = acknowledged & (copies == 0)
    tolls = [] if saves_every_s is None else list(_tolls(ledger, lost, strikes, saves_every_s))
    return Verdict(
        sent=int(ledger.sent.sum()),
        acknowledged=int(acknowledged.sum()),
        stored=int(copies.sum()) + strangers,
        lost=_findings(ledger, lost, copies, strikes),
        doubled=_findings(ledger, copies > 1, copies, strikes),
        strangers=strangers + int(copies[~ledger.sent].sum()),
        tolls=tolls,
    )


def _tolls(ledger: Ledger, lost: BoolMatrix, strikes: Iterable[Struck], saves_every_s: float) -> Iterator[Toll]:
    """What each kill explains; `lost` keeps what none does."""
    for struck in (struck for struck in strikes if struck.fault.what in BROKER_KILLS):
        first_s = struck.began_s - saves_every_s - _SLACK_S
        with np.errstate(invalid="ignore"):
            may = lost & (ledger.acknowledged_s >= first_s) & (ledger.acknowledged_s <= struck.ended_s)
        gone = [
            (device, number)
            for device, number in np.argwhere(may).tolist()
            # with the comma, so that number 1 is not found in number 12
            if f"{mark(device, number)},".encode() not in struck.handed_over
        ]
        ages_s = [struck.began_s - float(ledger.acknowledged_s[where]) for where in gone]
        for where in gone:
            lost[where] = False
        yield Toll(struck, len(gone), max([0.0, *ages_s]))


def _findings(
    ledger: Ledger, which: BoolMatrix, copies: npt.NDArray[np.int64], strikes: Sequence[Struck]
) -> list[Finding]:
    return [
        Finding(device, number, int(copies[device, number]), _nearest(ledger.acknowledged_s[device, number], strikes))
        for device, number in np.argwhere(which).tolist()
    ]


def _nearest(moment_s: float, strikes: Sequence[Struck]) -> Fault | None:
    """The last fault that began before; of a reading that was never acknowledged the last of all."""
    before = [struck for struck in strikes if not struck.began_s > moment_s]
    return max(before, key=lambda struck: struck.began_s).fault if before else None
