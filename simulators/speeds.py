"""Life in three speeds: how many readings a pump lives, and how far apart they are."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Speed(StrEnum):
    """How fast a pump wears. The order is the order in which plans and device numbers list them."""

    STRESS = "stress"
    ACCELERATED = "accelerated"
    NOMINAL = "nominal"


@dataclass(frozen=True, slots=True)
class Pace:
    """A life of `min_readings` to `max_readings` readings, both included, `interval_s` seconds apart."""

    min_readings: int
    max_readings: int
    interval_s: float


SPEEDS: Final[dict[Speed, Pace]] = {
    Speed.STRESS: Pace(120, 200, 1.0),  # about 2.5 minutes
    Speed.ACCELERATED: Pace(500, 800, 2.0),  # about 20 minutes
    Speed.NOMINAL: Pace(8_000, 12_000, 10.0),  # about 27 hours
}
