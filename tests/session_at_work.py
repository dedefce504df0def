"""A session of the one-threaded client, made to work by a test until something has come of it."""

import time
from collections.abc import Callable

from pdm_platform.runtime.mqtt import Message
from pdm_platform.runtime.mqtt_session import Session

WITHIN_S = 60.0


def drive(session: Session, done: Callable[[], bool]) -> None:
    """Let the session work until a condition holds."""
    deadline_s = time.monotonic() + WITHIN_S
    while not done():
        assert time.monotonic() < deadline_s, "it does not come to that"
        session.check()
        session.exchange(0.02)


def received(session: Session, count: int) -> list[Message]:
    """So many messages, not acknowledged."""
    found: list[Message] = []
    deadline_s = time.monotonic() + WITHIN_S
    while len(found) < count:
        assert time.monotonic() < deadline_s, f"{len(found)} of {count} messages came"
        found += session.receive(count - len(found), 0.1)
    return found
