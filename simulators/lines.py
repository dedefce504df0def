"""Telemetry as lines of JSON, many at once: a table of characters instead of a number printed at a time.

A line decodes to the same struct as the contract's own encoding and is a few spaces longer: every field has a fixed
width, so that lines are columns of an array. For bulk data; what goes over MQTT is encoded by `encoding`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final, Self

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
_WORD, _TIME_WORDS = 4, 4
_FIELDS: Final = (*CHANNEL_NAMES, "measurement_id", "timestamp", "health_percent")
_SCALES: Final = 10.0 ** np.array([*DECIMALS, PERCENT_DECIMALS])[:, None]
_ROWS: Final = 2_048
_MAX_COUNT: Final = 10**8
# 1973 to the year 318857: 12 to 16 digits
_TIMES_MS: Final = (10**11, 10**16)


@dataclass(frozen=True, slots=True)
class LineFormat:
    """Where each field lies in a line, in words of four characters, so that a field is a column of an array of words.

    template: shape (w,), a line whose fields are blank. devices: names of p pumps, as they stand in the line, shape
    (p, v). device_at, fields: first word of each field.
    """

    template: Words
    devices: Words
    device_at: int
    fields: dict[str, int]

    @classmethod
    def of(cls, names: tuple[str, ...]) -> Self:
        """Lines for these devices; names as the contract has them, so that none needs escaping."""
        width = -(-(max(len(name) for name in names) + 1) // _WORD) * _WORD
        devices = np.array([f'{name}"'.ljust(width).encode() for name in names], dtype=f"S{width}")
        line = _justified(b'{"device_id":"')
        device_at, fields = len(line) // _WORD, {}
        line += b" " * width
        for name in _FIELDS:
            line += _justified(f',"{name}":'.encode())
            fields[name] = len(line) // _WORD
            line += b" " * _WORD * (_TIME_WORDS if name == "timestamp" else 2)
        template = np.frombuffer(_justified(line + b"}\n"), dtype=np.uint32)
        return cls(template, devices.view(np.uint32).reshape(len(names), width // _WORD), device_at, fields)

    def write(
        self,
        pump: IntArray,
        channels: Float32Array,
        health_percent: FloatArray,
        measurement_id: IntArray,
        time_ms: IntArray,
    ) -> bytes:
        """Lines of n readings: pump index (n,), channels (8, n), health (n,), sequence number and epoch ms (n,)."""
        parts = []
        # few at once: their columns stay in the second-level cache
        for start in range(0, len(pump), _ROWS):
            rows = slice(start, start + _ROWS)
            parts.append(
                self._few(pump[rows], channels[:, rows], health_percent[rows], measurement_id[rows], time_ms[rows])
            )
        return b"".join(parts)

    def _few(
        self,
        pump: IntArray,
        channels: Float32Array,
        health_percent: FloatArray,
        measurement_id: IntArray,
        time_ms: IntArray,
    ) -> bytes:
        first, second, odd = _numbers(channels, health_percent)
        odd |= (measurement_id >= _MAX_COUNT) | (time_ms < _TIMES_MS[0]) | (time_ms >= _TIMES_MS[1])
        lines = np.empty((len(pump), len(self.template)), dtype=np.uint32)
        lines[:] = self.template
        lines[:, self.device_at : self.device_at + self.devices.shape[1]] = self.devices[pump]
        for row, name in enumerate((*CHANNEL_NAMES, "health_percent")):
            _put(lines, self.fields[name], first[row], second[row])
        _put(lines, self.fields["measurement_id"], *_count(np.where(odd, 0, measurement_id)))
        _put(lines, self.fields["timestamp"], *_time(np.where(odd, _TIMES_MS[0], time_ms)))
        text = lines.tobytes()
        if not odd.any():
            return text
        return self._with_odd(text, np.flatnonzero(odd), channels, health_percent, measurement_id, time_ms)

    def _with_odd(
        self,
        text: bytes,
        odd: IntArray,
        channels: Float32Array,
        health_percent: FloatArray,
        measurement_id: IntArray,
        time_ms: IntArray,
    ) -> bytes:
        """The same with the rows that do not fit encoded one by one."""
        parts, start, width = [], 0, _WORD * len(self.template)
        for row in odd.tolist():
            parts.append(text[start : row * width])
            name = text[row * width + _WORD * self.device_at :].partition(b'"')[0].decode()
            values = [round(float(value), digits) for value, digits in zip(channels[:, row], DECIMALS, strict=True)]
            told = dict(zip(CHANNEL_NAMES, (None if v != v else v + 0.0 for v in values), strict=True))
            health = round(float(health_percent[row]), PERCENT_DECIMALS) + 0.0
            sequence, moment = int(measurement_id[row]), int(time_ms[row])
            reading = Telemetry(
                device_id=name, measurement_id=sequence, timestamp=moment, health_percent=health, **told
            )
            parts.append(encode(reading) + b"\n")
            start = (row + 1) * width
        parts.append(text[start:])
        return b"".join(parts)


def _justified(line: bytes) -> bytes:
    """The line with as many spaces before its last character as make it whole words."""
    return line[:-1] + b" " * (-len(line) % _WORD) + line[-1:]


def _put(lines: Words, at: int, *columns: Words) -> None:
    for place, words in enumerate(columns):
        lines[:, at + place] = words


def _numbers(channels: Float32Array, health_percent: FloatArray) -> tuple[Words, Words, NDArray[np.bool_]]:
    """Whole part and decimals of the nine numbers, both (9, n), and which of the n rows have one that does not fit."""
    scaled = np.concatenate([channels, health_percent[None, :]], dtype=np.float64)
    scaled *= _SCALES
    np.rint(scaled, out=scaled)
    odd = ~((scaled >= 0.0) & (scaled < _FOUR_DIGITS * _SCALES))
    if odd.any():
        scaled[odd] = 0.0
    thousandths = scaled.astype(np.int32)
    thousandths *= (_THOUSAND / _SCALES).astype(np.int32)
    whole = thousandths // np.int32(_THOUSAND)
    thousandths -= whole * np.int32(_THOUSAND)
    spaced, _, fractions = _tables()
    return spaced.take(whole), fractions.take(thousandths), np.asarray(odd.any(axis=0))


def _count(values: IntArray) -> tuple[Words, Words]:
    """A number below 10**8 behind spaces."""
    spaced, zeros, _ = _tables()
    high, low = np.divmod(values.astype(np.int32), np.int32(_FOUR_DIGITS))
    blank = _words(["    "])[0]
    short = high == 0
    return np.where(short, blank, spaced.take(high)), np.where(short, spaced.take(low), zeros.take(low))


def _time(values: IntArray) -> tuple[Words, Words, Words, Words]:
    """A time of 12 to 16 digits."""
    _, zeros, _ = _tables()
    upper, lower = np.divmod(values, _FOUR_DIGITS**2)
    high, low = np.divmod(lower.astype(np.int32), np.int32(_FOUR_DIGITS))
    return *_count(upper), zeros.take(high), zeros.take(low)


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
