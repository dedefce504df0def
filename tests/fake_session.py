"""The broker session as a fake: what arrives is put in by hand, and all that happens to it is kept in order."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from pdm_platform.contract.errors import PdmError
from pdm_platform.runtime.mqtt import Message

# `receive` may return early and empty, so no test waits for longer
_WAIT_S: Final = 0.02


class Sent(NamedTuple):
    """What was published."""

    topic: str
    payload: bytes
    retain: bool


class FakeSession:
    """Takes what `runtime.mqtt_session.Session` takes.

    takes: while False, the broker answers nothing of what is published. at_acknowledgement: asked each time that
    something is acknowledged; its answers are in `seen_then`.
    """

    def __init__(self, at_acknowledgement: Callable[[], Any] = lambda: None) -> None:
        self._at_acknowledgement = at_acknowledgement
        self._waiting: deque[Message] = deque()
        self._changed = threading.Condition()
        self._answered = 0
        self.events: list[str] = []
        self.sent: list[Sent] = []
        self.acknowledged: list[Message] = []
        self.seen_then: list[Any] = []
        self.takes = True
        self.ready = True
        self.refusal: PdmError | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def published(self) -> int:
        """How many messages were handed over."""
        return len(self.sent)

    @property
    def answered(self) -> int:
        """As many, or as many as there were while the broker still answered."""
        if self.takes:
            self._answered = len(self.sent)
        return self._answered

    def answer(self, count: int) -> None:
        """The broker answers so many more."""
        self._answered += count

    def deliver(self, *messages: Message) -> None:
        """These arrive."""
        with self._changed:
            self._waiting += messages
            self._changed.notify_all()

    def oldest_age_s(self) -> float:
        """How long the oldest message has waited."""
        return (time.time_ns() - self._waiting[0].received_ns) / 1e9 if self._waiting else 0.0

    def check(self) -> None:
        """Raises the refusal, where there is one."""
        if self.refusal is not None:
            raise self.refusal

    def receive(self, max_messages: int, max_wait_s: float, *, linger_s: float = 0.0) -> list[Message]:
        """What has arrived."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting), min(max_wait_s + linger_s, _WAIT_S))
            return [self._waiting.popleft() for _ in range(min(max_messages, len(self._waiting)))]

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Keep one message."""
        self.events.append("publish")
        self.sent.append(Sent(topic, payload, retain))

    def flush(self, timeout_s: float) -> bool:
        """Whether the broker answers."""
        self.events.append("flush")
        if not self.takes:
            time.sleep(min(timeout_s, _WAIT_S))
        return self.takes

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Keep these as acknowledged."""
        if safe := list(messages):
            self.events.append("acknowledge")
            self.seen_then.append(self._at_acknowledgement())
            self.acknowledged += safe
