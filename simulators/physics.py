"""From the wear, the duty and the build of a pump to what its eight sensors read, noise included."""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES
from simulators import duty, machine
from simulators.draws import Stream, uniforms
from simulators.signatures import AXIS_SHARES, damage_of, total

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
AXES: Final = 3
RMS, TEMPERATURE, PRESSURE, CURRENT, RPM = range(AXES, len(CHANNEL_NAMES))
_SOURCES: Final = tuple(AXIS_SHARES)
_SHARES_SQUARED: Final = {
    name: np.array(shares, dtype=np.float32)[:, None] ** 2 for name, shares in AXIS_SHARES.items()
}
# a sensor of a standing pump still picks up its neighbours
_STANDSTILL_MM_S: Final = np.float32(0.03)


class Unit(IntEnum):
    """What differs from pump to pump as built and installed."""

    GAIN_X = 0
    GAIN_Y = 1
    GAIN_Z = 2
    UNBALANCE = 3
    MISALIGNMENT = 4
    BEARING = 5
    HYDRAULIC = 6
    LOOSENESS = 7
    HEAD = 8
    CURRENT = 9
    RISE = 10
    SLIP = 11
    SUCTION_BAR = 12
    AMBIENT_C = 13
    AMPLITUDE_C = 14


# mean and one standard deviation of an even spread: vibration in mm/s, the others relative to the rated pump
BUILT: Final = {
    Unit.GAIN_X: (1.0, 0.07),
    Unit.GAIN_Y: (1.0, 0.07),
    Unit.GAIN_Z: (1.0, 0.07),
    Unit.UNBALANCE: (0.42, 0.09),
    Unit.MISALIGNMENT: (0.33, 0.07),
    Unit.BEARING: (0.16, 0.03),
    Unit.HYDRAULIC: (0.50, 0.09),
    Unit.LOOSENESS: (0.12, 0.04),
    Unit.HEAD: (1.0, 0.025),
    Unit.CURRENT: (1.0, 0.03),
    Unit.RISE: (1.0, 0.10),
    Unit.SLIP: (1.0, 0.07),
    Unit.SUCTION_BAR: (0.30, 0.06),
    Unit.AMBIENT_C: (22.0, 1.8),
    Unit.AMPLITUDE_C: (2.5, 0.6),
}
# Noise of one reading, one standard deviation. An RMS over about a second scatters by several percent; the flow's own
# pulsation is seen by pressure and current together. No draw is further off than 4.4, so none turns a value negative.
NOISE_VIBRATION: Final = np.float32(0.06)
NOISE_TEMPERATURE_C: Final = np.float32(0.5)
NOISE_PRESSURE: Final = np.float32(0.008)
NOISE_CURRENT: Final = np.float32(0.010)
NOISE_RPM: Final = np.float32(4.0)
PULSATION: Final = np.float32(0.010)


def build_units(seed: int, number: IntArray) -> Float32Array:
    """What each pump is like, shape (15, p), rows of `Unit`; number: (p,)."""
    drawn = np.concatenate([uniforms(seed, Stream.BUILD, number, 0, 2 + block) for block in range(2)], axis=1)
    mean, deviation = np.array(list(BUILT.values())).T[:, :, None]
    # sqrt(12): an even spread of unit deviation
    return np.asarray(mean + deviation * np.sqrt(12.0) * (drawn.T[: len(Unit)] - 0.5), dtype=np.float32)


