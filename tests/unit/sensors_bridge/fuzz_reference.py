"""What must become of a message, told from docs/contract.md with the standard library alone.

Nothing of the platform is imported: a reference that called the decoder would agree with its faults.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zlib import crc32

from tests.unit.sensors_bridge.fuzz_fields import Fields, Rejected, fields_of

DAY_NS: Final = 86_400 * 10**9
MAX_AGE_NS: Final = 30 * DAY_NS
MAX_AHEAD_NS: Final = 300 * 10**9
_DEVICE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BRANCHES: Final = {
    ("pumps", "telemetry"): "pump_telemetry",
    ("training", "training_data"): "pump_labels",
    ("pumps", "predictions"): "pump_prediction",
    ("pumps", "alarms"): "pump_alarm",
}
_OWN: Final = {f"factory/platform/{leaf}" for leaf in ("models/production", "models/status", "rejected")}


@dataclass(frozen=True, slots=True)
class Point:
    """What must be stored. time_ns is None where the reading has the time of its arrival."""

    measurement: str
    key: tuple[str, ...]
    time_ns: int | None
    fields: Fields


# -- times


def _time_ns(moment: Any) -> int:
    if isinstance(moment, str):
        if moment.isdigit():
            raise Rejected("time")
        try:
            at = datetime.fromisoformat(moment)
        except ValueError:
            raise Rejected("time") from None
        time_ns = (at.replace(tzinfo=at.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1) * 1_000
    elif not 10**11 <= moment < 2**63:
        raise Rejected("time")
    elif moment < 10**14:
        whole = int(moment)
        time_ns = whole * 10**6 + round((moment - whole) * 10**6)
    else:
        time_ns = int(moment) * (1_000 if moment < 10**17 else 1)
    if not 0 <= time_ns < 2**63:
        raise Rejected("time")
    return time_ns


def _within(time_ns: int, received_ns: int, oldest_ns: int) -> int:
    if not oldest_ns <= time_ns <= received_ns + MAX_AHEAD_NS:
        raise Rejected("time")
    return time_ns


# -- the whole


def verdict(topic: str, payload: bytes, received_ns: int, *, retained: bool) -> Point | None:
    """The point that must be stored; None for what the contract knows and the store does not keep. Raises Rejected."""
    if topic in _OWN:
        return None
    match topic.split("/"):
        case ["factory", "pumps", device_id, "command"] if _DEVICE.fullmatch(device_id):
            return None
        case ["factory", "pumps", device_id, "status"] if _DEVICE.fullmatch(device_id):
            if payload and fields_of("device_status", payload)["device_id"] != device_id:
                raise Rejected("device")
            return None
        case ["factory", branch, device_id, leaf] if (branch, leaf) in _BRANCHES and _DEVICE.fullmatch(device_id):
            measurement = _BRANCHES[branch, leaf]
        case _:
            raise Rejected("topic")
    fields = fields_of(measurement, payload)
    if fields.pop("device_id") != device_id:
        raise Rejected("device")
    timestamp = fields.pop("timestamp")
    if measurement in ("pump_telemetry", "pump_labels"):
        return _reading(measurement, device_id, timestamp, fields, received_ns, retained)
    fields["inference_time_ns"] = _time_ns(fields.pop("inference_timestamp"))
    fields |= fields.pop("probabilities", {})
    key = (device_id, fields.pop("condition")) if measurement == "pump_alarm" else (device_id,)
    said_ns = _time_ns(timestamp) if timestamp is not None else fields["inference_time_ns"]
    time_ns = _within(said_ns, received_ns, received_ns - MAX_AGE_NS)
    number = fields.get("measurement_id")
    place = (crc32(payload) if number is None else number) % 1_000 if timestamp is None else 0
    return Point(measurement, key, time_ns + place, fields)


def _reading(
    measurement: str, device_id: str, timestamp: Any, fields: Fields, received_ns: int, retained: bool
) -> Point:
    maintained = fields["last_maintenance"]
    fields["last_maintenance"] = None if maintained is None else str(maintained)
    if timestamp is None:
        if retained:
            raise Rejected("time")
        return Point(measurement, (device_id,), None, fields)
    oldest_ns = 0 if measurement == "pump_labels" else received_ns - MAX_AGE_NS
    return Point(measurement, (device_id,), _within(_time_ns(timestamp), received_ns, oldest_ns), fields)
