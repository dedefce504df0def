"""What the models see of a pump's reading: one function, folded over history for training and over live batches.

The fold itself is `core.signals`; here is what a pump measures, what follows from it, and when it runs.
"""

from typing import ClassVar, Final

import numpy as np

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.core.scores import ISO_10816_7_MM_S
from pdm_platform.core.signal_memory import BASELINE_READINGS, Memory
from pdm_platform.core.signals import SignalSpec, SignalStates, columns_of, fold
from pdm_platform.core.states_table import BoolArray, Column, FloatArray

__all__ = ["BASELINE_READINGS", "FEATURE_CONTRACT", "FEATURE_NAMES", "PUMP_SPEC", "PumpStates", "fold"]

_X, _Y, _Z, _RMS, _TEMPERATURE, _PRESSURE, _CURRENT, _RPM = range(len(CHANNEL_NAMES))
_RATED_RPM: Final = 2_850.0
_SYNCHRONOUS_RPM: Final = 3_000.0  # two poles at 50 Hz
_RATED_A: Final = 7.8
# what copper losses heat a motor of this size by at its rated current; of a rise of 16 °C, 60 %
_COPPER_RISE_C: Final = 9.6
# below this a pump coasts or stands still; either sensor may fail, so it runs where one of them says so
_RUNNING_ABOVE_RPM: Final = 300.0
_RUNNING_ABOVE_A: Final = 1.0


def _derive(channels: FloatArray) -> FloatArray:
    """Quantities that a change of duty moves less than what is measured, shape (6, n).

    vibration_per_speed2: mm/s at rated speed, since the force of an unbalance grows with speed squared.
    head_per_speed2: bar at rated speed (affinity laws). power_per_head: A per bar, what the pump takes for what it
    gives. axial_share: share of the total vibration that is axial, high with misalignment (ISO 13373-3).
    slip_per_current: 1/min per A; both follow the load, slip alone the resistance of the rotor (Fitzgerald, Kingsley
    and Umans, Electric Machinery, 6th ed., chapter 6). Behind a drive it holds what the drive asks for as well.
    temperature_beyond_load: °C without what the copper losses of the load heat the motor by, which follow the square of
    the current.
    """
    speed2 = (channels[_RPM] / _RATED_RPM) * (channels[_RPM] / _RATED_RPM)
    return np.stack(
        [
            channels[_RMS] / speed2,
            channels[_PRESSURE] / speed2,
            channels[_CURRENT] / channels[_PRESSURE],
            channels[_Z] / channels[_RMS],
            (_SYNCHRONOUS_RPM - channels[_RPM]) / channels[_CURRENT],
            channels[_TEMPERATURE] - _COPPER_RISE_C * (channels[_CURRENT] / _RATED_A) * (channels[_CURRENT] / _RATED_A),
        ]
    )


def _running(channels: FloatArray) -> BoolArray:
    rpm, current = channels[_RPM], channels[_CURRENT]
    unknown = np.isnan(rpm) & np.isnan(current)
    return np.asarray((rpm > _RUNNING_ABOVE_RPM) | (current > _RUNNING_ABOVE_A) | unknown)


def _extras(channels: FloatArray, memory: Memory) -> FloatArray:
    """iso_zone: 0 to 3 for zones A to D of the short level of vibration. axes_mismatch: total over sum of axes, less 1.

    Source of the zones: ISO 10816-7:2009, table 1, category II, up to 200 kW.
    """
    vibration = memory.short[_RMS]
    zone = np.searchsorted(ISO_10816_7_MM_S, vibration, side="left").astype(np.float64)
    zone[memory.count[_RMS] == 0.0] = np.nan
    x, y, z = channels[_X], channels[_Y], channels[_Z]
    mismatch = channels[_RMS] / np.sqrt(x * x + y * y + z * z) - 1.0
    return np.stack([zone, np.where(np.isfinite(mismatch), mismatch, np.nan)])


PUMP_SPEC: Final = SignalSpec(
    channels=CHANNEL_NAMES,
    derived=(
        *("vibration_per_speed2", "head_per_speed2", "power_per_head", "axial_share", "slip_per_current"),
        "temperature_beyond_load",
    ),
    derive=_derive,
    running=_running,
    extra=("iso_zone", "axes_mismatch"),
    extras=_extras,
)
FEATURE_NAMES: Final = PUMP_SPEC.feature_names
FEATURE_CONTRACT: Final = PUMP_SPEC.contract


class PumpStates(SignalStates):
    """What is remembered of each pump."""

    SPEC: ClassVar[SignalSpec] = PUMP_SPEC
    CONTRACT: ClassVar[str] = FEATURE_CONTRACT
    COLUMNS: ClassVar[dict[str, Column]] = columns_of(PUMP_SPEC)
