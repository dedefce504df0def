"""The one link to the broker, over paho: it reconnects, subscribes again, and acknowledges only when told to."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pdm_platform.contract.errors import BrokerError, BrokerRefusedError, SettingsError
from pdm_platform.runtime.settings import PlatformSettings

log = logging.getLogger(__name__)
_REFUSALS = frozenset({"Bad user name or password", "Not authorized", "Banned", "Client identifier not valid"})
KEEPALIVE_S: Final = 30
_CLOSE_WITHIN_S: Final = 1.5


class Message(msgspec.Struct, frozen=True, gc=False):
    """One delivery. `connection` numbers the connection it came in on: an acknowledgement is only good on that one."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    mid: int
    received_ns: int
    connection: int


class Link:
    """A session at the broker.

    client_id: fixed and persistent, so that the broker keeps what arrives while this process is away.
    subscriptions: filters, subscribed at QoS 1 after each connect.
    on_message: called on the network thread; it must only hand over, never block for long or raise.
    max_unacknowledged: bound on publishes the broker has not yet acknowledged; `publish` waits for room.
    stop: once set, nothing waits for the broker any more.
    """

    def __init__(
        self,
        settings: PlatformSettings,
        client_id: str,
        *,
        subscriptions: Sequence[str] = (),
        on_message: Callable[[Message], None] | None = None,
        on_published: Callable[[int], None] | None = None,
        persistent: bool = True,
        max_unacknowledged: int = 1_000,
        stop: threading.Event | None = None,
    ) -> None:
        self._settings = settings
        self._address = f"{settings.mqtt_host}:{settings.mqtt_port}"
        self._subscriptions = tuple(subscriptions)
        self._on_message = on_message
        self._on_published = on_published
        self._connection = 0
        self._connection_lock = threading.Lock()
        self._subscribed = threading.Event()
        self._stopping = stop or threading.Event()
        self._closed = False
        self._absence_told = False
        self._refusal: BrokerRefusedError | None = None
        self._max_unacknowledged = min(max_unacknowledged, 65_535)  # MQTT has no more message ids
        self._unacknowledged = 0
        self._answered = threading.Condition()
        self._client = self._build(client_id, persistent)

    def _build(self, client_id: str, persistent: bool) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=not persistent,
            manual_ack=True,
        )
        # `publish` bounds what is in flight; with a bound of its own paho walks through all of it at each PUBACK
        client.max_inflight_messages_set(0)
        # paho backs off by doubling without jitter: a start drawn per process keeps a fleet from returning in step
        client.reconnect_delay_set(min_delay=random.uniform(0.2, 0.6), max_delay=random.uniform(5.0, 10.0))  # type: ignore[arg-type]
        if self._settings.mqtt_username:
            client.username_pw_set(self._settings.mqtt_username, self._settings.password())
        if self._settings.mqtt_tls_ca is not None:
            try:
                client.tls_set(ca_certs=str(self._settings.mqtt_tls_ca))
            except OSError as error:
                raise SettingsError(f"PDM_MQTT_TLS_CA={str(self._settings.mqtt_tls_ca)!r}: {error.strerror}") from None
        client.on_connect = self._connected
        client.on_connect_fail = self._unanswered
        client.on_subscribe = self._subscription_answered
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        client.on_publish = self._published
        return client

    def start(self) -> None:
        """Begin to connect, in the background, and go on for as long as it takes. Raises SettingsError."""
        try:
            self._client.connect_async(self._settings.mqtt_host, self._settings.mqtt_port, keepalive=KEEPALIVE_S)
        except ValueError as error:
            raise SettingsError(f"PDM_MQTT_HOST, PDM_MQTT_PORT: {self._address!r} is no address: {error}") from None
        self._client.loop_start()

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until connected and subscribed. Raises BrokerError, naming the address, when that takes longer."""
        deadline = time.monotonic() + timeout_s
        while not self._subscribed.wait(0.05):
            self.check()
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"no broker answers at {self._address} within {timeout_s:g} s",
                    hint="Set PDM_MQTT_HOST and PDM_MQTT_PORT, or start one: `pdmctl broker`.",
                )

    @property
    def ready(self) -> bool:
        """Connected and subscribed, and the network thread alive."""
        thread = self._client._thread
        return self._subscribed.is_set() and thread is not None and thread.is_alive()

    def check(self) -> None:
        """Raise BrokerRefusedError where the broker refused this client."""
        if self._refusal is not None:
            raise self._refusal

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Hand one message over, at QoS 1, and return its message id; waits while too many are unacknowledged.

        Across a lost connection it is sent again until the broker has it. Raises BrokerRefusedError where it
        waits for a broker that has refused this client.
        """
        with self._answered:
            while self._unacknowledged >= self._max_unacknowledged and not self._stopping.is_set():
                self._answered.wait(0.2)
                self.check()
            self._unacknowledged += 1
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tell the broker that these are safe. Those of an earlier connection are left: it delivers them again."""
        with self._connection_lock:
            for message in messages:
                if message.qos and message.connection == self._connection:
                    self._client.ack(message.mid, message.qos)

    def flush(self, timeout_s: float) -> bool:
        """Wait until the broker has acknowledged all that was published; False when that takes longer or it stops."""
        deadline = time.monotonic() + timeout_s
        with self._answered:
            while self._unacknowledged:
                if time.monotonic() > deadline or (self._stopping.is_set() and not self.ready):
                    return False
                self._answered.wait(0.2)
        return True

    def stop(self, flush_s: float = 2.0) -> None:
        """Publish what is under way, then close the connection. The session stays at the broker."""
        self._stopping.set()
        self.flush(flush_s)
        self._closed = True
        self._client.disconnect()
        # loop_stop waits for as long as a connection attempt lasts, or a broker that hangs reads nothing
        closing = threading.Thread(target=self._client.loop_stop, daemon=True)
        closing.start()
        closing.join(_CLOSE_WITHIN_S)

    # paho calls what follows on its network thread

    def _connected(
        self, client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            if str(reason) in _REFUSALS:
                self._refusal = BrokerRefusedError(
                    f"the broker at {self._address} refused user {self._settings.mqtt_username!r}: {reason}",
                    hint="PDM_MQTT_USERNAME and PDM_MQTT_PASSWORD_FILE say who connects. `pdmctl doctor` tests them.",
                )
                client.disconnect()
            log.error("broker %s refused the connection: %s", self._address, reason)
            return
        if self._closed:  # `stop` came while the connection was being made
            client.disconnect()
            return
        with self._connection_lock:
            self._connection += 1
        if self._subscriptions:
            client.subscribe([(topic, 1) for topic in self._subscriptions])
        else:
            self._subscribed.set()
        self._absence_told = False
        log.info("connected to broker %s", self._address)

    def _unanswered(self, _client: paho.Client, _data: Any) -> None:
        if not self._absence_told and not self._stopping.is_set():
            log.warning("no broker answers at %s, trying until one does", self._address)
        self._absence_told = True

    def _subscription_answered(
        self, _client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [topic for topic, reason in zip(self._subscriptions, reasons, strict=False) if reason.is_failure]
        if refused:
            self._refusal = BrokerRefusedError(
                f"the broker at {self._address} refused the subscription to {', '.join(refused)}",
                hint="The broker's access list must let this user read these topics.",
            )
            return
        self._subscribed.set()

    def _disconnected(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._connection_lock:
            # a packet id of the lost connection may name another message on the next one
            self._connection += 1
        self._subscribed.clear()
        if not self._stopping.is_set() and self._refusal is None:
            log.warning("lost broker %s (%s), reconnecting", self._address, reason)

    def _received(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if self._on_message is None:
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "<topic is not UTF-8>"
        self._on_message(
            Message(
                topic=topic,
                payload=bytes(message.payload),
                qos=message.qos,
                retain=message.retain,
                dup=message.dup,
                mid=message.mid,
                received_ns=time.time_ns(),
                connection=self._connection,
            )
        )

    def _published(
        self, _client: paho.Client, _data: Any, mid: int, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._answered:
            self._unacknowledged -= 1
            self._answered.notify_all()
        if self._on_published is not None:
            self._on_published(mid)
