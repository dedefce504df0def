"""How each failure mode shows: what its wear does to the machine, and through the machine to every channel."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.failure_modes import FailureMode
from simulators.lifetimes import MODES
from simulators.machine import Damage

Float32Array = NDArray[np.float32]
_ONE: Final = np.float32(1.0)


class Signature(NamedTuple):
    """Effect of one mode where its damage `shows` as 1; at the end of life it shows as about 1.4.

    trim, efficiency: loss of head and of efficiency, relative. leak, clog, friction, copper, slip, heat_c: as in
    `machine.Damage`, as an addition. unbalance, misalignment, bearing, hydraulic, looseness: vibration velocity in
    mm/s. pulsation: extra noise of pressure and current, relative.
    """

    trim: float = 0.0
    efficiency: float = 0.0
    leak: float = 0.0
    clog: float = 0.0
    friction: float = 0.0
    copper: float = 0.0
    slip: float = 0.0
    heat_c: float = 0.0
    unbalance: float = 0.0
    misalignment: float = 0.0
    bearing: float = 0.0
    hydraulic: float = 0.0
    looseness: float = 0.0
    pulsation: float = 0.0


# Which channels a mode moves follows from the sources; how far is set so that a failed pump lies around the boundary of
# zones C and D of ISO 10816-7 where vibration is what fails it. Sources: ISO 17359, annex B (faults and symptoms of
# pumps and motors); ISO 13373-3; Gülich, Centrifugal Pumps, 3rd ed., chapters 6 and 10; Bloch and Geitner, Machinery
# Failure Analysis and Troubleshooting, 4th ed., chapter 4.
SIGNATURES: Final = {
    FailureMode.BEARING_WEAR: Signature(bearing=3.0, looseness=0.6, friction=0.06, heat_c=12.0, slip=0.05),
    FailureMode.IMPELLER_WEAR: Signature(trim=0.17, efficiency=0.16, unbalance=1.3, hydraulic=0.2),
    FailureMode.SEAL_LEAKAGE: Signature(leak=0.22, heat_c=10.0, friction=0.02, misalignment=0.35, hydraulic=0.25),
    FailureMode.CAVITATION: Signature(
        trim=0.06, efficiency=0.07, hydraulic=3.2, bearing=0.9, pulsation=0.045, heat_c=1.0
    ),
    FailureMode.UNBALANCE: Signature(unbalance=3.9, looseness=0.5, bearing=0.25, friction=0.02, heat_c=3.0),
    FailureMode.MISALIGNMENT: Signature(misalignment=4.2, bearing=0.4, looseness=0.3, friction=0.06, heat_c=6.0),
    FailureMode.WINDING_DEGRADATION: Signature(copper=0.15, slip=0.5, heat_c=11.0, looseness=0.2),
    FailureMode.PLUGGED_SUCTION: Signature(clog=1.0, hydraulic=1.1, pulsation=0.035, heat_c=2.0),
}
# share of each source of vibration on the axes: radial horizontal, radial vertical, axial. A rotor's unbalance acts in
# the radial plane, misalignment along the shaft, the rest everywhere. Source: ISO 13373-3.
AXIS_SHARES: Final = {
    "unbalance": (1.0, 0.92, 0.22),
    "misalignment": (0.5, 0.45, 1.0),
    "bearing": (0.95, 1.0, 0.75),
    "hydraulic": (0.9, 0.85, 0.7),
    "looseness": (0.6, 1.0, 0.4),
}


def _column(name: str) -> Float32Array:
    return np.array([getattr(SIGNATURES[mode], name) for mode in MODES], dtype=np.float32)


# of each effect: the modes that have it, and how much
_SHARES: Final = {
    name: tuple((int(mode), _column(name)[mode]) for mode in np.flatnonzero(_column(name)))
    for name in Signature._fields
}


def shown(wear: Float32Array, severity: Float32Array, onset: Float32Array) -> Float32Array:
    """How much of its signature each mode shows at a wear of 0 to 1, shape (8, n): steady at first, then a steep end.

    severity, onset: (8, n) or (8, 1), how strongly and how early (0 to 1, late at 1) it shows in this life.
    Real damage ends so too: debris and the forces of damage itself feed it.
    """
    square = wear * wear
    late = square * square
    late *= late
    late *= np.float32(0.8)
    early: Float32Array = square
    early -= wear
    early *= onset
    early += wear
    early *= np.float32(0.6)
    early += late
    early *= severity
    return early


def total(name: str, seen: Float32Array) -> Float32Array:
    """Sum of one effect over the modes that have it, shape (n,), added in the order of the modes.

    seen: what each mode shows, (8, n).
    """
    (first, share), *others = _SHARES[name]
    result: Float32Array = seen[first] * share
    for mode, share in others:
        result += seen[mode] * share
    return result


def damage_of(seen: Float32Array) -> Damage:
    """What the modes together change in the machine; arrays of shape (n,)."""
    leak = total("leak", seen)
    return Damage(
        # losses multiply rather than add up: two worn parts still leave some head
        trim=_ONE / (_ONE + total("trim", seen)),
        efficiency=_ONE / (_ONE + total("efficiency", seen)),
        leak=np.minimum(leak, np.full_like(leak, np.float32(0.6))),
        clog=total("clog", seen),
        friction=total("friction", seen),
        copper=_ONE + total("copper", seen),
        slip=_ONE + total("slip", seen),
        heat_c=total("heat_c", seen),
    )
