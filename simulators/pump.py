"""Pumps as arrays: built, worn, repaired and read at any step of their lives."""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from simulators.draws import Stream, levels, noise_keys, normals, uniforms
from simulators.duty import Duty
from simulators.episodes import Schedule
from simulators.lifetimes import MODES, Lifetimes
from simulators.observe import observe
from simulators.physics import build_units, channels_of
from simulators.runs import Runs
from simulators.signatures import shown
from simulators.speeds import SPEEDS
from simulators.wear import EXPONENT_LEVELS, START_LEVELS, draw_knots, wear_at

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
FAILURE_MODES: Final = MODES
S_PER_HOUR: Final = 3_600.0
# rows computed at once: more would leave the second-level cache, with fewer the calls cost more than the arithmetic
CHUNK: Final = 16_384
# what a repair leaves of the wear, at most
WORST_REPAIR: Final = 0.15
DRAWN, IN_TURN = -1, -2
NEVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Readings:
    """Noisy channels and the truth behind them.

    channels: shape (n, 8), units of `contract.channels`. health_percent: (n,), 100 is new, 0 has failed.
    rul_hours: (n,), time to health 0, infinite in a pump that does not wear. failure_mode: (n,), index into
    FAILURE_MODES, what has worn most. sensor_fault: (n,), index into SENSOR_FAULTS, -1 for none; a channel that lies is
    NaN where it tells nothing. fault_channel: (n,), index into CHANNEL_LABELS, -1 for none. disturbance: (n,), index
    into DISTURBANCES, -1 for none. clock_behind_s: (n,), how far the pump's clock runs behind.
    """

    channels: FloatArray
    health_percent: FloatArray
    rul_hours: FloatArray
    failure_mode: IntArray
    sensor_fault: IntArray
    fault_channel: IntArray
    disturbance: IntArray
    clock_behind_s: FloatArray


