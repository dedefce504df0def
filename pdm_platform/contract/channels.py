"""The eight channels of a pump: name on the wire, unit, and the ranges a value may lie in."""

from typing import NamedTuple


class Channel(NamedTuple):
    """One measured quantity.

    possible_*: outside, the value cannot be a measurement and the payload is quarantined.
    plausible_*: outside, the value may be measured but must not teach a model.
    """

    name: str
    unit: str
    possible_min: float
    possible_max: float
    plausible_min: float
    plausible_max: float


CHANNELS = (
    Channel("vibration_x", "mm/s", 0.0, 1_000.0, 0.0, 60.0),
    Channel("vibration_y", "mm/s", 0.0, 1_000.0, 0.0, 60.0),
    Channel("vibration_z", "mm/s", 0.0, 1_000.0, 0.0, 60.0),
    Channel("vibration_rms", "mm/s", 0.0, 1_000.0, 0.0, 60.0),
    Channel("temperature", "°C", -60.0, 400.0, -20.0, 150.0),
    Channel("pressure", "bar", -1.1, 1_000.0, -1.0, 25.0),
    Channel("current", "A", 0.0, 5_000.0, 0.0, 60.0),
    Channel("rpm", "1/min", 0.0, 100_000.0, 0.0, 6_000.0),
)
CHANNEL_NAMES = tuple(channel.name for channel in CHANNELS)
