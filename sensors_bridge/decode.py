"""From messages to rows: each is taken apart, validated and given its event time, or rejected with the reason."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache, partial
from typing import Final

from pdm_platform.contract.errors import PayloadError, TopicError
from pdm_platform.contract.intake import DeviceClock, IntakeLimits, accept_reading, require_own_topic
from pdm_platform.contract.measurements import PUMP_ALARM, PUMP_LABELS, PUMP_PREDICTION, PUMP_TELEMETRY, Measurement
from pdm_platform.contract.payloads import Alarm, DeviceStatus, Labelled, Prediction, Telemetry, decode
from pdm_platform.contract.topics import Address, Kind, Topics
from pdm_platform.runtime.mqtt import Message
from sensors_bridge.event_time import InferenceTimes
from sensors_bridge.gaps import Gaps

Payload = Telemetry | Labelled | Prediction | Alarm
_STORED: Final[dict[Kind, Measurement]] = {
    Kind.TELEMETRY: PUMP_TELEMETRY,
    Kind.TRAINING: PUMP_LABELS,
    Kind.PREDICTION: PUMP_PREDICTION,
    Kind.ALARM: PUMP_ALARM,
}
_READINGS: Final = (Kind.TELEMETRY, Kind.TRAINING)
_CACHED_TOPICS: Final = 100_000


class Cause(StrEnum):
    """Why a message was rejected, in few words: the label of the metric."""

    TOPIC = "topic"
    PAYLOAD = "payload"
    DEVICE = "device"
    TIME = "time"
    STORE = "store"


_CAUSE_OF_SUBJECT: Final = {"device_id": Cause.DEVICE, "timestamp": Cause.TIME}


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that does not keep the contract, or that the store refused. `reason` names what it breaks."""

    message: Message
    cause: Cause
    reason: str


@dataclass(slots=True)
class Rows:
    """Decoded messages of one measurement, column-ready: payloads, times and messages have one entry a row.

    untimed: positions of readings without a time of their own. doubtful: those of them that may be stored already,
    under another receive time. learn: is told, of each device that the store was asked about, how far its numbers came.
    """

    measurement: Measurement
    payloads: list[Payload] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    untimed: list[int] = field(default_factory=list)
    doubtful: list[int] = field(default_factory=list)
    learn: Callable[[str, int], None] = lambda _device_id, _number: None

    def add(self, payload: Payload, time_ns: int, message: Message) -> None:
        """One row more."""
        self.payloads.append(payload)
        self.times_ns.append(time_ns)
        self.messages.append(message)

    def without(self, positions: Iterable[int]) -> "Rows":
        """The rows less those at `positions`; all that is left counts as told apart."""
        left_out = set(positions)
        kept = [position for position in range(len(self.payloads)) if position not in left_out]
        return Rows(
            self.measurement,
            [self.payloads[position] for position in kept],
            [self.times_ns[position] for position in kept],
            [self.messages[position] for position in kept],
        )


@dataclass(slots=True)
class Decoded:
    """What came of one batch. passed_over: messages that the contract knows and the store does not keep."""

    rows: list[Rows]
    rejected: list[Rejection]
    passed_over: int = 0


class Decoder:
    """Decodes batch after batch; follows each device's receive times and sequence numbers."""

    def __init__(self, topics: Topics, limits: IntakeLimits, gaps: Gaps) -> None:
        self._parse = lru_cache(maxsize=_CACHED_TOPICS)(topics.parse)
        self._limits = limits
        self._gaps = gaps
        self._clock = DeviceClock()
        self._inference_times = InferenceTimes(limits)

    def decode(self, batch: Iterable[Message]) -> Decoded:
        """Rows and rejections of one batch, each in the order of arrival."""
        rows = {
            kind: Rows(measurement, learn=partial(self._gaps.learn, measurement.name))
            for kind, measurement in _STORED.items()
        }
        rejected = []
        passed_over = 0
        for message in batch:
            try:
                address = self._parse(message.topic)
                if address.kind in _READINGS:
                    self._add_reading(rows[address.kind], address, message)
                elif address.kind in _STORED:
                    self._add_inference(rows[address.kind], address, message)
                else:
                    _check(address, message)
                    passed_over += 1
            except PayloadError as error:
                rejected.append(Rejection(message, _cause(error), error.what))
        return Decoded([found for found in rows.values() if found.payloads], rejected, passed_over)

    def _add_reading(self, rows: Rows, address: Address, message: Message) -> None:
        reading, time_ns = accept_reading(
            address, message.payload, message.received_ns, self._limits, retained=message.retain
        )
        may_be_known = message.dup
        if reading.measurement_id is not None:
            # A client that did not hear of the broker's receipt sends again, and what it sends is a new message to
            # the broker: it comes without the DUP flag.
            may_be_known |= self._gaps.follow(
                rows.measurement.name,
                reading.device_id,
                reading.measurement_id,
                redelivered=message.dup,
                time_ns=time_ns,
            )
        if time_ns is None:
            rows.untimed.append(len(rows.payloads))
            if may_be_known:
                rows.doubtful.append(len(rows.payloads))
            time_ns = self._clock.time_ns(reading.device_id, message.received_ns)
        rows.add(reading, time_ns, message)

    def _add_inference(self, rows: Rows, address: Address, message: Message) -> None:
        payload: Prediction | Alarm
        payload = decode(Alarm, message.payload) if address.kind is Kind.ALARM else decode(Prediction, message.payload)
        require_own_topic(address, payload.device_id)
        rows.add(payload, self._inference_times.time_ns(payload, message), message)


def _check(address: Address, message: Message) -> None:
    """A status must be right, so that whoever reads it there can rely on it. A command is for its device to judge."""
    if address.kind is Kind.STATUS and message.payload:  # without payload it takes the retained one back
        require_own_topic(address, decode(DeviceStatus, message.payload).device_id)


def _cause(error: PayloadError) -> Cause:
    """The reasons of the contract begin with what they are about."""
    if isinstance(error, TopicError):
        return Cause.TOPIC
    subject = error.what.partition(" ")[0]
    return _CAUSE_OF_SUBJECT.get(subject, Cause.PAYLOAD)
