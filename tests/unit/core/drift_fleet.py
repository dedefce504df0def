"""Small fleets of pumps with duty, weather and build of their own, and what can befall them."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES

FloatArray = NDArray[np.float64]
REFERENCE_PUMPS, LIVE_PUMPS, READINGS = 26, 24, 60
# relative to the pump as built: vibration x, y, z, pressure, current
SPREAD = np.array([0.08, 0.08, 0.08, 0.03, 0.03])


@dataclass(frozen=True)
class Pumps:
    """As built and installed. size: pressure, current and vibration of the type, as shares of ours."""

    build: FloatArray
    warmth_c: FloatArray
    has_drive: NDArray[np.bool_]
    size: FloatArray
    names: tuple[str, ...]

    @classmethod
    def draw(cls, seed: int, count: int = LIVE_PUMPS, prefix: str = "pump") -> "Pumps":
        draw = np.random.default_rng([seed, 1])
        names = tuple(f"{prefix}-{index:03d}" for index in range(count))
        build = 1.0 + SPREAD * draw.uniform(-1.7, 1.7, (count, 5))
        return cls(build, draw.normal(0.0, 1.0, count), draw.random(count) < 0.3, np.ones((count, 3)), names)

    def of_another_type(
        self, which: slice, pressure: float = 1.6, current: float = 1.9, vibration: float = 1.5
    ) -> "Pumps":
        size = self.size.copy()
        size[which] = (pressure, current, vibration)
        return replace(self, size=size)


@dataclass(frozen=True)
class Weather:
    """What all pumps share in a window: °C more than usual, and factors on everyone's flow and speed."""

    warmer_c: float = 0.0
    flow: float = 1.0
    speed: float = 1.0


@dataclass(frozen=True)
class Harm:
    """What befalls single pumps, by index: wear from 0 to 1, and what a channel reads too much."""

    wear: dict[int, float] = field(default_factory=dict)
    sensor: dict[tuple[int, str], float] = field(default_factory=dict)


def window(
    pumps: Pumps,
    seed: int,
    *,
    weather: Weather = Weather(),
    harm: Harm = Harm(),
    segments: int = 3,
    readings: int = READINGS,
) -> pd.DataFrame:
    """Readings of every pump over one window, with the health a good model would state."""
    draw = np.random.default_rng([seed, 2])
    count = len(pumps.names)
    each = -(-readings // segments)

    def duty(values: FloatArray) -> FloatArray:
        return np.repeat(values, each, axis=1)[:, :readings]

    speed = np.where(pumps.has_drive[:, None], duty(draw.uniform(0.9, 1.0, (count, segments))), 1.0) * weather.speed
    flow = duty(draw.uniform(0.7, 1.1, (count, segments))) * speed * weather.flow
    ambient = 20.0 + weather.warmer_c + 4.0 * np.sin(duty(draw.uniform(0.0, 6.3, (count, segments))))
    wear = np.array([harm.wear.get(pump, 0.0) for pump in range(count)])[:, None]
    channels = _channels(pumps, speed, flow, ambient, wear, draw)
    for (pump, name), excess in harm.sensor.items():
        channels[pump, :, CHANNEL_NAMES.index(name)] += excess
    table = pd.DataFrame(channels.reshape(-1, 8), columns=list(CHANNEL_NAMES))
    table["device_id"] = np.repeat(pumps.names, readings)
    health = np.repeat(100.0 * (1.0 - wear), readings, axis=1).ravel() - draw.uniform(0.0, 6.0, count * readings)
    table["predicted_health_percent"] = health
    table["predicted_novelty"] = draw.gamma(2.0, 0.1, count * readings)
    table["predicted_state"] = np.where(health > 75.0, "HEALTHY", np.where(health > 35.0, "WARNING", "FAULTY"))
    return table


def _channels(
    pumps: Pumps, speed: FloatArray, flow: FloatArray, ambient: FloatArray, wear: FloatArray, draw: np.random.Generator
) -> FloatArray:
    head = (1.25 - 0.1 * wear) * speed**2 - 0.25 * flow**2
    load = flow * head / np.maximum(0.75 * (flow / speed) * (2.0 - flow / speed), 0.1) * 0.75 * (1.0 + 0.1 * wear)
    amps = np.sqrt(0.2 + 0.8 * load**2)
    excitation = speed**2 * (0.5 + 3.0 * (flow / speed - 1.0) ** 2) / 0.5
    built = pumps.build * np.column_stack([pumps.size[:, 2], pumps.size[:, 2], pumps.size[:, 2], pumps.size[:, :2]])
    found = np.empty((*speed.shape, 8))
    for axis, (base, worn) in enumerate(((0.62, 6.0), (0.58, 6.5), (0.45, 4.5))):
        found[..., axis] = base * built[:, axis, None] * (0.6 + 0.4 * excitation) * (1.0 + worn * wear)
    found[..., 4] = ambient + pumps.warmth_c[:, None] + 16.0 * (0.4 + 0.6 * amps**2) + 20.0 * wear
    found[..., 5] = 3.9 * head * built[:, 3, None]
    found[..., 6] = 7.8 * amps * built[:, 4, None]
    found[..., 7] = (3_000.0 - 150.0 * load) * speed
    noise = draw.standard_normal(found.shape)
    share = np.array([0.07, 0.07, 0.07, 0.0, 0.0, 0.015, 0.018, 0.0])
    found += noise * (share * found + np.array([0, 0, 0, 0, 0.6, 0, 0, 4.0]))
    found[..., 3] = np.sqrt((found[..., :3] ** 2).sum(axis=2))
    return found


def reference(seed: int = 1, pumps: int = REFERENCE_PUMPS) -> pd.DataFrame:
    """Healthy readings of the training pumps over many duties, up to the wear that still counts as healthy."""
    draw = np.random.default_rng([seed, 3])
    harm = Harm(wear=dict(enumerate(draw.uniform(0.0, 0.1, pumps))))
    return window(Pumps.draw(seed + 1_000, pumps, "train"), seed + 1_000, harm=harm, segments=12, readings=192)
