"""The loop: take, decode, quarantine, write, acknowledge. Its order is the guarantee."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from pdm_platform.contract.errors import RowsRefusedError
from pdm_platform.runtime.deliveries import Deliveries
from pdm_platform.runtime.mqtt import Message
from pdm_platform.stores.telemetry import TelemetryStore
from sensors_bridge.backlog import Backlog
from sensors_bridge.decode import Cause, Decoder, Rejection, Rows
from sensors_bridge.duplicates import Judged, drop_known
from sensors_bridge.gaps import Gaps
from sensors_bridge.metrics import Metrics
from sensors_bridge.patience import Interrupted, Patience, ReopeningStore
from sensors_bridge.quarantine import Quarantine
from sensors_bridge.rejected import Announcer, Publisher
from sensors_bridge.settings import BridgeSettings
from sensors_bridge.tables import to_table

log = logging.getLogger(__name__)
_IDLE_S: Final = 0.5
# Readings sent at QoS 0 exist nowhere else once they are here; a supervisor gives a process about this long to end.
_DRAIN_S: Final = 1.5


class Session(Publisher, Protocol):
    """The part of the broker session that the bridge needs."""

    def receive(self, max_messages: int, max_wait_s: float, *, linger_s: float = 0.0) -> list[Message]:
        """What has arrived, at most so many messages."""
        ...

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tell the broker that these are safe."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop is put together from."""

    session: Session
    deliveries: Deliveries
    decoder: Decoder
    quarantine: Quarantine
    store: ReopeningStore
    announcer: Announcer
    metrics: Metrics
    gaps: Gaps
    backlog: Backlog


class Bridge:
    """Carries messages from the broker into the store until stopped. What it acknowledges is stored or quarantined."""

    def __init__(
        self, parts: Parts, settings: BridgeSettings, stop: threading.Event, alive: Callable[[], None]
    ) -> None:
        self._parts = parts
        self._settings = settings
        self._stop = stop
        self._alive = alive
        self._patience = Patience(stop, alive)

    def fault(self) -> str | None:
        """What keeps the bridge from storing now; None when nothing does."""
        return self._patience.fault

    def run(self) -> None:
        """Work until `stop`, then finish what is already here, within a few seconds."""
        try:
            # opened before the first reading comes, so that `/healthz` tells at once where it cannot be
            self._patience.until_done(lambda: self._parts.store.use(lambda _store: None))
            while not self._stop.is_set():
                self._alive()
                delivered = self._take(_IDLE_S)
                self._carry(delivered)
                self._parts.backlog.took(len(delivered), all_of_them=len(delivered) < self._settings.bridge_batch_size)
            self._drain()
        except Interrupted as interrupted:
            log.warning("stopped while the store failed (%s): the broker keeps what was not acknowledged", interrupted)
        finally:
            self._parts.store.close()

    def _drain(self) -> None:
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline and (delivered := self._take(0.0)):
            self._carry(delivered)

    def _take(self, max_wait_s: float) -> list[Message]:
        settings = self._settings
        linger_s = 0.0 if self._stop.is_set() else settings.bridge_batch_wait_s
        return self._parts.session.receive(settings.bridge_batch_size, max_wait_s, linger_s=linger_s)

    def _carry(self, delivered: list[Message]) -> None:
        parts = self._parts
        batch = parts.deliveries.fresh(delivered)
        decoded = parts.decoder.decode(batch)
        kept = self._quarantine(decoded.rejected)
        for rows in decoded.rows:
            kept += self._quarantine(self._store(rows))
        parts.announcer.announce(parts.session, kept)
        parts.session.acknowledge(parts.deliveries.settle(batch))
        self._parts.metrics.passed_over.inc(decoded.passed_over)
        self._count(batch, kept)

    def _quarantine(self, rejections: list[Rejection]) -> list[Rejection]:
        return self._patience.until_done(lambda: self._parts.quarantine.keep(rejections))

    def _store(self, rows: Rows) -> list[Rejection]:
        """Store the rows; returns those that the store will never take, all others are on its disk."""
        store = self._parts.store
        judged = self._patience.until_done(lambda: store.use(lambda opened: drop_known(rows, opened, self._alive)))
        refused: dict[int, str] = {}
        if judged.rows.payloads:
            table = to_table(judged.rows)

            def write(opened: TelemetryStore) -> dict[int, str]:
                with self._parts.metrics.write_s.time():
                    try:
                        opened.write(rows.measurement, table)
                    except RowsRefusedError as error:
                        return error.refused
                return {}

            refused = self._patience.until_done(lambda: store.use(write))
        self._count_stored(judged, len(refused))
        return [Rejection(judged.rows.messages[row], Cause.STORE, reason) for row, reason in refused.items()]

    def _count_stored(self, judged: Judged, refused: int) -> None:
        metrics = self._parts.metrics
        metrics.stored.labels(judged.rows.measurement.name).inc(len(judged.rows.payloads) - refused)
        metrics.duplicates.labels("known").inc(judged.known)
        metrics.duplicates.labels("undecidable").inc(judged.undecidable)

    def _count(self, batch: list[Message], kept: list[Rejection]) -> None:
        metrics, gaps = self._parts.metrics, self._parts.gaps
        if batch:
            metrics.received.inc(len(batch))
            metrics.batch_size.observe(len(batch))
        for rejection in kept:
            metrics.quarantined.labels(rejection.cause).inc()
        if kept:
            first = kept[0]
            log.warning(
                "quarantined %d, the first from %s: %s", len(kept), first.message.topic[:200], first.reason[:500]
            )
        changes = gaps.changes()
        for device_id in changes:
            metrics.missing.labels(device_id).set(gaps.missing[device_id])
        if lost := sum(change for change in changes.values() if change > 0):
            log.warning("%d readings missing by measurement_id, of %s", lost, ", ".join(list(changes)[:5]))
