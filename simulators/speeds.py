"""Life in three speeds: how many readings a pump lives, how far apart they are, and how fast its surroundings change.

A pump lives for a year, and nobody waits that long. Each speed compresses time twice: `hours_per_reading` tells how
much a pump ages between two readings, the other figures how many readings its process and its heat take.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Speed(StrEnum):
    """How fast a pump wears. The order is the order in which plans and device numbers list them."""

    STRESS = "stress"
    ACCELERATED = "accelerated"
    NOMINAL = "nominal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A life of `min_readings` to `max_readings` readings, both included, `interval_s` seconds apart.

    hours_per_reading: operating hours that a pump ages between two readings. slot_readings: duty changes only at
    multiples of this. segment_slots, stop_slots: shortest and longest time at one duty, and standing still.
    thermal_readings: time constant of the pump's heat. day_readings: a day of ambient temperature and night load.
    """

    min_readings: int
    max_readings: int
    interval_s: float
    hours_per_reading: float
    slot_readings: int
    segment_slots: tuple[int, int]
    stop_slots: tuple[int, int]
    thermal_readings: float
    day_readings: int


SPEEDS: Final[dict[Speed, Pace]] = {
    Speed.STRESS: Pace(  # about 2.5 minutes
        min_readings=120, max_readings=200, interval_s=1.0, hours_per_reading=50.0, slot_readings=5,
        segment_slots=(4, 16), stop_slots=(1, 4), thermal_readings=5.0, day_readings=120,
    ),
    Speed.ACCELERATED: Pace(  # about 20 minutes
        min_readings=500, max_readings=800, interval_s=2.0, hours_per_reading=12.5, slot_readings=10,
        segment_slots=(6, 30), stop_slots=(1, 4), thermal_readings=12.0, day_readings=480,
    ),
    Speed.NOMINAL: Pace(  # about 27 hours
        min_readings=8_000, max_readings=12_000, interval_s=10.0, hours_per_reading=0.8, slot_readings=20,
        segment_slots=(15, 125), stop_slots=(1, 6), thermal_readings=60.0, day_readings=8_640,
    ),
}  # fmt: skip
