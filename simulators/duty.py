"""What is asked of a pump: its load, its speed, stops and the weather, each constant over segments of its life.

All segments of a life are laid out when the pump is built, with the heat it has at the start of each, so that any
reading follows from tables alone.
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from simulators import machine
from simulators.draws import Stream, uniforms
from simulators.runs import Runs
from simulators.speeds import SPEEDS, Pace, Speed

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

BASELINE_READINGS: Final = 40
STOP_SHARE: Final = 0.25
SPEED_CHANGE_SHARE: Final = 0.5
NIGHT_LOAD: Final = 0.88
# the night, where the sine of the day lies below this: from 22 to 6 o'clock, warmest at 14 o'clock
_NIGHT_BELOW: Final = -0.5
# a pump that stands still does not fail: no stop from here on
_NO_STOP_AFTER: Final = 0.93
DAY_LEVELS: Final = 4_096
DECAY_READINGS: Final = 1_024
# rows of `Duty.table`
START, RUNNING, SPEED, RESISTANCE, RISE_C, RISE_DEVIATION_C, WARM_DEVIATION, STOPS_AT = range(8)


@dataclass(frozen=True, slots=True)
class Duty:
    """Segments of constant duty, for p pumps.

    slot: shape (p, w), segment in which each slot of a life lies. slot_readings, horizon: (p,), readings in a slot, and
    after which the schedule repeats. table: (8, p, s), of each segment: first reading; 1 where the pump runs; relative
    speed; resistance of the system; steady rise of temperature in °C of the unworn pump; how far the rise is off it at
    the start; the same for the share of warmth, 1 in a pump that runs; 1 where the pump stands. day: (2, p), where in
    the table of the day a life begins, and its places a reading.
    """

    slot: NDArray[np.uint8]
    slot_readings: IntArray
    horizon: IntArray
    table: Float32Array
    day: IntArray
    speed: IntArray

    @classmethod
    def draw(cls, seed: int, number: IntArray, generation: IntArray, speed: IntArray, readings: IntArray) -> Self:
        """Draw the duty of lives of so many readings; all arrays of shape (p,), speed is an index into Speed."""
        paces = [SPEEDS[list(Speed)[kind]] for kind in speed]
        slot_readings = np.array([pace.slot_readings for pace in paces])
        slots = np.array([-(-pace.max_readings // pace.slot_readings) for pace in paces])
        day = _day(seed, number, generation, paces)
        length, drawn = _lengths(seed, number, generation, paces, int(slots.max(initial=1)))
        start = np.cumsum(length, axis=1) - length
        running = np.ones(length.shape, dtype=np.bool_)
        running[:, 1::2] = (start + length)[:, 1::2] * slot_readings[:, None] > _NO_STOP_AFTER * readings[:, None]
        speeds, resistance = _demand(seed, number, start * slot_readings[:, None], day, drawn)
        thermal = _thermal(running, speeds, resistance, length * slot_readings[:, None], speed)
        table = np.stack([start * slot_readings[:, None], running, speeds, resistance, *thermal, ~running])
        return cls(
            slot=_slots(start, int(slots.max(initial=1))),
            slot_readings=slot_readings,
            horizon=slots * slot_readings,
            table=table.astype(np.float32),
            day=day,
            speed=speed,
        )

    def replaced(self, pumps: IntArray, by: Self) -> Self:
        """This duty with that of `pumps` (indices) replaced."""
        # of a fleet at several speeds, the part may need fewer slots and segments than the whole has room for
        slot, table, day = self.slot.copy(), self.table.copy(), self.day.copy()
        slot[pumps, : by.slot.shape[1]] = by.slot
        table[:, pumps, : by.table.shape[2]] = by.table
        day[:, pumps] = by.day
        return replace(self, slot=slot, table=table, day=day)

    def at(self, pump: IntArray, step: IntArray) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Duty at each (pump, step), shape (n,): rows of the table (8, n), decay since the start, sine of day.

        pump may be of shape (1,) where all steps are of one pump.
        """
        pumps = Runs.of(pump)
        own = pump[pumps.first]
        horizon = self.horizon[own]
        # a remainder costs as much as a tenth of all the physics, and only pumps that do not wear need it
        within = step if len(step) and step.max() < horizon.min() else step % pumps.spread(horizon)
        # flat tables: an index for each axis would cost three times as much
        slot, segment, cooling = own * self.slot.shape[1], own * self.table.shape[2], self.speed[own] * DECAY_READINGS
        slot, slot_readings, segment, cooling, begin, stride = pumps.spread(
            np.stack([slot, self.slot_readings[own], segment, cooling, *self.day[:, own]])
        )
        place = segment + self.slot.reshape(-1).take(slot + within // slot_readings)
        segments = Runs.of(place)
        rows = self.table.reshape(len(self.table), -1).take(place[segments.first], axis=1)
        age = within - segments.spread(rows[START].astype(np.int64))
        decay = _decays().reshape(-1).take(cooling + np.minimum(age, DECAY_READINGS - 1))
        day = _sine().take((begin + (within * stride >> 16)) & (DAY_LEVELS - 1))
        return segments.spread(rows), decay, day


def _lengths(
    seed: int, number: IntArray, generation: IntArray, paces: list[Pace], slots: int
) -> tuple[IntArray, FloatArray]:
    """Slots of each segment, running and standing in turn, shape (p, s), and the draws of each pair, (p, s / 2, 8)."""
    low, high, stop_low, stop_high, first = np.array(
        [(*pace.segment_slots, *pace.stop_slots, -(-BASELINE_READINGS // pace.slot_readings)) for pace in paces]
    ).reshape(-1, 5).T[:, :, None]  # fmt: skip
    pairs = max((-(-slots // pace.segment_slots[0]) for pace in paces), default=1) + 1
    drawn = uniforms(seed, Stream.DUTY, number[:, None], generation[:, None], np.arange(pairs)[None, :])
    drawn = drawn.reshape(len(number), pairs, -1)
    runs = (low + drawn[:, :, 0] * (high - low + 1)).astype(np.int64)
    runs[:, :1] = np.maximum(runs[:, :1], first)
    stops = (stop_low + drawn[:, :, 1] * (stop_high - stop_low + 1)).astype(np.int64)
    stops = np.where(drawn[:, :, 2] < STOP_SHARE, stops, 0)
    return np.stack([runs, stops], axis=2).reshape(len(number), 2 * pairs), drawn


def _slots(start: IntArray, slots: int) -> NDArray[np.uint8]:
    """Segment of each slot, shape (p, slots)."""
    begins = np.zeros((len(start), slots + 1), dtype=np.int64)
    rows = np.broadcast_to(np.arange(len(start))[:, None], start.shape)
    np.add.at(begins, (rows, np.minimum(start, slots)), 1)
    return (np.cumsum(begins, axis=1)[:, :slots] - 1).astype(np.uint8)


def _demand(
    seed: int, number: IntArray, start: IntArray, day: IntArray, drawn: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Relative speed and resistance of the system in each segment, shape (p, s)."""
    built = uniforms(seed, Stream.BUILD, number, 0, 1)
    base, has_drive = 0.92 + 0.16 * built[:, :1], built[:, 1:2] < 0.3
    flow = 0.76 + 0.34 * drawn[:, :, 3]
    speed = np.where(has_drive & (drawn[:, :, 4] < SPEED_CHANGE_SHARE), 0.88 + 0.12 * drawn[:, :, 5], 1.0)
    # commissioned, and measured as new, near its rated point
    flow[:, 0], speed[:, 0] = 0.94 + 0.12 * drawn[:, 0, 3], 1.0
    flow, speed = np.repeat(flow, 2, axis=1), np.repeat(speed, 2, axis=1)
    begins = day[0][:, None] + start * day[1][:, None] // 2**16
    night = (_sine()[begins % DAY_LEVELS] < _NIGHT_BELOW) & (start > 0)
    flow = base * flow * speed * np.where(night, NIGHT_LOAD, 1.0)
    shut_off = machine.SHUT_OFF_HEAD * speed * speed
    return speed, (shut_off - machine.STATIC_HEAD) / (flow * flow) - machine.CURVE_FALL


def _thermal(
    running: NDArray[np.bool_], speed: FloatArray, resistance: FloatArray, readings: IntArray, kind: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Steady rise when running, and what rise and warmth are off at the start of each segment; shape (p, s).

    A first-order body: over a segment the deviation from the steady state decays, so the state at each start follows
    from the one before in closed form.
    """
    one, none = np.ones_like(speed), np.zeros_like(speed)
    flow, head = machine.operating_point(speed, resistance, one, none, none)
    current = machine.motor_current(machine.shaft_power(speed, flow, head, one), one)
    rise = machine.temperature_rise(current, none, none)
    steady, warm = np.where(running, rise, 0.0), running.astype(np.float64)
    decay = _decays()[kind[:, None], np.minimum(readings, DECAY_READINGS - 1)].astype(np.float64)
    off_rise, off_warm = np.zeros_like(rise), np.zeros_like(rise)
    for segment in range(1, rise.shape[1]):
        before = segment - 1
        off_rise[:, segment] = steady[:, before] + off_rise[:, before] * decay[:, before] - steady[:, segment]
        off_warm[:, segment] = warm[:, before] + off_warm[:, before] * decay[:, before] - warm[:, segment]
    return rise, off_rise, off_warm


def _day(seed: int, number: IntArray, generation: IntArray, paces: list[Pace]) -> IntArray:
    """Where in the table of the day each life begins, and how far a reading goes, in 2**-16 of a place; (2, p)."""
    begin = uniforms(seed, Stream.DUTY, number, generation, 2**20)[:, 0] * DAY_LEVELS
    stride = [DAY_LEVELS * 2**16 // pace.day_readings for pace in paces]
    return np.stack([begin.astype(np.int64), np.array(stride, dtype=np.int64)])


@cache
def _sine() -> Float32Array:
    turns = [math.sin(2.0 * math.pi * (level + 0.5) / DAY_LEVELS) for level in range(DAY_LEVELS)]
    return np.array(turns, dtype=np.float32)


@cache
def _decays() -> Float32Array:
    """exp(-age / time constant) for each speed and age in readings, shape (3, 1024); 0 at the last."""
    table = [[math.exp(-age / pace.thermal_readings) for age in range(DECAY_READINGS)] for pace in SPEEDS.values()]
    for row in table:
        row[-1] = 0.0
    return np.array(table, dtype=np.float32)
