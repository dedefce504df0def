"""How long a pump lives and what it dies of: a Weibull life for each failure mode, of which the shortest counts."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.failure_modes import FailureMode
from simulators.draws import LEVELS, Stream, uniforms
from simulators.speeds import SPEEDS, Speed

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
MODES: Final = tuple(FailureMode)
# what stands in place of a life for a mode that never fails
NEVER_READINGS: Final = math.inf


class Weibull(NamedTuple):
    """Life in operating hours: survival exp(-(t / scale_hours) ** shape)."""

    shape: float
    scale_hours: float

    def hazard(self, hours: FloatArray) -> FloatArray:
        """Failures an hour among those alive at `hours`; any shape."""
        return np.asarray(self.shape / self.scale_hours * (hours / self.scale_hours) ** (self.shape - 1.0))

    def cumulative_hazard(self, hours: FloatArray) -> FloatArray:
        """Minus the logarithm of the survival; any shape."""
        return np.asarray((hours / self.scale_hours) ** self.shape)

    def residual(self, hours: float, exposure: float) -> float:
        """Age at failure of a part alive at `hours`, after so much more cumulative hazard."""
        return float(self.scale_hours * ((hours / self.scale_hours) ** self.shape + exposure) ** (1.0 / self.shape))


# Typical values. Source: Barringer & Associates, Weibull database (after Bloch and Geitner, Practical Machinery
# Management for Process Plants): the row named beside each. Cavitation has no row: the shape of impellers, and 40,000
# h, the life under cavitation that suction heads are set for (Vlaming, A method for estimating the net positive suction
# head required by centrifugal pumps, ASME 81-WA/FE-32, 1981).
LIVES: Final = {
    FailureMode.BEARING_WEAR: Weibull(1.3, 40_000.0),  # ball bearing
    FailureMode.IMPELLER_WEAR: Weibull(2.5, 150_000.0),  # impellers, pumps
    FailureMode.SEAL_LEAKAGE: Weibull(1.4, 25_000.0),  # seals, mechanical
    FailureMode.CAVITATION: Weibull(2.5, 40_000.0),
    FailureMode.UNBALANCE: Weibull(1.2, 50_000.0),  # shafts, centrifugal pumps
    FailureMode.MISALIGNMENT: Weibull(2.0, 75_000.0),  # couplings
    FailureMode.WINDING_DEGRADATION: Weibull(1.2, 100_000.0),  # motors, AC
    FailureMode.PLUGGED_SUCTION: Weibull(1.1, 25_000.0),  # filter, oil: the nearest to a suction strainer that clogs
}


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """When each failure mode would end a pump's life.

    readings: shape (p,), of the whole life, the first and the last included. mode: (p,), index into MODES, what ends
    it. last_step: (p, 8), step at which each mode would have failed, float; the smallest is readings - 1.
    """

    readings: IntArray
    mode: IntArray
    last_step: FloatArray

    @classmethod
    def draw(cls, seed: int, number: IntArray, generation: IntArray, speed: IntArray, given_mode: IntArray) -> Self:
        """Draw from the law of competing risks, on condition that the life is one of the speed's length.

        number, generation, speed: shape (p,); speed is an index into Speed. given_mode: (p,), the mode that has to win,
        -1 where it is drawn as well.
        """
        drawn = uniforms(seed, Stream.LIFE, number, generation)
        exact = drawn[:, 0] + (drawn[:, 1] - 0.5) / LEVELS
        rows = [_winner(int(s), float(u), int(m)) for s, u, m in zip(speed, exact, given_mode, strict=True)]
        readings, mode = np.array(rows, dtype=np.int64).reshape(-1, 2).T
        exposure = uniforms(seed, Stream.LIFE, number, generation, 1)
        last = np.array(
            [
                _last_steps(int(r), int(m), int(s), row)
                for r, m, s, row in zip(readings, mode, speed, exposure.tolist(), strict=True)
            ]
        ).reshape(-1, len(MODES))
        return cls(readings, mode, last)


def _winner(speed: int, drawn: float, given_mode: int) -> tuple[int, int]:
    """Readings of the life and the mode that ends it."""
    pace = SPEEDS[list(Speed)[speed]]
    cumulative = _cumulative(speed, given_mode)
    place = min(int(np.searchsorted(cumulative, drawn * cumulative[-1], side="right")), len(cumulative) - 1)
    if given_mode >= 0:
        return pace.min_readings + place, given_mode
    return pace.min_readings + place // len(MODES), place % len(MODES)


@cache
def _cumulative(speed: int, given_mode: int) -> FloatArray:
    """Cumulative probability over (readings, mode), or over the readings where the mode is given."""
    pace = SPEEDS[list(Speed)[speed]]
    middle = np.arange(pace.min_readings, pace.max_readings + 1, dtype=np.float64) - 0.5
    hours: FloatArray = middle * pace.hours_per_reading
    survival = np.exp(-np.sum([LIVES[mode].cumulative_hazard(hours) for mode in MODES], axis=0))
    density = np.stack([LIVES[mode].hazard(hours) * survival for mode in MODES], axis=1)
    chosen = density if given_mode < 0 else density[:, given_mode]
    return np.cumsum(chosen.ravel())


def _last_steps(readings: int, mode: int, speed: int, exposure: list[float]) -> list[float]:
    """The winner's last step, and later ones for the others: each lives on by its own law from there."""
    # scalar arithmetic: vectors give other last bits in their body than in their tail
    hours_per_reading = SPEEDS[list(Speed)[speed]].hours_per_reading
    hours = readings * hours_per_reading
    later = [
        LIVES[other].residual(hours, -math.log(drawn)) / hours_per_reading - 1.0
        for other, drawn in zip(MODES, exposure, strict=True)
    ]
    later[mode] = readings - 1.0
    return later
