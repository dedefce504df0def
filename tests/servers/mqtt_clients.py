"""Clients for tests of a real broker: each remembers what it was sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pdm_platform.contract.errors import BrokerRefusedError
from pdm_platform.deployment.roles import Role
from pdm_platform.runtime.mqtt import Link, Message
from pdm_platform.runtime.settings import PlatformSettings
from tests.servers.mosquitto import Mosquitto, wait_until

# a running broker looks for changed files once a second, then has to read them
EFFECT_WITHIN_S = 5.0


class Listener:
    """Everything one client was sent, in order."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.link: Link

    def __call__(self, message: Message) -> None:
        """Take one message and acknowledge it."""
        self.messages.append(message)
        self.link.acknowledge([message])

    @property
    def topics(self) -> list[str]:
        """Topics of the messages."""
        return [message.topic for message in self.messages]

    @property
    def payloads(self) -> list[str]:
        """Payloads of the messages."""
        return [message.payload.decode() for message in self.messages]

    def wait_for(self, payload: str) -> None:
        """Wait until a message with this payload is there."""
        wait_until(lambda: payload in self.payloads, f"{payload!r} arrives, besides {self.payloads}")

    def catch_up(self) -> None:
        """Wait until all is there that the broker has already sent: its answer to this comes behind it."""
        self.link.publish("nowhere", b"")
        assert self.link.flush(5.0)


@contextmanager
def connected(
    settings: PlatformSettings, *subscriptions: str, client_id: str = "test", persistent: bool = False
) -> Iterator[Listener]:
    """A client while the block runs. Raises BrokerRefusedError, BrokerError."""
    listener = Listener()
    listener.link = Link(settings, client_id, subscriptions=subscriptions, on_message=listener, persistent=persistent)
    listener.link.start()
    try:
        listener.link.wait_ready(5.0)
        yield listener
    finally:
        listener.link.stop()


def gets_in(settings: PlatformSettings) -> bool:
    """Whether the broker lets this client in."""
    try:
        with connected(settings):
            return True
    except BrokerRefusedError:
        return False


@contextmanager
def account(broker: Mosquitto, name: str, role: Role | None = None) -> Iterator[PlatformSettings]:
    """An account that the broker knows already, revoked afterwards. Yields the settings of its client."""
    made: dict[str, Any] = {"username": name, "password": broker.accounts.add(name, role).password}
    try:
        wait_until(lambda: gets_in(broker.client(**made)), f"{name} gets in", timeout_s=EFFECT_WITHIN_S)
        yield broker.client(**made)
    finally:
        broker.accounts.revoke(name)
