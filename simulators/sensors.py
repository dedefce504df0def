"""Sensors that lie while the pump is as it was: one channel for one episode."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.failure_modes import SensorFault
from simulators.draws import Stream
from simulators.episodes import Episode, Keys

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
SENSOR_FAULTS: Final = tuple(SensorFault)
# index that stands for the clock, which is no channel; its name in `channel:kind`
CLOCK: Final = len(CHANNEL_NAMES)
CHANNEL_LABELS: Final = (*CHANNEL_NAMES, "timestamp")
# what counts as a clear error of each channel, in its unit: about what wear moves it by before the pump fails
ERROR_SCALE: Final = np.array([1.2, 1.2, 1.2, 2.0, 12.0, 0.8, 1.8, 120.0])
# a sensor's output ends where its range does
_LOWEST: Final = np.array([0.0, 0.0, 0.0, 0.0, -40.0, -1.0, 0.0, 0.0])
SPIKE_SHARE: Final = 0.25
DROPOUT_SHARE: Final = 0.7
# how far a clock runs behind, in intervals: never whole ones, so that no two readings of a pump share their time
_BEHIND_INTERVALS: Final = (2, 12)

Reader = Callable[[IntArray, IntArray], Float32Array]


def fault_channels(episode: Episode, keys: Keys) -> tuple[IntArray, FloatArray]:
    """Which channel lies in each row of the episode, (m,), CLOCK for the clock; and the episode's draws, (m, 8).

    keys: (2, n), of `draws.noise_keys`, of all rows.
    """
    drawn = episode.draws(keys, Stream.SENSOR_SIZE)
    if SENSOR_FAULTS[episode.kind] is SensorFault.CLOCK_SKEW:
        return np.full(len(drawn), CLOCK), drawn
    return (drawn[:, 0] * len(CHANNEL_NAMES)).astype(np.int64), drawn


def behind_intervals(drawn: FloatArray) -> FloatArray:
    """How far a skewed clock runs behind, in intervals between readings; drawn: the episode's draws, (m, 8)."""
    low, high = _BEHIND_INTERVALS
    return np.asarray(np.floor(low + drawn[:, 1] * (high - low)) + 0.5)


def told(
    true: Float32Array,
    episode: Episode,
    keys: Keys,
    step: IntArray,
    drawn: FloatArray,
    channel: IntArray,
    frozen: Float32Array,
) -> Float32Array:
    """What the lying sensor tells instead of `true`, shape (m,); NaN where it tells nothing.

    keys: (2, n) and step: (n,), of all rows. drawn: even draws of the episode, (m, 8). channel: (m,), below CLOCK.
    frozen: what the sensor told when the episode began, (m,).
    """  # fmt: skip
    scale = ERROR_SCALE[channel]
    sign = np.where(drawn[:, 2] < 0.5, -1.0, 1.0)
    size = sign * scale * (0.8 + 1.2 * drawn[:, 3])
    match SENSOR_FAULTS[episode.kind]:
        case SensorFault.FREEZE:
            return frozen
        case SensorFault.DRIFT:
            lied = true + size * 1.5 * (step[episode.row] - episode.since + 1) / episode.length
        case SensorFault.BIAS:
            lied = true + size
        case SensorFault.SPIKES:
            chance = episode.draws_of_reading(keys, Stream.SENSOR_STEP, step)
            away = np.where(chance[:, 1] < 0.5, -1.0, 1.0) * scale * (3.0 + 3.0 * chance[:, 2])
            lied = np.where(chance[:, 0] < SPIKE_SHARE, true + away, true)
        case SensorFault.DROPOUT:
            chance = episode.draws_of_reading(keys, Stream.SENSOR_STEP, step)
            lied = np.where(chance[:, 0] < DROPOUT_SHARE, np.nan, true)
        case SensorFault.QUANTISATION:
            coarse = scale * (0.5 + 0.5 * drawn[:, 3])
            lied = np.round(true / coarse) * coarse
        case _:
            return true
    return np.asarray(np.maximum(lied, _LOWEST[channel]), dtype=np.float32)
