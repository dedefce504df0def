"""A centrifugal pump of 5 kW and how it wears: a plain law, vectorised over pumps and readings.

Nominal figures are of a close-coupled pump at 2,850 1/min (two-pole motor, 50 Hz).
"""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES
from simulators.draws import Stream, normals, uniforms

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
S_PER_HOUR: Final = 3_600.0
_RMS: Final = CHANNEL_NAMES.index("vibration_rms")
_AXES: Final = slice(0, 3)


class Pattern(NamedTuple):
    """Where wear shows late in life, in the order of the channels; vibration_rms follows from its axes.

    Vibration, pressure and current change relative to the new pump; temperature in °C, rpm in 1/min.
    """

    vibration_x: float
    vibration_y: float
    vibration_z: float
    temperature_c: float
    pressure: float
    current: float
    rpm: float


PATTERNS: Final = {
    "bearing_wear": Pattern(6.0, 6.5, 4.5, 20.0, -0.03, 0.08, -12.0),
    "impeller_wear": Pattern(2.6, 2.4, 1.6, 5.0, -0.30, -0.13, 9.0),
    "seal_leakage": Pattern(1.6, 1.6, 3.0, 11.0, -0.22, 0.05, -4.0),
    "unbalance": Pattern(8.5, 8.0, 1.6, 7.0, -0.04, 0.06, -14.0),
    "winding_degradation": Pattern(1.5, 1.5, 0.9, 27.0, -0.04, 0.24, -40.0),
}
FAILURE_MODES: Final = tuple(PATTERNS)

# new pump, order of CHANNEL_NAMES; mm/s, °C, bar, A, 1/min. The fourth follows from the axes.
_NEW: Final = np.array([0.62, 0.58, 0.45, 0.0, 38.0, 4.2, 7.8, 2_850.0])
# spread between pumps as built and installed, one standard deviation relative to the value
_SPREAD: Final = np.array([0.08, 0.08, 0.08, 0.0, 0.04, 0.03, 0.03, 0.003])
# sensor noise of one reading: a share of the value, and a part of its own (°C, 1/min)
_NOISE_SHARE: Final = np.array([0.07, 0.07, 0.07, 0.0, 0.0, 0.015, 0.018, 0.0])
_NOISE: Final = np.array([0.0, 0.0, 0.0, 0.0, 0.6, 0.0, 0.0, 4.0])
_RELATIVE: Final = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0])


def _effects() -> FloatArray:
    rows = [(p[0], p[1], p[2], 0.0, *p[3:]) for p in PATTERNS.values()]
    return np.array(rows)


_EFFECTS: Final = _effects()


@dataclass(frozen=True, slots=True)
class Readings:
    """Noisy channels and the truth behind them.

    channels: shape (n, 8), units of `contract.channels`. health_percent: (n,), 100 is new, 0 has failed.
    rul_hours: (n,), time to health 0. failure_mode: (n,), index into FAILURE_MODES.
    """

    channels: FloatArray
    health_percent: FloatArray
    rul_hours: FloatArray
    failure_mode: IntArray


@dataclass(frozen=True, slots=True)
class Life:
    """How pumps wear until their next repair, arrays of shape (p,).

    readings: from new to failed, at least 2. exponent: p of health = 100 * (1 - (age / life) ** p).
    severity, shape: how strongly and how early wear shows. pattern: index into FAILURE_MODES.
    """

    readings: IntArray
    exponent: FloatArray
    severity: FloatArray
    shape: FloatArray
    pattern: IntArray

    @classmethod
    def draw(cls, seed: int, number: IntArray, generation: IntArray, shortest: IntArray, longest: IntArray) -> Self:
        """Draw the lives of pumps that were repaired `generation` times, `shortest` to `longest` readings long."""
        drawn = uniforms(seed, Stream.LIFE, number, generation)
        return cls(
            readings=(shortest + drawn[:, 0] * (longest - shortest + 1)).astype(np.int64),
            exponent=1.2 + 1.0 * drawn[:, 1],
            severity=0.94 + 0.12 * drawn[:, 2],
            shape=0.95 + 0.1 * drawn[:, 3],
            # in turn rather than drawn, so that a small plan has them all
            pattern=(number + generation + seed % len(PATTERNS)) % len(PATTERNS),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Pumps as arrays of shape (p,). All about a pump follows from seed, number and generation.

    number: names the pump within its seed. generation: 0 is new, raised by each repair: the same pump, another life.
    shortest, longest: bounds of a life in readings. interval_s: seconds between readings.
    new: shape (p, 8), channels of the new pump.
    """

    seed: int
    number: IntArray
    generation: IntArray
    shortest: IntArray
    longest: IntArray
    interval_s: FloatArray
    new: FloatArray
    life: Life

    @classmethod
    def build(
        cls, seed: int, *, number: IntArray, shortest: IntArray, longest: IntArray, interval_s: FloatArray
    ) -> Self:
        """New pumps: arrays of shape (p,); lives are drawn between shortest and longest, both included."""
        generation = np.zeros(len(number), dtype=np.int64)
        built = 2.0 * uniforms(seed, Stream.BUILD, number, 0) - 1.0
        return cls(
            seed=seed,
            number=number,
            generation=generation,
            shortest=shortest,
            longest=longest,
            interval_s=interval_s,
            new=_NEW * (1.0 + np.sqrt(3.0) * _SPREAD * built),  # sqrt(3): an even spread of unit deviation
            life=Life.draw(seed, number, generation, shortest, longest),
        )

    def renewed(self, pumps: IntArray) -> Self:
        """The fleet after a repair of `pumps` (indices): each starts another life."""
        generation = self.generation.copy()
        generation[pumps] += 1
        life = Life.draw(self.seed, self.number, generation, self.shortest, self.longest)
        return replace(self, generation=generation, life=life)

    def readings(self, pumps: IntArray, steps: IntArray) -> Readings:
        """What `pumps` (indices, shape (n,)) measure at `steps` (shape (n,), 0 to life - 1) of their life."""
        last = self.life.readings[pumps] - 1
        age = steps / last
        wear = age ** self.life.exponent[pumps]
        shown = self.life.severity[pumps] * _shown(wear, self.life.shape[pumps])
        new = self.new[pumps]
        true = new + shown[:, None] * _EFFECTS[self.life.pattern[pumps]] * np.where(_RELATIVE > 0.0, new, 1.0)
        noise = normals(self.seed, self.number[pumps], self.generation[pumps], steps)
        channels = true + noise * (_NOISE_SHARE * np.abs(true) + _NOISE)
        channels[:, _AXES] = np.maximum(channels[:, _AXES], 0.0)
        channels[:, _RMS] = vibration_rms(channels)
        return Readings(
            channels=channels,
            health_percent=100.0 * (1.0 - wear),
            rul_hours=(last - steps) * self.interval_s[pumps] / S_PER_HOUR,
            failure_mode=self.life.pattern[pumps],
        )


def _shown(wear: FloatArray, shape: FloatArray) -> FloatArray:
    """How much of its pattern a pump shows at a wear of 0 to 1: steady at first, then a steep end.

    Real damage ends so too: debris and misalignment feed it. The factors are set so that the states can be learned and
    yet not told apart without error.
    """
    return 0.6 * wear**shape + 0.8 * wear**8


def vibration_rms(channels: FloatArray) -> FloatArray:
    """Total vibration velocity in mm/s, shape (n,): the vector sum of the three axes of channels (n, 8)."""
    axes = channels[:, _AXES]
    return np.sqrt(axes[:, 0] ** 2 + axes[:, 1] ** 2 + axes[:, 2] ** 2)