@dataclass(frozen=True, slots=True)
class Life:
    """How pumps wear until their next repair, arrays of shape (p,) unless told.

    readings: from new to failed, NEVER where the pump does not wear. pattern: index into FAILURE_MODES, what ends it.
    last_step: (8, p), end of life of each mode. knots: (p, 8, 66), their wear. severity, onset: (8, p), how strongly
    and how late it shows. duty: what is asked of the pump. noise_key: (2, p). repair_quality: 1 is as good as new.
    """

    readings: IntArray
    pattern: IntArray
    last_step: Float32Array
    knots: Float32Array
    severity: Float32Array
    onset: Float32Array
    duty: Duty
    noise_key: NDArray[np.uint64]
    repair_quality: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Pumps as arrays of shape (p,). All about a pump follows from seed, number, generation, speed and mode.

    number: names the pump within its seed. generation: 0 is new, raised by each repair: the same pump, another life.
    speed: index into Speed. mode: index into FAILURE_MODES of what ends its lives, or DRAWN by the law of competing
    risks, or IN_TURN, so that a small fleet has them all. wearing: False for a pump that stays as it is.
    interval_s: seconds between readings. unit: shape (15, p), how each pump was built. chaos, faults: what happens to
    the pumps and to their sensors. warmer: 15 °C more, all the time.
    """

    seed: int
    number: IntArray
    generation: IntArray
    speed: IntArray
    mode: IntArray
    wearing: NDArray[np.bool_]
    interval_s: FloatArray
    unit: Float32Array
    life: Life
    chaos: Schedule | None = None
    faults: Schedule | None = None
    warmer: bool = False

    @classmethod
    def build(
        cls,
        seed: int,
        *,
        number: IntArray,
        speed: IntArray,
        interval_s: FloatArray,
        mode: IntArray | None = None,
        wearing: NDArray[np.bool_] | None = None,
    ) -> Self:
        """New pumps: arrays of shape (p,). Modes are drawn and all pumps wear unless told otherwise."""
        mode = np.full(len(number), DRAWN) if mode is None else mode
        wearing = np.ones(len(number), dtype=np.bool_) if wearing is None else wearing
        generation = np.zeros(len(number), dtype=np.int64)
        return cls(
            seed=seed,
            number=number,
            generation=generation,
            speed=speed,
            mode=mode,
            wearing=wearing,
            interval_s=interval_s,
            unit=build_units(seed, number),
            life=_live(seed, number, generation, speed, mode, wearing),
        )

    def renewed(self, pumps: IntArray) -> Self:
        """The fleet after a repair of `pumps` (indices): each starts another life, as new or nearly."""
        generation = self.generation.copy()
        generation[pumps] += 1
        life = _live(
            self.seed, self.number[pumps], generation[pumps], self.speed[pumps], self.mode[pumps], self.wearing[pumps]
        )
        return replace(self, generation=generation, life=_with(self.life, pumps, life))

    def readings(self, pumps: IntArray, steps: IntArray) -> Readings:
        """What `pumps` (indices, shape (n,)) measure at `steps` (shape (n,), 0 to life - 1) of their life."""
        parts = [
            observe(self, pumps[start : start + CHUNK], steps[start : start + CHUNK])
            for start in range(0, max(len(steps), 1), CHUNK)
        ]
        wear = np.concatenate([part.wear for part in parts]).astype(np.float64)
        interval_s, left = self.interval_s[pumps], self.life.readings[pumps] - 1 - steps
        return Readings(
            channels=np.concatenate([part.channels.T for part in parts]).astype(np.float64, order="C"),
            health_percent=100.0 * (1.0 - wear),
            rul_hours=np.where(self.wearing[pumps], left * interval_s / S_PER_HOUR, np.inf),
            failure_mode=np.concatenate([part.mode for part in parts]).astype(np.int64),
            sensor_fault=np.concatenate([part.fault for part in parts]).astype(np.int64),
            fault_channel=np.concatenate([part.channel for part in parts]).astype(np.int64),
            disturbance=np.concatenate([part.disturbance for part in parts]).astype(np.int64),
            clock_behind_s=np.concatenate([part.behind for part in parts]) * interval_s,
        )

    def keys(self, pumps: IntArray) -> NDArray[np.uint64]:
        """Keys of all that is drawn for single readings of `pumps` (indices, shape (n,)), shape (2, n)."""
        runs = Runs.of(pumps)
        return runs.spread(self.life.noise_key.take(pumps[runs.first], axis=1))

    def measure(self, pumps: IntArray, steps: IntArray) -> tuple[Float32Array, Float32Array, NDArray[np.int8]]:
        """The machines alone: channels (8, n), wear of the most worn mode (n,), and which that is (n,).

        pumps may be of shape (1,) where all steps are of one pump.
        """
        life, runs = self.life, Runs.of(pumps)
        own = pumps[runs.first]
        last_step, severity, onset, unit = (
            runs.spread(table.take(own, axis=1)) for table in (life.last_step, life.severity, life.onset, self.unit)
        )
        wear = wear_at(life.knots, pumps, last_step, steps.astype(np.float32))
        most, mode = _most_worn(wear)
        seen = shown(wear, severity, onset)
        del wear  # its room in the second-level cache is what the rest needs
        channels = channels_of(seen, unit, *life.duty.at(pumps, steps), normals(self.keys(pumps), steps))
        return channels, most, mode


def _most_worn(wear: Float32Array) -> tuple[Float32Array, NDArray[np.int8]]:
    """The greatest wear of the modes, shape (n,), and the first mode that has it; wear: (8, n)."""
    most, mode = wear[0].copy(), np.zeros(wear.shape[1], dtype=np.int8)
    for other in range(1, len(wear)):
        # three plain passes are twice as fast as argmax along the first axis
        np.copyto(mode, other, where=wear[other] > most)
        np.maximum(most, wear[other], out=most)
    return most, mode


def _live(
    seed: int, number: IntArray, generation: IntArray, speed: IntArray, mode: IntArray, wearing: NDArray[np.bool_]
) -> Life:
    """Lives of pumps that were repaired `generation` times; all arrays of shape (p,)."""
    turn = (number + generation + seed % len(MODES)) % len(MODES)
    times = Lifetimes.draw(seed, number, generation, speed, np.where(mode == IN_TURN, turn, mode))
    first, second = (uniforms(seed, Stream.LIFE, number, generation, 2 + block) for block in range(2))
    exponent = levels(seed, Stream.LIFE, number, generation, 4) * EXPONENT_LEVELS // 2**16
    start = levels(seed, Stream.LIFE, number, generation, 5) * START_LEVELS // 2**16
    residual, quality = _left_by_repair(seed, number, generation, wearing)
    last_step = np.where(wearing[:, None], times.last_step, np.inf)
    longest = np.array([pace.max_readings for pace in SPEEDS.values()])[speed]
    return Life(
        readings=np.where(wearing, times.readings, NEVER),
        pattern=times.mode,
        last_step=last_step.T.astype(np.float32),
        knots=draw_knots(seed, number, generation, exponent, start, residual),
        severity=(0.94 + 0.12 * first).T.astype(np.float32),
        onset=(0.3 + 0.2 * second).T.astype(np.float32),
        duty=Duty.draw(seed, number, generation, speed, np.where(wearing, times.readings, longest)),
        noise_key=noise_keys(seed, number, generation),
        repair_quality=quality,
    )


def _left_by_repair(
    seed: int, number: IntArray, generation: IntArray, wearing: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """Wear that the last repair left of each mode, shape (p, 8), and its quality (p,): 1 as good as new."""
    drawn = uniforms(seed, Stream.REPAIR, number, generation)
    # every third repair is perfect
    worst = WORST_REPAIR * np.maximum(1.5 * drawn[:, 0] - 0.5, 0.0) * (generation > 0) * wearing
    spread = uniforms(seed, Stream.REPAIR, number, generation, 1)
    # the worst of the eight is what the quality tells
    return worst[:, None] * spread / spread.max(axis=1, keepdims=True), 1.0 - worst


def _with(life: Life, pumps: IntArray, renewed: Life) -> Life:
    """`life` with the lives of `pumps` replaced."""
    changed = {}
    for name in ("readings", "pattern", "knots", "repair_quality"):
        changed[name] = getattr(life, name).copy()
        changed[name][pumps] = getattr(renewed, name)
    for name in ("last_step", "severity", "onset", "noise_key"):
        changed[name] = getattr(life, name).copy()
        changed[name][:, pumps] = getattr(renewed, name)
    return replace(life, duty=life.duty.replaced(pumps, renewed.duty), **changed)


def vibration_rms(channels: FloatArray) -> FloatArray:
    """Total vibration velocity in mm/s, shape (n,): the vector sum of the three axes of channels (n, 8)."""
    axes = channels[:, :3]
    return np.asarray(np.sqrt(axes[:, 0] ** 2 + axes[:, 1] ** 2 + axes[:, 2] ** 2))
