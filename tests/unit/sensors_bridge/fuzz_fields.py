"""What a payload may hold, field by field, told from docs/contract.md with the standard library alone."""

import codecs
import json
import math
import re
from collections.abc import Callable
from typing import Any, Final

_UNREADABLE: Final = "\ufdd0"  # no character: stands for bytes that are not UTF-8
_LONGEST_INTEGER: Final = 4_300
_DEVICE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
Fields = dict[str, Any]
codecs.register_error("unreadable", lambda error: (_UNREADABLE, error.end))  # type: ignore[attr-defined]


class Rejected(Exception):  # noqa: N818  it is a verdict
    """The message must be quarantined, with this cause."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with the fields that are there twice."""


class _TooLong:
    """An integer of more digits than anything takes."""


def fields_of(measurement: str, payload: bytes) -> Fields:
    """The fields of a payload, as the columns of its measurement have them. Raises Rejected."""
    return _fields(_parsed(payload), *_SPECS[measurement])


# -- JSON


def _parsed(payload: bytes) -> _Pairs:
    text = payload.decode("utf-8", "unreadable")
    try:
        document = json.loads(text, object_pairs_hook=_Pairs, parse_int=_integer, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Rejected("payload") from None
    if not isinstance(document, _Pairs) or (_SURROGATE_ESCAPE.search(text) and _has_surrogate(document)):
        raise Rejected("payload")
    return document


def _integer(digits: str) -> "int | _TooLong":
    return int(digits) if len(digits) <= _LONGEST_INTEGER else _TooLong()


def _no_number(name: str) -> None:
    raise ValueError(name)


def _has_surrogate(value: object) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, _Pairs):
        return any(_has_surrogate(key) or _has_surrogate(found) for key, found in value)
    return isinstance(value, list) and any(map(_has_surrogate, value))


# -- fields

Check = Callable[[Any], Any]


def _reject_unless(fine: bool) -> None:
    if not fine:
        raise Rejected("payload")


def _float(low: float, high: float = math.inf) -> Check:
    def check(value: Any) -> float:
        _reject_unless(type(value) in (int, float))
        try:
            number = float(value)
        except OverflowError:
            raise Rejected("payload") from None
        _reject_unless(math.isfinite(number) and low <= number <= high)
        return number

    return check


def _whole(low: int, high: int) -> Check:
    def check(value: Any) -> int:
        _reject_unless(type(value) is int and low <= value <= high)
        return int(value)

    return check


def _text(longest: int = 64) -> Check:
    def check(value: Any) -> str:
        _reject_unless(type(value) is str and len(value) <= longest and _UNREADABLE not in value)
        return str(value)

    return check


def _moment(value: Any) -> Any:
    if type(value) is str:
        return _text()(value)
    _reject_unless(type(value) is int or (type(value) is float and math.isfinite(value)))
    return value


def _mode(value: Any) -> str:
    _reject_unless(value in ("inference", "data_collection"))
    return str(value)


def _names(value: Any) -> tuple[str, ...]:
    _reject_unless(type(value) is list)
    return tuple(map(_text(), value))


def _device(value: Any) -> str:
    _reject_unless(type(value) is str and _DEVICE.fullmatch(value) is not None)
    return str(value)


def _flag(value: Any) -> int:
    _reject_unless(type(value) is bool)
    return int(value)


def _state(value: Any) -> str:
    _reject_unless(value in ("HEALTHY", "WARNING", "FAULTY", "BROKEN"))
    return str(value)


def _or_null(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _probabilities(value: Any) -> Fields:
    _reject_unless(isinstance(value, _Pairs))
    names = {name: _float(0, 1) for name in ("HEALTHY", "WARNING", "FAULTY", "BROKEN")}
    return {f"p_{name.lower()}": number for name, number in _fields(value, names, {}).items()}


_CHANNELS: Final = {
    **dict.fromkeys(("vibration_x", "vibration_y", "vibration_z", "vibration_rms"), (0.0, 1_000.0)),
    "temperature": (-60.0, 400.0),
    "pressure": (-1.1, 1_000.0),
    "current": (0.0, 5_000.0),
    "rpm": (0.0, 100_000.0),
}
_NUMBER: Final = _or_null(_whole(0, 2**63 - 1))
_HOURS: Final = _or_null(_float(0))
_PERCENT: Final = _float(0, 100)
_SHORT: Final = _or_null(_text())
_READING: Final = {"device_id": _device, **{name: _or_null(_float(*span)) for name, span in _CHANNELS.items()}}
_OF_READING: Final = {
    "measurement_id": _NUMBER,
    "timestamp": _or_null(_moment),
    "last_maintenance": _or_null(_moment),
    "health_percent": _or_null(_PERCENT),
}
_SAID: Final = {
    "device_id": _device,
    "state": _state,
    "health_percent": _PERCENT,
    "rul_hours": _HOURS,
    "model_version": _text(),
    "inference_timestamp": _text(),
}
# required fields, then the optional ones, of each kind of point
_SPECS: Final[dict[str, tuple[dict[str, Check], dict[str, Check]]]] = {
    "pump_telemetry": (_READING, _OF_READING),
    "pump_labels": (
        {**_READING, "ground_truth": _state},
        {
            **_OF_READING,
            "rul_hours": _HOURS,
            **dict.fromkeys(("failure_mode", "sensor_fault", "disturbance"), _SHORT),
        },
    ),
    "pump_prediction": (
        {**_SAID, "probabilities": _probabilities},
        {
            "timestamp": _or_null(_moment),
            "measurement_id": _NUMBER,
            **dict.fromkeys(("rul_lower_hours", "rul_upper_hours", "novelty"), _HOURS),
            **dict.fromkeys(("failure_mode", "sensor_fault"), _SHORT),
            **dict.fromkeys(("failure_mode_probability", "sensor_fault_probability"), _or_null(_float(0, 1))),
            **dict.fromkeys(("novel", "provisional"), _flag),
        },
    ),
    "device_status": (
        {"device_id": _device, "online": _flag},
        {
            "mode": _or_null(_mode),
            "timestamp": _or_null(_moment),
            "clock_set": _or_null(_flag),
            "chaos": _or_null(_names),
            "sensor_faults": _or_null(_names),
            "command": _or_null(_text(500)),
            **dict.fromkeys(("firmware", "link", "sensors", "speed"), _SHORT),
            **dict.fromkeys(
                (
                    *("uptime_s", "power_ups", "measurement_id", "waiting", "dropped", "torn", "undated", "skipped"),
                    *("flash_failures", "reconnects", "generation"),
                ),
                _NUMBER,
            ),
        },
    ),
    "pump_alarm": (
        {**_SAID, "condition": _text(), "active": _flag, "severity": _whole(1, 1_000), "message": _text(500)},
        {"timestamp": _or_null(_moment)},
    ),
}


def _fields(document: _Pairs, required: dict[str, Check], optional: dict[str, Check]) -> Fields:
    """The last of each field; every one that is there must be right, also one that another overrules."""
    checks = required | optional
    found: Fields = {name: 0 if check is _flag else None for name, check in optional.items()}
    found |= {name: checks[name](value) for name, value in document if name in checks}
    _reject_unless(found.keys() == checks.keys())
    return found
