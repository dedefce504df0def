"""An independent subscriber that counts what the broker carries: the demo's numbers are checked against it."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from pdm_platform.contract.errors import PayloadError
from pdm_platform.contract.intake import accept_reading
from pdm_platform.contract.payloads import Alarm, ModelStatus, Prediction, Telemetry, decode
from pdm_platform.contract.times import time_ns_of
from pdm_platform.contract.topics import Address, Kind
from pdm_platform.runtime.mqtt import Link, Message
from pdm_platform.runtime.settings import PlatformSettings

CLIENT_ID = "pdm-witness"
_RATE_OVER_S = 5.0
Key = tuple[str, int]


@dataclass(slots=True)
class PumpView:
    """What the broker's stream last said of one pump. standing: its active alarms by condition."""

    prediction: Prediction | None = None
    standing: dict[str, Alarm] = field(default_factory=dict)
    true_health_percent: float | None = None
    failed: bool = False

    @property
    def alarm(self) -> Alarm | None:
        """The most severe of the active alarms."""
        return max(self.standing.values(), key=lambda alarm: alarm.severity, default=None)

    def hear(self, alarm: Alarm) -> None:
        """An alarm became active, more severe or normal again; those of other conditions stay as they are."""
        if alarm.active:
            self.standing[alarm.condition] = alarm
        else:
            self.standing.pop(alarm.condition, None)


@dataclass
class Witness:
    """Counts distinct readings and predictions by device and event time, so that a redelivery counts once."""

    platform: PlatformSettings
    training: set[Key] = field(default_factory=set)
    telemetry: set[Key] = field(default_factory=set)
    before_model: set[Key] = field(default_factory=set)
    predictions: set[Key] = field(default_factory=set)
    redelivered: int = 0
    rejected: int = 0
    undecodable: int = 0
    untimed: int = 0
    pumps: dict[str, PumpView] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    serving: str = ""
    refused: list[ModelStatus] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _arrivals: deque[float] = field(default_factory=deque)
    _link: Link | None = None

    def start(self) -> None:
        """Subscribe to everything below the root. Raises BrokerError where the broker does not answer."""
        self._link = Link(
            self.platform, CLIENT_ID, subscriptions=(self.platform.topics.everything,), on_message=self._received
        )
        self._link.start()
        self._link.wait_ready(10.0)

    def stop(self) -> None:
        """Close the link."""
        if self._link is not None:
            self._link.stop()

    @property
    def published(self) -> int:
        """Distinct readings that the broker carried, labelled and live, with a timestamp of their own and without."""
        return len(self.training) + len(self.telemetry) + self.untimed

    def messages_per_s(self) -> float:
        """Deliveries a second over the last five."""
        with self.lock:
            horizon = time.monotonic() - _RATE_OVER_S
            while self._arrivals and self._arrivals[0] < horizon:
                self._arrivals.popleft()
            return len(self._arrivals) / _RATE_OVER_S

    def _received(self, message: Message) -> None:
        with self.lock:
            self._arrivals.append(time.monotonic())
            try:
                self._count(message)
            except PayloadError:
                self.undecodable += 1
        assert self._link is not None
        self._link.acknowledge([message])

    def _count(self, message: Message) -> None:
        address = self.platform.topics.parse(message.topic)
        match address.kind:
            case Kind.TRAINING:
                self._add(self.training, self._reading(address, message))
            case Kind.TELEMETRY:
                reading = self._reading(address, message)
                if reading.timestamp is None and not message.dup:
                    self.untimed += 1
                self._add(self.telemetry, reading)
                if not self.serving and (key := _key(reading)) is not None:
                    self.before_model.add(key)
                pump = self.pumps.setdefault(reading.device_id, PumpView())
                pump.true_health_percent = reading.health_percent
                pump.failed |= reading.health_percent is not None and reading.health_percent <= 0.0
            case Kind.PREDICTION:
                prediction = decode(Prediction, message.payload)
                self._add(self.predictions, prediction)
                self.pumps.setdefault(prediction.device_id, PumpView()).prediction = prediction
            case Kind.ALARM:
                alarm = decode(Alarm, message.payload)
                self.alarms.append(alarm)
                self.pumps.setdefault(alarm.device_id, PumpView()).hear(alarm)
            case Kind.MODEL_STATUS:
                status = decode(ModelStatus, message.payload)
                self.serving = status.serving
                if not status.loaded:
                    self.refused.append(status)
            case Kind.REJECTED:
                self.rejected += 1

    def _reading(self, address: Address, message: Message) -> Telemetry:
        """By the rules of the bridge: what it must quarantine was not published. Raises PayloadError."""
        return accept_reading(address, message.payload, message.received_ns, self.platform.intake_limits)[0]

    def _add(self, keys: set[Key], payload: Telemetry | Prediction) -> None:
        if (key := _key(payload)) is None:
            return
        if key in keys:
            self.redelivered += 1
        keys.add(key)


def _key(payload: Telemetry | Prediction) -> Key | None:
    """None without a timestamp: such a reading has nothing by which to know it again."""
    return None if payload.timestamp is None else (payload.device_id, time_ns_of(payload.timestamp))
