"""What a reading must keep to be taken: the same rules for the bridge that stores it and the service that predicts."""

import re
from dataclasses import dataclass

from pdm_platform.contract.errors import PayloadError
from pdm_platform.contract.payloads import Labelled, Telemetry, decode
from pdm_platform.contract.times import NS_PER_S, iso_of, time_ns_of
from pdm_platform.contract.topics import Address, Kind


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How far a reading's clock may be off, and which devices may speak (None: any with a valid id)."""

    max_age_ns: int
    max_ahead_ns: int
    allowed_devices: re.Pattern[str] | None = None


class DeviceClock:
    """Gives readings without a timestamp a time of their own: the receive time, increasing within each device."""

    def __init__(self) -> None:
        self._last_ns: dict[str, int] = {}

    def time_ns(self, device_id: str, received_ns: int) -> int:
        """The receive time, or the first nanosecond after the device's last one."""
        time_ns = max(received_ns, self._last_ns.get(device_id, -1) + 1)
        self._last_ns[device_id] = time_ns
        return time_ns


def accept_reading(
    address: Address, payload: bytes, received_ns: int, limits: IntakeLimits, *, retained: bool = False
) -> tuple[Telemetry, int | None]:
    """Decode one reading and check it against its topic and the clock.

    Returns the reading (Labelled for training data) and its event time in ns, None where it has no timestamp.
    Raises PayloadError with the reason, naming field, value and limit. History may be replayed as training data, so
    there only the future is bounded.
    """
    reading = decode(Labelled if address.kind is Kind.TRAINING else Telemetry, payload)
    require_own_topic(address, reading.device_id)
    if limits.allowed_devices is not None and not limits.allowed_devices.fullmatch(reading.device_id):
        raise PayloadError(f"device_id {reading.device_id!r} is unknown: not in PDM_ALLOWED_DEVICES")
    if reading.timestamp is None:
        if retained:
            # the broker hands its retained copy out at each subscription, long after it was measured
            raise PayloadError("timestamp is missing in a retained reading: nothing tells when it was taken")
        return reading, None
    historic = address.kind is Kind.TRAINING
    return reading, check_time(time_ns_of(reading.timestamp), received_ns, limits, historic=historic)


def require_own_topic(address: Address, device_id: str) -> None:
    """Raises PayloadError where a payload names another device than its topic."""
    if device_id != address.device_id:
        raise PayloadError(f"device_id {device_id!r} is not the topic's {address.device_id!r}")


def check_time(time_ns: int, received_ns: int, limits: IntakeLimits, *, historic: bool = False) -> int:
    """The time itself, where it lies within the limits; `historic` allows any age.

    Raises PayloadError naming the time, the limit and when it was received.
    """
    if time_ns > received_ns + limits.max_ahead_ns:
        limit = f"more than {limits.max_ahead_ns / NS_PER_S:g} s ahead of"
    elif not historic and time_ns < received_ns - limits.max_age_ns:
        limit = f"more than {limits.max_age_ns / NS_PER_S / 86_400:g} days before"
    else:
        return time_ns
    raise PayloadError(f"timestamp {iso_of(time_ns)} is {limit} {iso_of(received_ns)}")