def channels_of(
    seen: Float32Array,
    unit: Float32Array,
    segment: Float32Array,
    decay: Float32Array,
    day: Float32Array,
    noise: Float32Array,
) -> Float32Array:
    """What the sensors read: shape (8, n), rows in the order of CHANNEL_NAMES.

    seen: what each mode shows, (8, n). unit: (15, n) or (15, 1). segment, decay, day: of `Duty.at`, (8, n), (n,), (n,).
    noise: standard normal, (8, n); overwritten with the result.
    """
    worn = damage_of(seen)
    speed, resistance = segment[duty.SPEED], segment[duty.RESISTANCE]
    flow, head = machine.operating_point(speed, resistance, worn.trim, worn.leak, worn.clog)
    load = machine.shaft_power(speed, flow, head, worn.efficiency) + worn.friction
    current = machine.motor_current(load, worn.copper)
    running, standing = segment[duty.RUNNING], segment[duty.STOPS_AT]
    unsteady = total("pulsation", seen)
    pulsation = (PULSATION + unsteady) * noise[RMS] * running
    # from here on each row of noise becomes what its sensor reads: room in the second-level cache is scarce
    out = noise
    _vibration(seen, unit, speed, machine.hydraulic_excitation(speed, flow), segment, out)
    rise = machine.temperature_rise(current, worn.friction, worn.heat_c)
    _temperature(rise, unit, segment, decay, day, out[TEMPERATURE])
    # what suction loses does not reach the discharge; a check valve holds the static head while the pump stands
    lifted = (head - worn.clog * flow * flow) * running + np.float32(machine.STATIC_HEAD) * standing
    pressure = unit[Unit.SUCTION_BAR] + np.float32(machine.RATED_HEAD_BAR) * unit[Unit.HEAD] * lifted
    out[PRESSURE] = pressure * (1 + pulsation + (unsteady + NOISE_PRESSURE) * out[PRESSURE])
    current *= np.float32(machine.RATED_CURRENT_A) * unit[Unit.CURRENT] * running
    np.multiply(current, 1 + np.float32(0.6) * pulsation + NOISE_CURRENT * out[CURRENT], out=out[CURRENT])
    out[RPM] = (machine.motor_rpm(speed, load, worn.slip * unit[Unit.SLIP]) + NOISE_RPM * out[RPM]) * running
    return out


def _vibration(
    seen: Float32Array,
    unit: Float32Array,
    speed: Float32Array,
    excitation: Float32Array,
    segment: Float32Array,
    out: Float32Array,
) -> None:
    """Each source's velocity, combined as RMS on each axis, as what is uncorrelated adds up; out: noise before."""
    fourth = speed * speed
    fourth *= fourth  # unbalance is a force that grows with the square of speed; here squared once more
    level = np.zeros((AXES, len(speed)), dtype=np.float32)
    for name in _SOURCES:
        square = unit[Unit[name.upper()]] + total(name, seen)
        square *= square
        square *= excitation * excitation if name == "hydraulic" else fourth
        level += square * _SHARES_SQUARED[name]
    np.sqrt(level, out=level)
    level *= unit[:AXES] * segment[duty.RUNNING]
    level += _STANDSTILL_MM_S * segment[duty.STOPS_AT]
    np.multiply(level, 1 + NOISE_VIBRATION * out[:AXES], out=out[:AXES])
    total_rms(out)


def total_rms(channels: Float32Array) -> None:
    """Set total vibration velocity, the vector sum of the three axes, in channels of shape (8, n)."""
    square = channels[0] * channels[0]
    square += channels[1] * channels[1]
    square += channels[2] * channels[2]
    np.sqrt(square, out=channels[RMS])


def _temperature(
    rise: Float32Array,
    unit: Float32Array,
    segment: Float32Array,
    decay: Float32Array,
    day: Float32Array,
    out: Float32Array,
) -> None:
    """First-order body: the unworn pump's rise follows the duty, what wear adds follows whether the pump runs.

    out: noise before.
    """
    unworn, running = segment[duty.RISE_C], segment[duty.RUNNING]
    warmth = running + segment[duty.WARM_DEVIATION] * decay
    above = unworn * running + segment[duty.RISE_DEVIATION_C] * decay + (rise - unworn) * warmth
    ambient = unit[Unit.AMBIENT_C] + unit[Unit.AMPLITUDE_C] * day
    np.add(ambient + above * unit[Unit.RISE], NOISE_TEMPERATURE_C * out, out=out)
