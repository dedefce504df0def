"""What can go wrong with a pump and with its sensors: the names on the wire, and their ISO 14224 codes."""

from enum import StrEnum
from typing import Final


class FailureMode(StrEnum):
    """Why a pump wears. The order is that of the models' classes, after NO_FAILURE_MODE."""

    BEARING_WEAR = "bearing_wear"
    IMPELLER_WEAR = "impeller_wear"
    SEAL_LEAKAGE = "seal_leakage"
    CAVITATION = "cavitation"
    UNBALANCE = "unbalance"
    MISALIGNMENT = "misalignment"
    WINDING_DEGRADATION = "winding_degradation"
    PLUGGED_SUCTION = "plugged_suction"


# Codes of rotating equipment. Source: ISO 14224:2016, tables B.6 and B.15: VIB vibration, OHE overheating, LOO low
# output, ELP external leakage of the process medium, PDE parameter deviation, PLU plugged or choked.
ISO_14224_CODES: Final = {
    FailureMode.BEARING_WEAR: ("VIB", "OHE"),
    FailureMode.IMPELLER_WEAR: ("LOO",),
    FailureMode.SEAL_LEAKAGE: ("ELP",),
    FailureMode.CAVITATION: ("VIB",),
    FailureMode.UNBALANCE: ("VIB",),
    FailureMode.MISALIGNMENT: ("VIB",),
    FailureMode.WINDING_DEGRADATION: ("OHE", "PDE"),
    FailureMode.PLUGGED_SUCTION: ("PLU",),
}
NO_FAILURE_MODE: Final = "none"
# What a model tells apart: nothing that wears, or the mode that has worn most.
MODE_CLASSES: Final = (NO_FAILURE_MODE, *FailureMode)


class SensorFault(StrEnum):
    """How a sensor lies while the pump is as it was."""

    FREEZE = "freeze"
    DRIFT = "drift"
    BIAS = "bias"
    SPIKES = "spikes"
    DROPOUT = "dropout"
    QUANTISATION = "quantisation"
    CLOCK_SKEW = "clock_skew"


class Disturbance(StrEnum):
    """A passing disturbance of the machine or its surroundings, which is no wear: the chaos scenarios by name."""

    HEATWAVE = "heatwave"
    MECHANICAL_SPIKE = "mechanical_spike"
    CAVITATION = "cavitation"
    VOLTAGE_DROP = "voltage_drop"
    SENSOR_FREEZE = "sensor_freeze"
