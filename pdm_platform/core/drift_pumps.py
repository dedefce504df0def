"""What has become of each pump of a window: as ever, worn, with a lying sensor, on another duty, or of another type."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.core.drift import FloatArray
from pdm_platform.core.drift_levels import (
    NOT_HEALTHY,
    SENSOR_DOUBTED,
    STATED,
    VIBRATION_PER_SPEED2,
    Shifts,
    common,
)
from pdm_platform.core.drift_norm import RELATIONS, Norm

# A relation this many deviations of training off, in the direction of damage, is a worn machine and not another duty.
RELATION_MOVED: Final = 3.0
TEMPERATURE: Final = CHANNEL_NAMES.index("temperature")
RPM: Final = CHANNEL_NAMES.index("rpm")
_PRESSURE_PER_SPEED2: Final = RELATIONS.index("pressure_per_speed2")
_RMS_PER_AXES: Final = RELATIONS.index("rms_per_axes")
_RMS: Final = CHANNEL_NAMES.index("vibration_rms")
# A sensor lies where leaving it out takes so much off the squared distance (five deviations), and calm is left.
# In 220 healthy windows of 24 simulated pumps the most was 11 against training, and 17 against their own earlier
# operation (of temperature, after a restart, 32: which is why training is asked too).
SENSOR_GAIN: Final = 25.0
# A pump's own operation may leave its usual place and still be usual for pumps: so much is asked beside training's.
SENSOR_GAIN_IN_TRAINING: Final = 9.0
# Channels that one sensor alone can falsify: the total vibration follows from the axes.
_SENSORS: Final = {
    name: [index, _RMS] if name.startswith("vibration_") and index != _RMS else [index]
    for index, name in enumerate(CHANNEL_NAMES)
}


class PumpKind(StrEnum):
    """What has become of a pump."""

    NORMAL = "normal"
    SENSOR_FAULT = "sensor_fault"
    WEAR = "wear"
    NEW_TYPE = "new_pump_type"
    OTHER_DUTY = "other_duty"


@dataclass(frozen=True, slots=True)
class PumpVerdict:
    """One pump. sensor: the one that alone explains it, or ''.

    over_limit: squared distance from its own earlier operation, less what the fleet has in common, or from training
    where its own is not known; over the limit. sensor_gain: what leaving that sensor out takes off the squared
    distance.
    vibration_ratio: vibration per speed², over its own earlier one or training's.
    """

    device_id: str
    kind: PumpKind
    sensor: str
    over_limit: float
    sensor_gain: float
    vibration_ratio: float
    stated_health_percent: float


def judge_pumps(norm: Norm, levels: pd.DataFrame, shifts: Shifts) -> list[PumpVerdict]:
    """Judge each pump by what it does not share with the fleet; order of `levels`.

    Unusual is what has left its own earlier operation, or where that is not known, training's. One sensor alone, all
    else in order: a sensor fault. Called worn by the model, or vibration up or pressure down for its speed, or hotter
    than the others: wear. Otherwise another duty, or another type where it was so from the first.
    """
    outer, inner = _Judged.of(norm, shifts, own=False), _Judged.of(norm, shifts, own=True)
    known = shifts.own_known
    moved, alien = known & (inner.over > 1.0), outer.over > 1.0
    tied = shifts.tied - common(shifts.tied)
    called_worn = levels[NOT_HEALTHY].to_numpy(np.float64) >= 0.5
    doubted = levels[SENSOR_DOUBTED].to_numpy(np.float64) >= 0.5
    found = []
    for place, device_id in enumerate(levels.index):
        side = inner if known[place] and (moved[place] or not alien[place]) else outer
        sensor = _sensor(inner, outer, place, known=bool(known[place]))
        off_sd, believed = side.deviation_sd[place], bool(called_worn[place] & ~doubted[place])
        if sensor and _damage_does_so(sensor, off_sd, tied[place], believed=believed):
            sensor = ""
        kind = _kind(
            sensor,
            unusual=bool(moved[place] or alien[place]),
            from_first=bool(alien[place] and not moved[place] and (shifts.newcomer[place] or not called_worn[place])),
            worn=bool(called_worn[place]) or _damaged(tied[place], float(off_sd[TEMPERATURE])),
            called_worn=bool(called_worn[place]),
            moved=bool(moved[place]),
        )
        found.append(
            PumpVerdict(
                device_id=str(device_id),
                kind=kind,
                sensor=sensor,
                over_limit=float(side.over[place]),
                sensor_gain=float(max(each.gain[place].max() for each in (inner, outer))) if sensor else 0.0,
                vibration_ratio=float(shifts.vibration_ratio[place]),
                stated_health_percent=float(levels[STATED].iloc[place]),
            )
        )
    return found


def _kind(sensor: str, *, unusual: bool, from_first: bool, worn: bool, called_worn: bool, moved: bool) -> PumpKind:
    if sensor:
        return PumpKind.SENSOR_FAULT
    if from_first:
        return PumpKind.NEW_TYPE
    if called_worn or (unusual and worn):
        return PumpKind.WEAR
    if not unusual:
        return PumpKind.NORMAL
    return PumpKind.OTHER_DUTY if moved else PumpKind.NEW_TYPE


def _damage_does_so(sensor: str, off_sd: FloatArray, tied: FloatArray, *, believed: bool) -> bool:
    """Whether what looks like one sensor is what damage looks like too.

    Misalignment lifts one axis, and the total with it: an axis lies only where the total contradicts it, or below its
    place. Wear that the model sees is believed where heat, or pressure lost, is all that shows yet.
    """
    off = off_sd[CHANNEL_NAMES.index(sensor)]
    if sensor.startswith("vibration_"):
        return bool(off > 0.0 and abs(tied[_RMS_PER_AXES]) < RELATION_MOVED)
    return believed and bool((sensor == "temperature" and off > 0.0) or (sensor == "pressure" and off < 0.0))


@dataclass(frozen=True, slots=True)
class _Judged:
    """Pumps against one norm. over: (p,) squared distance over the limit. gain: (p, 8) by sensor, 0 where the rest is
    not calm. deviation_sd: (p, 8)."""

    over: FloatArray
    gain: FloatArray
    deviation_sd: FloatArray

    @classmethod
    def of(cls, norm: Norm, shifts: Shifts, *, own: bool) -> "_Judged":
        spread = norm.own if own else norm.among
        deviation = (
            shifts.from_own - shifts.common_from_own if own else shifts.from_training - shifts.common_from_training
        )
        # with a speed that lies, everything translated by it lies too
        read = shifts.read_from_own if own else shifts.read_from_training
        read = read - common(read)
        everything = np.arange(len(CHANNEL_NAMES))
        distance2 = spread.distance2(deviation, everything)
        gain = np.zeros_like(deviation)
        for place, channels in enumerate(_SENSORS.values()):
            others = np.setdiff1d(everything, channels)
            rest = spread.distance2(read if place == RPM else deviation, others)
            gain[:, place] = np.where(rest <= spread.calm(others), distance2 - rest, 0.0)
        return cls(distance2 / spread.limit, gain, deviation / spread.scale)


def _sensor(inner: _Judged, outer: _Judged, place: int, *, known: bool) -> str:
    """The sensor that alone explains a pump, or ''."""
    if known:
        best = int(inner.gain[place].argmax())
        if inner.gain[place, best] >= SENSOR_GAIN and outer.gain[place, best] >= SENSOR_GAIN_IN_TRAINING:
            return CHANNEL_NAMES[best]
    best = int(outer.gain[place].argmax())
    return CHANNEL_NAMES[best] if outer.gain[place, best] >= SENSOR_GAIN else ""


def _damaged(tied: FloatArray, temperature: float) -> bool:
    return bool(
        tied[VIBRATION_PER_SPEED2] >= RELATION_MOVED
        or tied[_PRESSURE_PER_SPEED2] <= -RELATION_MOVED
        or temperature >= RELATION_MOVED
    )
