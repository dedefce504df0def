"""The way of a replay to the broker: published is what subscribers were handed, not what was acknowledged."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from pdm_platform.contract.errors import BrokerError, TopicError
from pdm_platform.contract.topics import Topics
from pdm_platform.runtime.mqtt import Link, Message
from pdm_platform.runtime.settings import PlatformSettings
from sensors_bridge.replay import Prepared

_CONNECT_WITHIN_S: Final = 5.0
_ANSWER_WITHIN_S: Final = 10.0
# more filters than these are one for everything: the broker hands out what else comes as well, which is then dropped
_MOST_FILTERS: Final = 50


class Connection(Protocol):
    """The part of the link that this module needs."""

    def publish(self, topic: str, payload: bytes) -> object:
        """Hand one message over."""
        ...

    def start(self) -> None:
        """Begin to connect."""
        ...

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until connected and subscribed. Raises BrokerError."""
        ...

    def stop(self) -> None:
        """Close the connection."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until the broker has acknowledged all."""
        ...

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tell the broker that these have arrived."""
        ...


class ConfirmedOutlet:
    """Publishes a batch, and returns when each of it was acknowledged and came back on the link's own subscription.

    The acknowledgement alone is not enough: MQTT 3.1.1 knows no refusal, so that Mosquitto acknowledges what the
    account may not publish, and drops it. A record that was marked by it would be gone.
    """

    def __init__(self, link: Connection, arrived: "SimpleQueue[Message]", *, user: str, within_s: float) -> None:
        self._link = link
        self._arrived = arrived
        self._user = user
        self._within_s = within_s
        self._started = False

    def publish(self, batch: list[Prepared]) -> None:
        """See Outlet.publish. Connects with the first batch: where all is refused, no broker is needed."""
        if not self._started:
            self._started = True
            self._link.start()
            self._link.wait_ready(_CONNECT_WITHIN_S)
        awaited = {(item.entry.record.topic, item.payload) for item in batch}
        for item in batch:
            self._link.publish(item.entry.record.topic, item.payload)
        if not self._link.flush(self._within_s):
            raise BrokerError(
                f"the broker did not acknowledge a batch of {len(batch)} within {self._within_s:g} s",
                hint="They are not marked as replayed; replay them again, they are the same points.",
            )
        self._wait_for(awaited)

    def close(self) -> None:
        """End the connection, where there is one."""
        if self._started:
            self._link.stop()

    def _wait_for(self, awaited: set[tuple[str, bytes]]) -> None:
        deadline = time.monotonic() + self._within_s
        while awaited:
            try:
                message = self._arrived.get(timeout=max(deadline - time.monotonic(), 0.0))
            except Empty:
                raise self._dropped(awaited) from None
            self._link.acknowledge([message])
            # a retained one is the broker's kept copy of an earlier message: it says nothing of this one
            if not message.retain:
                awaited.discard((message.topic, message.payload))
            # what others send on these topics must not put the deadline off for ever
            if awaited and time.monotonic() > deadline:
                raise self._dropped(awaited)

    def _dropped(self, awaited: set[tuple[str, bytes]]) -> BrokerError:
        topic = min(awaited)[0]
        return BrokerError(
            f"the broker acknowledged {len(awaited)} records and handed them to nobody, the first on {topic!r}",
            hint=f"PDM_MQTT_USERNAME={self._user!r} must be allowed to publish and to read there. Nothing of this batch"
            " is marked as replayed.",
        )


@contextmanager
def confirmed_outlet(platform: PlatformSettings, topics: Iterable[str]) -> Iterator[ConfirmedOutlet]:
    """An outlet at the broker of the settings, for those of the topics that are of the contract."""
    filters = sorted(topic for topic in topics if _is_known(topic, platform.topics))
    arrived: SimpleQueue[Message] = SimpleQueue()
    link = Link(
        platform,
        f"pdm-quarantine-{os.getpid()}",
        subscriptions=filters if len(filters) <= _MOST_FILTERS else [platform.topics.everything],
        on_message=arrived.put,
        persistent=False,
    )
    outlet = ConfirmedOutlet(link, arrived, user=platform.mqtt_username, within_s=_ANSWER_WITHIN_S)
    try:
        yield outlet
    finally:
        outlet.close()


def _is_known(topic: str, topics: Topics) -> bool:
    try:
        topics.parse(topic)
    except TopicError:
        return False
    return True
