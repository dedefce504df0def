"""How a session gets its connection: attempts with growing pauses, MQTT 5 first, and a word on why none comes."""

import logging
import random
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from pdm_platform.contract.errors import BrokerError, BrokerRefusedError, SettingsError
from pdm_platform.runtime import mqtt_packets as packets
from pdm_platform.runtime.mqtt import KEEPALIVE_S
from pdm_platform.runtime.mqtt_packets import Packet
from pdm_platform.runtime.mqtt_wire import Wire, tls_context
from pdm_platform.runtime.settings import PlatformSettings

log = logging.getLogger(__name__)
# CONNACK reasons of 3.1.1 and 5 that another attempt would not change: client id, credentials, rights, ban
_REFUSALS: Final = frozenset({2, 4, 5, 0x85, 0x86, 0x87, 0x8A})
_NOT_THIS_PROTOCOL: Final = frozenset({1, 0x84})
# As long as the shipped Mosquitto keeps sessions of MQTT 3.1.1 (`persistent_client_expiration`).
SESSION_EXPIRY_S: Final = 14 * 86_400
# Deliveries that the broker may have under way to this process: what bounds its memory where the broker speaks MQTT 5.
RECEIVE_MAXIMUM: Final = 20_000
_LASTED_S: Final = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = (0.2, 0.6), (5.0, 10.0)


class Dialled(NamedTuple):
    """A connection that the broker has accepted. receive_maximum: publishes it takes before it has answered them."""

    wire: Wire
    protocol: int
    receive_maximum: int


class Dialer:
    """Connects one client. `protocol` is the MQTT version of the next attempt. Raises SettingsError for no address.

    needs_5: MQTT 3.1.1 is no use, and is asked for only where the broker says that it knows no other.
    """

    def __init__(
        self, settings: PlatformSettings, client_id: str, stopping: Callable[[], bool], *, needs_5: bool = False
    ) -> None:
        self._settings, self._client_id, self._stopping = settings, client_id, stopping
        self._tls = tls_context(settings.mqtt_tls_ca)
        self._absence_told = False
        self._next_attempt_s = self._pause_s = self._connected_s = 0.0
        # a broker that hangs up does not know MQTT 5, or is about to go away: not for lack of it once it has spoken it
        self._knows_5 = needs_5
        self.protocol = packets.PROTOCOL_5
        self.address = _address(settings)

    def due_in_s(self) -> float:
        """Seconds until another attempt makes sense."""
        return self._next_attempt_s - time.monotonic()

    def dial(self) -> Dialled | None:
        """Make one attempt where one is due. Raises BrokerRefusedError where another would not help."""
        if self._stopping() or self.due_in_s() > 0:
            return None
        wire: Wire | None = None
        try:
            wire = Wire(self._settings.mqtt_host, self._settings.mqtt_port, self._tls)
            wire.send(self._greeting())
            reason, receive_maximum = packets.read_connack(self.protocol, wire.answer(Packet.CONNACK, self._stopping))
        except (OSError, BrokerError, IndexError) as error:
            if wire is not None:
                wire.close()
                if not self._knows_5:
                    self._try_the_other()
            self._absent(error)
            return None
        if reason:
            wire.close()
            self._not_let_in(reason)
            return None
        self._connected_s, self._absence_told = time.monotonic(), False
        self._knows_5 |= self.protocol == packets.PROTOCOL_5
        log.info("connected to broker %s", self.address)
        return Dialled(wire, self.protocol, receive_maximum)

    def lost(self, error: Exception) -> None:
        """A connection is gone: the next attempt comes after a moment."""
        if not self._stopping():
            log.warning("lost broker %s (%s), reconnecting", self.address, told(error))
        if time.monotonic() - self._connected_s > _LASTED_S:
            self._pause_s = 0.0  # one that lets in and hangs up at once must not be asked in ever the same hurry
        self._back_off()

    def _greeting(self) -> bytes:
        settings = self._settings
        return packets.connect(
            self.protocol,
            self._client_id,
            keepalive_s=KEEPALIVE_S,
            session_expiry_s=SESSION_EXPIRY_S,
            receive_maximum=RECEIVE_MAXIMUM,
            username=settings.mqtt_username,
            password=(settings.password() or "") if settings.mqtt_username else "",
        )

    def _not_let_in(self, reason: int) -> None:
        if reason in _NOT_THIS_PROTOCOL:
            self._try_the_other()
            if self.protocol == packets.PROTOCOL_3:
                return
        shown = f"the broker at {self.address} refused user {self._settings.mqtt_username!r}: reason {reason:#04x}"
        log.error(shown)
        if reason in _REFUSALS:
            raise BrokerRefusedError(
                shown, hint="PDM_MQTT_USERNAME and PDM_MQTT_PASSWORD_FILE say who connects. `pdmctl doctor` tests them."
            )
        self._back_off()

    def _try_the_other(self) -> None:
        self.protocol = packets.PROTOCOL_3 if self.protocol == packets.PROTOCOL_5 else packets.PROTOCOL_5

    def _absent(self, error: Exception) -> None:
        if not self._absence_told and not self._stopping():
            log.warning("no broker answers at %s (%s), trying until one does", self.address, told(error))
        self._absence_told = True
        self._back_off()

    def _back_off(self) -> None:
        """Drawn anew for each process, so that a plant does not return in step."""
        longest = random.uniform(*_LONGEST_PAUSE_S)
        self._pause_s = min(2 * self._pause_s, longest) if self._pause_s else random.uniform(*_FIRST_PAUSE_S)
        self._next_attempt_s = time.monotonic() + self._pause_s


def _address(settings: PlatformSettings) -> str:
    address = f"{settings.mqtt_host}:{settings.mqtt_port}"
    try:
        # the socket module encodes it so as well, and what it raises is no OSError
        is_one = settings.mqtt_host.encode("idna") and settings.mqtt_port
    except UnicodeError:
        is_one = False
    if not is_one:
        raise SettingsError(f"PDM_MQTT_HOST, PDM_MQTT_PORT: {address!r} is no address")
    return address


def told(error: Exception) -> str:
    """An error of a connection, in words for a log."""
    if isinstance(error, IndexError):
        return "it sent a packet that is shorter than it says"
    return str(getattr(error, "what", None) or getattr(error, "strerror", None) or error)
