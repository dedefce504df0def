"""The physics of a centrifugal pump of 5 kW with its two-pole motor, in units of its rated point.

Rated point: 2,850 1/min, 25 m3/h against 39.8 m, 4.0 kW at the shaft, 7.8 A. Flow, head, speed and power below are
shares of these. All functions work elementwise on arrays that broadcast, in the float type they are given, with
operations that IEEE 754 rounds exactly: a reading is the same bit for bit, alone and among others.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

RATED_RPM: Final = 2_850.0
SYNCHRONOUS_RPM: Final = 3_000.0
RATED_CURRENT_A: Final = 7.8
# 39.8 m of water, of 1,000 kg/m3
RATED_HEAD_BAR: Final = 3.9
RATED_RISE_C: Final = 16.0
# H = a n^2 - b Q^2: a pump of low specific speed delivers a quarter more head against a closed valve
SHUT_OFF_HEAD: Final = 1.25
CURVE_FALL: Final = SHUT_OFF_HEAD - 1.0
# of the head that the system asks for, what does not depend on flow: height and counter-pressure
STATIC_HEAD: Final = 0.35
# no-load current of a two-pole motor of this size, magnetising
NO_LOAD_CURRENT: Final = 0.45
# of the rated temperature rise: copper losses, which follow the square of the current; the rest is friction
COPPER_SHARE: Final = 0.6
HYDRAULIC_FLOOR: Final = 0.5
HYDRAULIC_OFF_DESIGN: Final = 6.0


class Damage(NamedTuple):
    """What wear changes in the machine, 0 or 1 where it is new; shapes that broadcast.

    trim: head of the pump, as a share. efficiency: of the pump, relative. leak: of the pump's flow, lost before the
    system. clog: resistance of the suction. friction: power lost in bearings and coupling, of rated power.
    copper: current beyond what the load needs. slip: relative. heat_c: rise at the bearing housing beside the losses.
    """

    trim: Array
    efficiency: Array
    leak: Array
    clog: Array
    friction: Array
    copper: Array
    slip: Array
    heat_c: Array


def operating_point(speed: Array, resistance: Array, trim: Array, leak: Array, clog: Array) -> tuple[Array, Array]:
    """Flow through the pump and head of the pump where its curve meets the system's.

    Pump: head = a (trim) speed^2 - b flow^2, the affinity laws. System: head = static + (resistance (1 - leak)^2 +
    clog) flow^2. Both are quadratic in flow, so the point is a closed form. A pump that cannot lift the static head
    delivers nothing. Source: Gülich, Centrifugal Pumps, 3rd ed., chapters 4 and 11.
    """
    kept = 1 - leak
    surplus = SHUT_OFF_HEAD * trim * speed * speed - STATIC_HEAD
    flow_squared = np.maximum(surplus, np.zeros_like(surplus)) / (resistance * kept * kept + clog + CURVE_FALL)
    head = SHUT_OFF_HEAD * trim * speed * speed - CURVE_FALL * flow_squared
    return np.sqrt(flow_squared), head


def shaft_power(speed: Array, flow: Array, head: Array, efficiency: Array) -> Array:
    """Power at the pump's shaft.

    Power = flow head / efficiency with the efficiency curve q (2 - q), q = flow / speed: best, and 1, at the rated
    point. Written so that it stays finite where nothing flows. `efficiency` scales the whole curve.
    """
    share = flow / speed
    # beyond 1.6 times the best flow the parabola no longer holds
    served: Array = speed * head / ((2 - np.minimum(share, np.full_like(share, np.float32(1.6)))) * efficiency)
    return served


def motor_current(load: Array, copper: Array) -> Array:
    """Current for a load of 1 at the rated point: magnetising and active part at right angles."""
    idle = NO_LOAD_CURRENT * NO_LOAD_CURRENT
    return np.sqrt(idle + (1 - idle) * load * load) * copper


def motor_rpm(speed: Array, load: Array, slip: Array) -> Array:
    """Speed in 1/min: an induction motor's slip follows its load, 5 % at the rated point.

    Source: Fitzgerald, Kingsley and Umans, Electric Machinery, 6th ed., chapter 6.
    """
    return (SYNCHRONOUS_RPM - (SYNCHRONOUS_RPM - RATED_RPM) * load * slip) * speed


def temperature_rise(current: Array, friction: Array, heat_c: Array) -> Array:
    """Steady rise of the bearing housing over the ambient in °C: losses of the motor, friction, and heat of damage."""
    return RATED_RISE_C * (1 - COPPER_SHARE) * (1 + friction) + RATED_RISE_C * COPPER_SHARE * current * current + heat_c


def hydraulic_excitation(speed: Array, flow: Array) -> Array:
    """Broadband excitation by the flow: least at the best-efficiency point, 1 a third off it, with the square of speed.

    Source: API 610, 12th ed., 6.9.3: vibration rises on both sides of the best-efficiency flow.
    """
    off = flow / speed - 1
    return speed * speed * (HYDRAULIC_FLOOR + HYDRAULIC_OFF_DESIGN * off * off)
