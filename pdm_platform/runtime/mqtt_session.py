"""The session of a service through which every reading passes: one thread that reads, works, publishes, acknowledges.

Same promises as `Link`, without a thread of its own and without work for each packet that a batch can do at once.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from pdm_platform.contract.errors import BrokerError, BrokerRefusedError
from pdm_platform.runtime import mqtt_packets as packets
from pdm_platform.runtime.mqtt import KEEPALIVE_S, Message
from pdm_platform.runtime.mqtt_dialer import Dialer
from pdm_platform.runtime.mqtt_outbox import Outbox, Publication
from pdm_platform.runtime.mqtt_packets import Packet
from pdm_platform.runtime.mqtt_wire import Wire
from pdm_platform.runtime.settings import PlatformSettings

_REFUSED: Final = 0x80
_NOT_AUTHORIZED: Final = 0x87
# SUBACK reasons that another attempt would not change: rights, a filter or a kind of subscription that it does not take
_FOR_GOOD: Final = frozenset({_NOT_AUTHORIZED, 0x8F, 0x9E, 0xA1, 0xA2})
_SHARED: Final = "$share/"


class Session:
    """A persistent session at the broker, at QoS 1 in both directions, driven by the thread that calls it.

    subscriptions: filters, subscribed after each connect. hold: messages, and hold_bytes: bytes of their payloads, that
    may wait here until `receive` takes them; beyond, nothing is read and the broker keeps them.
    max_unacknowledged: publishes the broker has not answered yet; `publish` waits for room.
    stop: once set, nothing waits for the broker any more.
    """

    def __init__(
        self,
        settings: PlatformSettings,
        client_id: str,
        *,
        subscriptions: Sequence[str] = (),
        hold: int = 50_000,
        hold_bytes: int = 64 * 1024 * 1024,
        max_unacknowledged: int = 20_000,
        stop: threading.Event | None = None,
    ) -> None:
        self._stopping = stop or threading.Event()
        shares = any(one.startswith(_SHARED) for one in subscriptions)
        self._dialer = Dialer(settings, client_id, self._stopping.is_set, needs_5=shares)
        self._subscriptions = tuple(subscriptions)
        self._hold, self._hold_bytes = hold, hold_bytes
        self._bound = self._max_unacknowledged = min(max_unacknowledged, packets.MAX_PACKET_ID // 2)
        self._protocol = packets.PROTOCOL_5
        self._wire: Wire | None = None
        self._connection = 0
        self._subscribed = False
        self._refusal: BrokerRefusedError | None = None
        self._ping_sent_s: float | None = None
        self._arrived: deque[Message] = deque()
        self._arrived_bytes = 0
        self._outbox = Outbox()
        self._to_resend: deque[tuple[int, Publication]] = deque()

    def __len__(self) -> int:
        return len(self._arrived)

    @property
    def ready(self) -> bool:
        """Connected and subscribed."""
        return self._subscribed

    @property
    def published(self) -> int:
        """How many messages were handed over since the beginning."""
        return self._outbox.published

    @property
    def answered(self) -> int:
        """So many of the first published messages the broker has, all of them: compare with `published` of then."""
        return self._outbox.answered

    def oldest_age_s(self) -> float:
        """How long the oldest message has waited here; 0 when none waits."""
        try:
            return (time.time_ns() - self._arrived[0].received_ns) / 1e9
        except IndexError:  # asked by the thread of /metrics while the other one takes the last
            return 0.0

    def check(self) -> None:
        """Raise BrokerRefusedError where the broker refused this client."""
        if self._refusal is not None:
            raise self._refusal

    def receive(self, max_messages: int, max_wait_s: float, *, linger_s: float = 0.0) -> list[Message]:
        """What has arrived, at most so many messages; waits `max_wait_s` for a first packet and `linger_s` for company.

        Returns early and empty where only answers to what was published came.
        """
        self.exchange(0.0 if self._arrived else max_wait_s)
        deadline_s = time.monotonic() + linger_s
        while linger_s and self._arrived and self._subscribed and not self._stopping.is_set():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or len(self._arrived) >= max_messages or self._is_full():
                break
            self.exchange(left_s)
        if max_messages >= len(self._arrived):
            taken, self._arrived = list(self._arrived), deque()
        else:
            taken = [self._arrived.popleft() for _ in range(max_messages)]
        self._arrived_bytes -= sum(len(message.payload) for message in taken)
        return taken

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand one message over, at QoS 1; waits while too many are unanswered.

        Across a lost connection it is sent again until the broker has it. Raises BrokerRefusedError where it waits for
        a broker that has refused this client.
        """
        while len(self._outbox) >= self._bound and not self._stopping.is_set():
            # read even where enough waits here: the answers come behind it
            self.exchange(0.2, read=True)
            self.check()
        packet_id = self._outbox.add(Publication(topic, payload, retain))
        if self._wire is not None:
            self._wire.send(packets.publish(self._protocol, packet_id, topic, payload, retain=retain))

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tell the broker that these are safe. Those of an earlier connection are left: it delivers them again."""
        if self._wire is not None:
            now = self._connection
            self._wire.send(packets.pubacks([one.mid for one in messages if one.qos and one.connection == now]))

    def exchange(self, wait_s: float, *, read: bool = False) -> bool:
        """Send what is handed over and read what comes, waiting up to `wait_s` for it; connects where needed.

        Nothing is read while enough waits here, unless `read`. Returns whether anything came.
        """
        wire = self._wire or self._connect()
        if wire is None:
            self._stopping.wait(min(wait_s, max(self._dialer.due_in_s(), 0.01)))
            return False
        try:
            self._keep_alive(wire)
            if read or not self._is_full():
                found = wire.exchange(wait_s)
                self._take(found)
                return bool(found)
            wire.write()
            self._stopping.wait(wait_s)
        except (OSError, BrokerError, IndexError) as error:  # IndexError: a packet is shorter than it says
            self._lose(wire, error)
        return False

    def flush(self, timeout_s: float) -> bool:
        """Wait until the broker has answered all that was published; False when that takes longer or it stops."""
        deadline_s = time.monotonic() + timeout_s
        while len(self._outbox):
            if time.monotonic() > deadline_s or (self._stopping.is_set() and not self.ready):
                return False
            self.exchange(0.05, read=True)
        return True

    def close(self, flush_s: float = 2.0) -> None:
        """Publish what is under way, then close the connection. The session stays at the broker."""
        self._stopping.set()
        self.flush(flush_s)
        if self._wire is not None:
            self._wire.send(packets.GOODBYE)
            self.exchange(0.0)
        if self._wire is not None:
            self._wire.close()
        self._wire, self._subscribed = None, False

    def _is_full(self) -> bool:
        return len(self._arrived) >= self._hold or self._arrived_bytes >= self._hold_bytes

    def _connect(self) -> Wire | None:
        try:
            dialled = self._dialer.dial() if self._refusal is None else None
        except BrokerRefusedError as error:
            self._refusal, dialled = error, None
        if dialled is None:
            return None
        self._wire, self._protocol, receive_maximum = dialled
        self._bound = min(self._max_unacknowledged, receive_maximum)
        self._connection += 1
        self._ping_sent_s = None
        self._subscribe(self._wire)
        self._to_resend = deque(self._outbox)
        self._resend(self._wire, self._bound)
        return self._wire

    def _resend(self, wire: Wire, most: int) -> None:
        """What was handed over before this connection, no more at once than the broker takes on it."""
        for _ in range(min(most, len(self._to_resend))):
            packet_id, (topic, payload, retain) = self._to_resend.popleft()
            wire.send(packets.publish(self._protocol, packet_id, topic, payload, retain=retain, dup=True))

    def _subscribe(self, wire: Wire) -> None:
        if not self._subscriptions:
            self._subscribed = True
        elif self._protocol == packets.PROTOCOL_3 and any(one.startswith(_SHARED) for one in self._subscriptions):
            # it would take the filter for a topic of that name, to which nobody publishes
            self._refusal = BrokerRefusedError(
                f"the broker at {self._dialer.address} speaks MQTT 3.1.1, which knows no shared subscriptions",
                hint="Use one that speaks MQTT 5, such as Mosquitto, or PDM_INFERENCE_WORKERS=1.",
            )
        else:
            wire.send(packets.subscribe(self._protocol, self._outbox.next_id(), self._subscriptions))

    def _lose(self, wire: Wire, error: Exception) -> None:
        """The connection is gone: what it delivered is delivered again, what it was given is sent again."""
        wire.close()
        self._wire = None
        # a packet id of the lost connection may name another message on the next one
        self._connection += 1
        self._subscribed = False
        self._dialer.lost(error)

    def _keep_alive(self, wire: Wire) -> None:
        now_s = time.monotonic()
        if self._ping_sent_s is None:
            if now_s - wire.last_sent_s > KEEPALIVE_S / 2:
                wire.send(packets.PING)
                self._ping_sent_s = now_s
        elif now_s - self._ping_sent_s > KEEPALIVE_S:
            if wire.is_silent():
                raise BrokerError(f"no word from the broker for {KEEPALIVE_S} s")
            self._ping_sent_s = None  # nobody has read its answer yet

    def _take(self, found: list[tuple[int, bytes]]) -> None:
        if not found:
            return
        self._ping_sent_s = None
        now_ns, protocol, connection = time.time_ns(), self._protocol, self._connection
        outbox, arrived = self._outbox, self._arrived
        for first, body in found:
            kind = first & 0xF0
            if kind == Packet.PUBLISH:
                topic, payload, qos, retain, dup, packet_id = packets.read_publish(protocol, first, body)
                arrived.append(Message(topic, payload, qos, retain, dup, packet_id, now_ns, connection))
                self._arrived_bytes += len(payload)
            elif kind == Packet.PUBACK:
                if len(body) > 2 and body[2] >= _REFUSED:
                    self._not_taken(body)
                else:
                    outbox.settle(body[0] << 8 | body[1])
            elif kind == Packet.SUBACK:
                self._take_suback(body)
            elif kind == Packet.DISCONNECT:
                raise BrokerError(f"the broker ends the connection, reason {body[0] if body else 0:#04x}")
        if self._to_resend and self._wire is not None:
            self._resend(self._wire, self._bound - (len(outbox) - len(self._to_resend)))

    def _not_taken(self, body: bytes) -> None:
        """A PUBACK that refuses: the message is not settled, for nobody has it."""
        topic, reason = self._outbox.topic_of(body[0] << 8 | body[1]), body[2]
        if reason != _NOT_AUTHORIZED:
            raise BrokerError(f"the broker does not take what is published on {topic!r}, reason {reason:#04x}")
        self._refusal = BrokerRefusedError(
            f"the broker at {self._dialer.address} does not let this user publish on {topic!r}",
            hint="The broker's access list must let this user write this topic.",
        )

    def _take_suback(self, body: bytes) -> None:
        reasons = packets.read_suback(self._protocol, body)
        refused = [one for one, code in zip(self._subscriptions, reasons, strict=False) if code >= _REFUSED]
        if refused and not _FOR_GOOD.intersection(reasons) and self._protocol == packets.PROTOCOL_5:
            raise BrokerError(f"the broker does not subscribe to {refused} now, reasons {bytes(reasons).hex()}")
        if refused:
            self._refusal = BrokerRefusedError(
                f"the broker at {self._dialer.address} refused the subscription to {', '.join(refused)}",
                hint="The broker's access list must let this user read these topics.",
            )
        self._subscribed = not refused
