"""What a live run has come to: counted as it goes, told about once a second, and summed up at the end."""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pdm_platform.contract.measurements import Window
from pdm_platform.contract.times import NS_PER_MS
from simulators.live import Batch, Event, LiveFleet

log = logging.getLogger(__name__)
REPORT_EVERY_S: Final = 1.0
_BEHIND_S: Final = 1.0
_EVENTS_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetProgress:
    """A live fleet at one moment. behind_s: how late the oldest reading that is due is."""

    published: int
    per_second: float
    running: int
    pumps: int
    behind_s: float
    events: Sequence[Event]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """A live run. acknowledged: the broker has all that was published. skipped: readings given up as too late.

    events: the ground truth, the last 10,000. counts: published readings of each device.
    """

    seed: int
    window: Window
    published: int
    acknowledged: bool
    skipped: int
    max_behind_s: float
    counts: dict[str, int]
    events: tuple[Event, ...]


class Tally:
    """Counts of a live run, and the report about once a second."""

    def __init__(self, live: LiveFleet, report: Callable[[FleetProgress], None] | None) -> None:
        self._live = live
        self._report = report
        self._reported_s = time.monotonic()
        self._reported = 0
        self._fresh: deque[Event] = deque(maxlen=_EVENTS_KEPT)
        self.events: deque[Event] = deque(maxlen=_EVENTS_KEPT)
        self.counts: Counter[str] = Counter()
        self.published = 0
        self.max_behind_s = 0.0

    def add(self, batch: Batch) -> None:
        """Count what was handed to the broker."""
        self.counts.update(batch.device_ids)
        self.published += len(batch.device_ids)
        self.events.extend(batch.events)
        self._fresh.extend(batch.events)

    def tell(self, now_ms: int, *, last: bool = False) -> None:
        """Report how it goes, if the last report is a second old or this is the `last`; now_ms: epoch ms."""
        elapsed_s = time.monotonic() - self._reported_s
        if elapsed_s < REPORT_EVERY_S and not last:
            return
        due_ms = self._live.next_due_ms
        behind_s = 0.0 if due_ms is None else max(0.0, (now_ms - due_ms) / 1_000)
        self.max_behind_s = max(self.max_behind_s, behind_s)
        if behind_s > _BEHIND_S:
            log.warning(
                "the fleet does not keep up: readings are %.1f s late, %d skipped", behind_s, self._live.skipped
            )
        if self._report is not None:
            self._report(
                FleetProgress(
                    published=self.published,
                    per_second=(self.published - self._reported) / max(elapsed_s, 1e-3),
                    running=self._live.running,
                    pumps=len(self._live.device_ids),
                    behind_s=behind_s,
                    events=tuple(self._fresh),
                )
            )
        self._fresh.clear()
        self._reported_s, self._reported = time.monotonic(), self.published

    def summary(self, seed: int, start_ms: int, acknowledged: bool) -> FleetReport:
        """The run as a whole, after a last report."""
        now_ns = time.time_ns()
        self.tell(now_ns // NS_PER_MS, last=True)
        return FleetReport(
            seed=seed,
            window=Window(start_ms * NS_PER_MS, now_ns + 1),
            published=self.published,
            acknowledged=acknowledged,
            skipped=self._live.skipped,
            max_behind_s=self.max_behind_s,
            counts=dict(self.counts),
            events=tuple(self.events),
        )
