"""What lies between the network thread and the loop that works: a bounded queue that hands over batches."""

import threading
import time
from collections import deque

from pdm_platform.runtime.mqtt import Message


class Inbox:
    """Bounded. A full inbox makes `put` wait, which holds back the broker; `close` lets waiters go."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._messages: deque[Message] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, message: Message) -> None:
        """Add one message; waits while full. After `close` it is dropped: unacknowledged, the broker still has it."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._messages) < self._size or self._closed)
            if not self._closed:
                self._messages.append(message)
                self._changed.notify_all()

    def take(self, max_size: int, max_wait_s: float, *, linger_s: float = 0.0) -> list[Message]:
        """All that has arrived, at most `max_size`; waits up to `max_wait_s` for the first one.

        linger_s: wait this much longer for a fuller batch once there is a first message.
        """
        with self._changed:
            self._changed.wait_for(lambda: bool(self._messages) or self._closed, max_wait_s)
            if linger_s and self._messages:
                self._changed.wait_for(lambda: len(self._messages) >= max_size or self._closed, linger_s)
            batch = [self._messages.popleft() for _ in range(min(max_size, len(self._messages)))]
            self._changed.notify_all()
        return batch

    def oldest_age_s(self) -> float:
        """How long the oldest waiting message has been here; 0 when empty."""
        with self._changed:
            return (time.time_ns() - self._messages[0].received_ns) / 1e9 if self._messages else 0.0

    def close(self) -> None:
        """Take no more; whoever waits goes on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
