"""From messages to readings with their event times: what breaks the contract, or was answered before, is left out."""

import logging
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from pdm_platform.contract.errors import PayloadError
from pdm_platform.contract.intake import DeviceClock, IntakeLimits, accept_reading
from pdm_platform.contract.payloads import Telemetry
from pdm_platform.contract.topics import Kind, Topics
from pdm_platform.inference.metrics import Metrics
from pdm_platform.inference.predictor import TimedReading
from pdm_platform.runtime.mqtt import Message

log = logging.getLogger(__name__)
_CACHED_TOPICS: Final = 100_000
_REMEMBERED: Final = 65_536  # what a broker may deliver again is bounded by MQTT's packet ids


class Intake:
    """Takes messages apart in their order.

    pointed: called where the production pointer was announced. answers: whether a pump is this process's to answer.
    """

    def __init__(
        self,
        topics: Topics,
        limits: IntakeLimits,
        metrics: Metrics,
        pointed: Callable[[], None],
        answers: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._parse = lru_cache(maxsize=_CACHED_TOPICS)(topics.parse)
        self._answers = lru_cache(maxsize=_CACHED_TOPICS)(answers)
        self._limits, self._metrics, self._pointed = limits, metrics, pointed
        self._clock = DeviceClock()
        self._answered: dict[tuple[str, int], Telemetry] = {}

    def readings(self, batch: Iterable[Message]) -> list[TimedReading]:
        """The readings of a batch."""
        found = []
        for message in batch:
            try:
                address = self._parse(message.topic)
                if address.kind is Kind.MODEL_PRODUCTION:
                    self._pointed()
                    continue
                if not self._answers(address.device_id):
                    continue
                reading, time_ns = accept_reading(
                    address, message.payload, message.received_ns, self._limits, retained=message.retain
                )
            except PayloadError as error:
                # the bridge quarantines it with this reason; here it only must not become a prediction
                log.debug("not predicted: %s", error)
                self._metrics.refused.inc()
                continue
            if time_ns is None:
                if self._is_repeat(reading):
                    self._metrics.repeats.inc()
                    continue
                time_ns = self._clock.time_ns(reading.device_id, message.received_ns)
            found.append(TimedReading(reading, time_ns))
        return found

    def _is_repeat(self, reading: Telemetry) -> bool:
        """Whether a reading without a timestamp was answered already: a second answer would be another point.

        Told by its number and values, not by the DUP flag: after a broker's death publishers send again without it.
        """
        if reading.measurement_id is None:
            return False
        key = (reading.device_id, reading.measurement_id)
        before = self._answered.get(key)
        self._answered[key] = reading
        if len(self._answered) > _REMEMBERED:
            del self._answered[next(iter(self._answered))]
        return before == reading


def superseded(readings: list[TimedReading], older_than_ns: int) -> list[bool]:
    """Of each reading whether it is older than a moment and a newer one of its pump is among them."""
    newest: dict[str, int] = {}
    for item in readings:
        device = item.reading.device_id
        newest[device] = max(newest.get(device, item.time_ns), item.time_ns)
    return [item.time_ns < older_than_ns and item.time_ns < newest[item.reading.device_id] for item in readings]
