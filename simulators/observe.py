"""What the sensors tell of a fleet: the machines' own values, disturbances passing over them, and sensors that lie."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.failure_modes import SensorFault
from simulators import chaos, sensors
from simulators.episodes import Episode, Keys, Schedule

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
Measured = tuple[Float32Array, Float32Array, NDArray[np.int8]]


class Machines(Protocol):
    """What is observed: pumps by index, and what happens to them and to their sensors."""

    @property
    def chaos(self) -> Schedule | None: ...
    @property
    def faults(self) -> Schedule | None: ...
    @property
    def warmer(self) -> bool: ...
    def keys(self, pumps: IntArray) -> Keys: ...
    def measure(self, pumps: IntArray, steps: IntArray) -> Measured: ...


@dataclass(frozen=True, slots=True)
class Observed:
    """n readings and what is true of them.

    channels: shape (8, n), NaN where a sensor tells nothing. wear: (n,), of the most worn mode, 0 to 1. mode: (n,),
    index into MODES. disturbance: (n,), index into DISTURBANCES, -1 for none. fault: (n,), index into SENSOR_FAULTS, -1
    for none. channel: (n,), which channel lies, -1 for none. behind: (n,), intervals that the clock runs behind.
    """

    channels: Float32Array
    wear: Float32Array
    mode: NDArray[np.int8]
    disturbance: NDArray[np.int8]
    fault: NDArray[np.int8]
    channel: NDArray[np.int8]
    behind: Float32Array


def observe(machines: Machines, pumps: IntArray, steps: IntArray) -> Observed:
    """Readings of pumps (indices) at steps, shape (n,); pumps may be of shape (1,) where all are of one pump."""
    channels, wear, mode, disturbance = _machine(machines, pumps, steps)
    none = np.full(len(steps), -1, dtype=np.int8)
    found = Observed(channels, wear, mode, disturbance, none, none.copy(), np.zeros(len(steps), dtype=np.float32))
    if machines.faults is not None:
        keys = np.broadcast_to(machines.keys(pumps), (2, len(steps)))
        pumps = np.broadcast_to(pumps, steps.shape)
        for episode in machines.faults.at(keys, pumps, steps):
            _lie(machines, found, episode, keys, pumps, steps)
    return found


def _machine(
    machines: Machines, pumps: IntArray, steps: IntArray
) -> tuple[Float32Array, Float32Array, NDArray[np.int8], NDArray[np.int8]]:
    """The machine, and what passes over it; before any sensor lies."""
    channels, wear, mode = machines.measure(pumps, steps)
    disturbance = np.full(len(steps), -1, dtype=np.int8)
    if machines.warmer:
        chaos.warm(channels)
    if machines.chaos is not None:
        keys = np.broadcast_to(machines.keys(pumps), (2, len(steps)))
        for episode in machines.chaos.at(keys, pumps, steps):
            chaos.disturb(channels, episode, keys, steps)
            disturbance[episode.row] = episode.kind
    return channels, wear, mode, disturbance


def _lie(machines: Machines, found: Observed, episode: Episode, keys: Keys, pumps: IntArray, steps: IntArray) -> None:
    row = episode.row
    channel, drawn = sensors.fault_channels(episode, keys)
    found.fault[row], found.channel[row] = episode.kind, channel
    if (channel == sensors.CLOCK).all():
        found.behind[row] = sensors.behind_intervals(drawn)
        return
    true = found.channels[channel, row]
    frozen = true
    if sensors.SENSOR_FAULTS[episode.kind] is SensorFault.FREEZE:
        runs = episode.runs(keys)
        began = _machine(machines, pumps[row[runs.first]], episode.since[runs.first])[0]
        frozen = runs.spread(began[channel[runs.first], np.arange(len(runs.first))])
    found.channels[channel, row] = sensors.told(true, episode, keys, steps, drawn, channel, frozen)
