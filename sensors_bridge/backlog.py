"""How much waits at the broker while the bridge cannot keep up, so that someone knows well before it overflows.

No broker tells a client how much waits for it. So it is estimated: the rate at which messages came while the bridge
kept up, times how long it has not, less what it took meanwhile.
"""

import logging
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)
_WARN_FROM_SHARE: Final = 0.25
# the rate is a mean over about this long: shorter, and a burst passes for what always comes
_MEMORY_S: Final = 300.0


class Backlog:
    """Estimates what waits. room: messages that the broker keeps for the bridge. clock_s: a clock that never jumps."""

    def __init__(self, room: int, clock_s: Callable[[], float]) -> None:
        self._room, self._clock_s = room, clock_s
        self._rate = 0.0
        self._observed_s = 0.0
        self._kept_up_s = clock_s()
        self._taken = 0
        self._told = False

    @property
    def messages(self) -> float:
        """Messages that wait at the broker, estimated."""
        return max(self._rate * (self._clock_s() - self._kept_up_s) - self._taken, 0.0)

    def took(self, messages: int, *, all_of_them: bool) -> None:
        """So many messages were taken and are safe. all_of_them: nothing more was there."""
        self._taken += messages
        if not all_of_them:
            return
        now_s = self._clock_s()
        passed_s = now_s - self._kept_up_s
        if passed_s > 0.0:
            self._observed_s = min(self._observed_s + passed_s, _MEMORY_S)
            self._rate += min(passed_s / self._observed_s, 1.0) * (self._taken / passed_s - self._rate)
        self._kept_up_s, self._taken = now_s, 0

    def fault(self) -> str | None:
        """What to worry about, told to the log when it begins and ends; None while there is room enough."""
        waits = self.messages
        if waits < _WARN_FROM_SHARE * self._room:
            if self._told:
                log.info("the broker has room again for what the bridge does not take")
            self._told = False
            return None
        fault = (
            f"about {waits:,.0f} messages wait at the broker, which keeps {self._room:,};"
            f" at {self._rate:,.0f} a second it is full in {max(self._room - waits, 0.0) / self._rate / 60:,.0f} min"
        )
        if not self._told:
            log.warning("%s", fault)
        self._told = True
        return fault
