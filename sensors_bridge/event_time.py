"""When a prediction or alarm happened, in int64 ns UTC: at the reading it is about."""

from zlib import crc32

from pdm_platform.contract.intake import IntakeLimits, check_time
from pdm_platform.contract.payloads import Alarm, Prediction
from pdm_platform.contract.times import time_ns_of
from pdm_platform.runtime.mqtt import Message

_PLACES_NS = 1_000


class InferenceTimes:
    """Event times of predictions and alarms, in the order in which they arrive."""

    def __init__(self, limits: IntakeLimits) -> None:
        self._limits = limits
        self._taken: dict[tuple[str, ...], tuple[int, dict[int, int]]] = {}

    def time_ns(self, payload: Prediction | Alarm, message: Message) -> int:
        """The reading's timestamp, else the inference's, unique within its series.

        Raises PayloadError where a timestamp cannot be read, or is further off than a reading's may be.
        """
        inferred_ns = time_ns_of(payload.inference_timestamp)
        if payload.timestamp is None:
            series = (payload.device_id, payload.condition) if isinstance(payload, Alarm) else (payload.device_id,)
            mark = crc32(message.payload)
            # the number of an alarm's reading is not known; those of one batch's readings are not far apart
            number = payload.measurement_id if isinstance(payload, Prediction) else None
            first = mark if number is None else number
            return self._place(series, check_time(inferred_ns, message.received_ns, self._limits), first, mark)
        return check_time(time_ns_of(payload.timestamp), message.received_ns, self._limits)

    def _place(self, series: tuple[str, ...], time_ns: int, first: int, mark: int) -> int:
        """One inference batch may stamp several with the same microsecond: each gets a place of its own within it.

        The place follows from `first`, so that a redelivered one is the same point, also after a restart. mark: tells
        payloads apart.
        """
        last_ns, taken = self._taken.get(series, (-1, {}))
        if last_ns != time_ns:
            taken = {}
            self._taken[series] = (time_ns, taken)
        place = first % _PLACES_NS
        while taken.setdefault(place, mark) != mark:
            place += 1
        return time_ns + place
