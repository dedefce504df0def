"""Telemetry as lines of JSON, many at once: a table of characters instead of a number printed at a time.

A line decodes to the same struct as the contract's own encoding and is a few spaces longer: every field has a fixed
width, so that lines are columns of an array. For bulk data; what goes over MQTT is encoded by `encoding`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.payloads import Telemetry, encode
from simulators.encoding import DECIMALS, PERCENT_DECIMALS

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
Words = NDArray[np.uint32]
_THOUSAND: Final = 1_000
_FOUR_DIGITS: Final = 10_000
# characters of a number before its point, of a count, and of a time in ms
_WHOLE, _POINTED, _COUNT, _TIME = 4, 8, 8, 16
_MAX_COUNT: Final = 10**8


@dataclass(frozen=True, slots=True)
class LineFormat:
    """Where each field lies in a line. devices: names of p pumps, as they stand in the line, shape (p, w) of bytes."""

    template: NDArray[np.uint8]
    devices: NDArray[np.uint8]
    device_at: int
    fields: dict[str, int]

    @classmethod
    def of(cls, names: tuple[str, ...]) -> "LineFormat":
        """Lines for these devices; names as the contract has them, so that none needs escaping."""
        width = max(len(name) for name in names)
        devices = np.array([f'{name}"'.ljust(width + 1).encode() for name in names], dtype=f"S{width + 1}")
        line, fields = b'{"device_id":"', {}
        device_at = len(line)
        line += b" " * (width + 1)
        widths = {**dict.fromkeys(CHANNEL_NAMES, _POINTED), "measurement_id": _COUNT, "timestamp": _TIME}
        for name, room in {**widths, "health_percent": _POINTED}.items():
            line += f',"{name}":'.encode()
            fields[name] = len(line)
            line += b" " * room
        template = np.frombuffer(line + b"}\n", dtype=np.uint8)
        return cls(template, devices.view(np.uint8).reshape(len(names), width + 1), device_at, fields)

    def write(
        self,
        pump: IntArray,
        channels: Float32Array,
        health_percent: FloatArray,
        measurement_id: IntArray,
        time_ms: IntArray,
    ) -> bytes:
        """Lines of n readings: pump index (n,), channels (8, n), health (n,), sequence number and epoch ms (n,)."""
        count = len(pump)
        lines = np.empty((count, len(self.template)), dtype=np.uint8)
        lines[:] = self.template
        width = self.devices.shape[1]
        lines[:, self.device_at : self.device_at + width] = self.devices[pump]
        odd = (measurement_id >= _MAX_COUNT) | (time_ms < 0)
        for name, decimals, values in zip(CHANNEL_NAMES, DECIMALS, channels, strict=True):
            odd |= self._number(lines, name, values.astype(np.float64), decimals)
        odd |= self._number(lines, "health_percent", health_percent, PERCENT_DECIMALS)
        self._count(lines, np.where(odd, 0, measurement_id))
        self._time(lines, np.where(odd, 0, time_ms))
        if not odd.any():
            return lines.tobytes()
        return self._with_odd(lines, np.flatnonzero(odd), channels, health_percent, measurement_id, time_ms)

    def _number(self, lines: NDArray[np.uint8], name: str, values: FloatArray, decimals: int) -> NDArray[np.bool_]:
        """Write values of 0 to 9,999; tells which are not, or are missing."""
        scale = 10.0**decimals
        scaled = values * scale
        np.rint(scaled, out=scaled)
        odd = ~((scaled >= 0.0) & (scaled < _FOUR_DIGITS * scale))
        if odd.any():
            scaled[odd] = 0.0
        thousandths = scaled.astype(np.int32) * np.int32(10 ** (3 - decimals))
        whole = thousandths // np.int32(_THOUSAND)
        spaced, _, fractions = _tables()
        at = self.fields[name]
        _put(lines, at, spaced.take(whole))
        whole *= np.int32(_THOUSAND)
        thousandths -= whole
        _put(lines, at + _WHOLE, fractions.take(thousandths))
        return odd

    def _count(self, lines: NDArray[np.uint8], values: IntArray) -> None:
        spaced, zeros, _ = _tables()
        high, low = np.divmod(values.astype(np.int32), np.int32(_FOUR_DIGITS))
        at = self.fields["measurement_id"]
        blank = np.frombuffer(b"    ", dtype=np.uint32)[0]
        _put(lines, at, np.where(high > 0, spaced.take(high), blank))
        _put(lines, at + 4, np.where(high > 0, zeros.take(low), spaced.take(low)))

    def _time(self, lines: NDArray[np.uint8], values: IntArray) -> None:
        spaced, zeros, _ = _tables()
        upper, lower = np.divmod(values, _FOUR_DIGITS**2)
        at = self.fields["timestamp"]
        blank = np.frombuffer(b"    ", dtype=np.uint32)[0]
        high, low = np.divmod(upper.astype(np.int32), np.int32(_FOUR_DIGITS))
        _put(lines, at, np.where(high > 0, spaced.take(high), blank))
        _put(lines, at + 4, np.where(high > 0, zeros.take(low), spaced.take(low)))
        high, low = np.divmod(lower.astype(np.int32), np.int32(_FOUR_DIGITS))
        # a time after 1973 has more digits than these eight
        _put(lines, at + 8, zeros.take(high))
        _put(lines, at + 12, zeros.take(low))

    def _with_odd(
        self,
        lines: NDArray[np.uint8],
        odd: IntArray,
        channels: Float32Array,
        health_percent: FloatArray,
        measurement_id: IntArray,
        time_ms: IntArray,
    ) -> bytes:
        """The same with the rows that do not fit encoded one by one."""
        parts, start = [], 0
        for row in odd.tolist():
            parts.append(lines[start:row].tobytes())
            name = lines[row, self.device_at :].tobytes().partition(b'"')[0].decode()
            values = [round(float(value), digits) for value, digits in zip(channels[:, row], DECIMALS, strict=True)]
            told = dict(zip(CHANNEL_NAMES, (None if v != v else v + 0.0 for v in values), strict=True))
            health = round(float(health_percent[row]), PERCENT_DECIMALS) + 0.0
            sequence, moment = int(measurement_id[row]), int(time_ms[row])
            reading = Telemetry(
                device_id=name, measurement_id=sequence, timestamp=moment, health_percent=health, **told
            )
            parts.append(encode(reading) + b"\n")
            start = row + 1
        parts.append(lines[start:].tobytes())
        return b"".join(parts)


def _put(lines: NDArray[np.uint8], at: int, words: Words) -> None:
    lines[:, at : at + 4] = words.view(np.uint8).reshape(-1, 4)


@cache
def _tables() -> tuple[Words, Words, Words]:
    """Four characters each: 0 to 9,999 behind spaces, the same behind zeros, and a point with three digits."""
    whole = range(_FOUR_DIGITS)
    return (
        _words([f"{number:>4}" for number in whole]),
        _words([f"{number:04}" for number in whole]),
        _words([f".{number:03}" for number in range(_THOUSAND)]),
    )


def _words(texts: list[str]) -> Words:
    return np.frombuffer("".join(texts).encode(), dtype=np.uint32)
