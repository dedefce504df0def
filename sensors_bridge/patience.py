"""Trying again until it works: what cannot be stored is neither dropped nor acknowledged."""

import logging
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from pdm_platform.contract.errors import StoreBusyError, StoreError
from pdm_platform.stores.telemetry import TelemetryStore

log = logging.getLogger(__name__)
T = TypeVar("T")
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
# A store that asks for more is asked again after this: it may be back sooner, and readings wait.
_LONGEST_RETRY_AFTER_S: Final = 60.0


class Interrupted(Exception):  # noqa: N818  it is no error: the process was asked to stop while it waited
    """Asked to stop while the store failed. What is under way stays unacknowledged, so the broker delivers it again."""


class Patience:
    """Retries on StoreError, with growing pauses, until `stop`. `fault` says what fails now; None when nothing does.

    A store that says when to come back is not asked before, up to a minute.
    """

    def __init__(self, stop: threading.Event, alive: Callable[[], None]) -> None:
        self._stop = stop
        self._alive = alive
        self.fault: str | None = None

    def until_done(self, action: Callable[[], T]) -> T:
        """What `action` returns once it succeeds. Raises Interrupted where `stop` comes first."""
        pause_s = _FIRST_PAUSE_S
        while True:
            self._alive()
            try:
                result = action()
            except StoreError as error:
                if self.fault != error.what:
                    log.error("%s; trying again, nothing is acknowledged meanwhile", error)
                self.fault = error.what
                asked_s = error.retry_after_s if isinstance(error, StoreBusyError) else 0.0
            else:
                if self.fault is not None:
                    log.info("works again after: %s", self.fault)
                self.fault = None
                return result
            self._wait(max(pause_s * random.uniform(0.5, 1.0), min(asked_s, _LONGEST_RETRY_AFTER_S)))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _wait(self, pause_s: float) -> None:
        while pause_s > 0:
            self._alive()
            if self._stop.wait(min(pause_s, _LONGEST_PAUSE_S)):
                raise Interrupted(self.fault)
            pause_s -= _LONGEST_PAUSE_S


class ReopeningStore:
    """The store, opened at first use and anew after a failure: its file may have been moved or replaced."""

    def __init__(self, open_store: Callable[[], TelemetryStore]) -> None:
        self._open = open_store
        self._store: TelemetryStore | None = None

    def use(self, action: Callable[[TelemetryStore], T]) -> T:
        """What `action` returns. Raises StoreError where the store cannot be opened or used."""
        if self._store is None:
            self._store = self._open()
        try:
            return action(self._store)
        except StoreError:
            self.close()
            raise

    def close(self) -> None:
        """Close, where it is open."""
        store, self._store = self._store, None
        if store is not None:
            with suppress(StoreError):  # what was written is on the disk, and nothing else is asked of it any more
                store.close()
