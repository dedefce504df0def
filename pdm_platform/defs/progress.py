"""How far a long step has come, told every few seconds rather than with every part."""

import time
from collections.abc import Callable
from typing import Final

_TELL_EVERY_S: Final = 5.0


class Progress:
    """Tells readings done, and of how many where that is known."""

    def __init__(self, say: Callable[[str], object], done: str, total: int = 0) -> None:
        self._say = say
        self._done = done
        self._of = f" of {total:,}" if total else ""
        self._next_s = time.monotonic() + _TELL_EVERY_S

    def tell(self, rows: int) -> None:
        """rows: done so far."""
        if time.monotonic() >= self._next_s:
            self._say(f"{self._done} {rows:,}{self._of} readings")
            self._next_s = time.monotonic() + _TELL_EVERY_S
