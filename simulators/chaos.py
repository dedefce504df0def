"""Disturbances that are no wear: scenarios by name, so that a run can be judged against what really happened."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.failure_modes import Disturbance
from simulators.draws import Stream
from simulators.episodes import Episode, Keys, Rule
from simulators.machine import SYNCHRONOUS_RPM
from simulators.physics import AXES, CURRENT, PRESSURE, RMS, RPM, TEMPERATURE, total_rms

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
DISTURBANCES: Final = tuple(Disturbance)
SPIKE_MM_S: Final = 12.0
HEATWAVE_C: Final = 15.0
# of the readings in an episode of spikes, those that one hits; the first always is
SPIKE_SHARE: Final = 1 / 3
_SUCTION_BAR: Final = 0.3
# what each does, in words for the log of events
DETAILS: Final = {
    Disturbance.HEATWAVE: f"+{HEATWAVE_C:g} °C",
    Disturbance.MECHANICAL_SPIKE: f"{SPIKE_MM_S:g} mm/s",
    Disturbance.CAVITATION: "pressure unsteady",
    Disturbance.VOLTAGE_DROP: "current up, speed down",
    Disturbance.SENSOR_FREEZE: "vibration stuck at 0",
}
# what a live fleet's chaos pumps meet unless told otherwise
USUAL: Final = (
    Rule(DISTURBANCES.index(Disturbance.MECHANICAL_SPIKE), 1 / 50, 1),
    Rule(DISTURBANCES.index(Disturbance.HEATWAVE), 1 / 90, 40),
)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a disturbance changes: channels (8, m), in place. keys: (2, n) and step: (n,), of all rows."""

    channels: Float32Array
    episode: Episode
    keys: Keys
    step: IntArray

    def age(self) -> IntArray:
        """Readings since the episode began, shape (m,)."""
        return self.step[self.episode.row] - self.episode.since

    def size(self) -> FloatArray:
        """Even draws of the episode, shape (m, 8)."""
        return self.episode.draws(self.keys, Stream.CHAOS_SIZE)

    def chance(self) -> FloatArray:
        """Even draws of the reading, shape (m, 8)."""
        return self.episode.draws_of_reading(self.keys, Stream.CHAOS_STEP, self.step)


def disturb(channels: Float32Array, episode: Episode, keys: Keys, step: IntArray) -> None:
    """Let an episode pass over channels of shape (8, n), in place; keys: (2, n), of `draws.noise_keys`; step: (n,)."""
    row, scenario = episode.row, _SCENARIOS[DISTURBANCES[episode.kind]]
    if row[-1] - row[0] < len(row):
        # consecutive, as in a long life: nothing to gather
        scenario(Rows(channels[:, row[0] : row[-1] + 1], episode, keys, step))
        return
    chosen = channels.take(row, axis=1)
    scenario(Rows(chosen, episode, keys, step))
    channels[:, row] = chosen


def warm(channels: Float32Array) -> None:
    """15 °C more on channels of shape (8, n), in place."""
    channels[TEMPERATURE] += np.float32(HEATWAVE_C)


def _heatwave(rows: Rows) -> None:
    warm(rows.channels)


def _mechanical_spike(rows: Rows) -> None:
    """Impulses: single readings at 12 mm/s of total vibration, where it is not more already."""
    hit = (rows.age() == 0) | (rows.chance()[:, 0] < SPIKE_SHARE)
    lift = np.maximum(np.float32(SPIKE_MM_S) / np.maximum(rows.channels[RMS], np.float32(1e-6)), np.float32(1.0))
    rows.channels[: RMS + 1] *= np.where(hit, lift, np.float32(1.0))


def _cavitation(rows: Rows) -> None:
    """Vapour at the suction: less pressure, and unsteady; broadband vibration. Nothing in a pump that stands still."""
    chance = rows.chance()
    strength = (0.7 + 0.6 * rows.size()[:, 0]) * (rows.channels[RPM] > 0)
    loss = strength * (0.12 + 0.16 * chance[:, 0])
    rows.channels[PRESSURE] *= (1.0 - loss).astype(np.float32)
    rows.channels[CURRENT] *= (1.0 - 0.5 * loss * chance[:, 1]).astype(np.float32)
    for axis in range(AXES):
        broadband = (strength * (1.2 + 1.6 * chance[:, 2 + axis])).astype(np.float32)
        rows.channels[axis] = np.sqrt(rows.channels[axis] * rows.channels[axis] + broadband * broadband)
    total_rms(rows.channels)


def _voltage_drop(rows: Rows) -> None:
    """A motor at 78 to 88 % of its voltage: torque falls with its square, so slip and current rise.

    Head follows the speed by the affinity laws. Source: Fitzgerald, Kingsley and Umans, Electric
    Machinery, 6th ed., chapter 6.
    """
    voltage = (0.78 + 0.10 * rows.size()[:, 0]).astype(np.float32)
    before = rows.channels[RPM].copy()
    slower = np.float32(SYNCHRONOUS_RPM) - (np.float32(SYNCHRONOUS_RPM) - before) / (voltage * voltage)
    # a drive below synchronous speed slips from its own: the loss is the same in 1/min
    after = np.where(before > 0, np.maximum(np.minimum(slower, before), before * np.float32(0.8)), np.float32(0.0))
    ratio = np.where(before > 0, after / np.maximum(before, np.float32(1.0)), np.float32(1.0))
    suction = np.float32(_SUCTION_BAR)
    rows.channels[PRESSURE] = suction + (rows.channels[PRESSURE] - suction) * ratio * ratio
    rows.channels[CURRENT] /= voltage
    rows.channels[RPM] = after
    running = (before > 0).astype(np.float32)
    rows.channels[TEMPERATURE] += np.float32(5.0) * running * np.minimum(rows.age() / 10, 1.0).astype(np.float32)


def _sensor_freeze(rows: Rows) -> None:
    rows.channels[: RMS + 1] = 0.0


_SCENARIOS: Final = {
    Disturbance.HEATWAVE: _heatwave,
    Disturbance.MECHANICAL_SPIKE: _mechanical_spike,
    Disturbance.CAVITATION: _cavitation,
    Disturbance.VOLTAGE_DROP: _voltage_drop,
    Disturbance.SENSOR_FREEZE: _sensor_freeze,
}
