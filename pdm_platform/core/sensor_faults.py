"""Which sensor lies: one classifier that looks at each channel in turn, beside all others.

A fault of one channel teaches what that fault looks like on any other, so few examples of each suffice.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.core import trees
from pdm_platform.core.features import FEATURE_NAMES, PUMP_SPEC
from pdm_platform.core.lives import IntArray, Lives, evenly
from pdm_platform.core.trees import TreeSettings

_OF_THE_CHANNEL: Final = (
    *("off", "repeat_run", "repeat_share", "missing_share", "spike_share"),
    *("z", "delta", "trend", "spread_ratio", "change", "change_medium"),
)
_BESIDE: Final = ("z", "delta")
CHANNELS: Final = len(CHANNEL_NAMES)
_OWN: Final = np.array([[FEATURE_NAMES.index(f"{name}_{what}") for what in _OF_THE_CHANNEL] for name in CHANNEL_NAMES])
_RAW: Final = np.array([FEATURE_NAMES.index(name) for name in CHANNEL_NAMES])
_SHARED: Final = np.array(
    [FEATURE_NAMES.index(f"{name}_{what}") for what in _BESIDE for name in PUMP_SPEC.quantities]
    + [FEATURE_NAMES.index(name) for name in ("axes_mismatch", "running", "readings_seen", "gap_ratio")]
)
SENSOR_INPUTS: Final = 2 + len(_OF_THE_CHANNEL) + len(_SHARED)
_SOUND_ROWS_OF_A_LIFE: Final = 40
_FAULTY_ROWS_OF_A_LIFE: Final = 40


def channel_rows(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the classifier sees: shape (8 * n, SENSOR_INPUTS), the eight channels of a reading one after the other."""
    readings = len(features)
    rows = np.empty((readings, CHANNELS, SENSOR_INPUTS), np.float32)
    rows[:, :, 0] = np.arange(CHANNELS)
    rows[:, :, 1] = np.isnan(features[:, _RAW])
    rows[:, :, 2 : 2 + len(_OF_THE_CHANNEL)] = features[:, _OWN]
    rows[:, :, 2 + len(_OF_THE_CHANNEL) :] = features[:, None, _SHARED]
    return rows.reshape(readings * CHANNELS, SENSOR_INPUTS)


def fit_sensor(lives: Lives, settings: TreeSettings, *, seed: int) -> Any:
    """A fitted classifier of rows of channel_rows: 1 where that channel's sensor lies. None where none ever does."""
    life = np.unique(lives.device_ids, return_inverse=True)[1]
    channel = lives.faulty_channel
    sound, faulty = np.flatnonzero(channel == 0), np.flatnonzero(channel > 0)
    if not len(faulty):
        return None
    chosen = np.concatenate(
        [
            sound[evenly(life[sound], _SOUND_ROWS_OF_A_LIFE)],
            faulty[evenly(life[faulty], _FAULTY_ROWS_OF_A_LIFE)],
        ]
    )
    lies: IntArray = (channel[chosen][:, None] == 1 + np.arange(CHANNELS)).ravel().astype(np.int64)
    return trees.classifier(settings, seed).fit(trees.trainable(channel_rows(lives.features[chosen])), lies)
