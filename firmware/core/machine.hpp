// The physics of a centrifugal pump of 5 kW with its two-pole motor, in units of its rated point (2,850 1/min, 25 m3/h
// against 39.8 m, 4.0 kW at the shaft, 7.8 A). Flow, head, speed and power are shares of these. Sources stand with the
// formulas in docs/simulation.md.
#pragma once

#include "fixed.hpp"
#include "parameters.hpp"

namespace pdm::machine {

constexpr Number ZERO(0.0), ONE(1.0);

/// What wear changes in the machine, 0 or 1 where it is new.
struct Damage {
    Number trim;        ///< head of the pump, as a share
    Number efficiency;  ///< of the pump, relative
    Number leak;        ///< of the pump's flow, lost before the system
    Number clog;        ///< resistance of the suction
    Number friction;    ///< power lost in bearings and coupling, of rated power
    Number copper;      ///< current beyond what the load needs, relative
    Number slip;        ///< relative
    Number heat_c;      ///< rise at the bearing housing beside the losses
};
constexpr Damage UNWORN = {ONE, ONE, ZERO, ZERO, ZERO, ONE, ONE, ZERO};

struct OperatingPoint {
    Number flow, head;
};

/// Where the pump's curve meets the system's: both are quadratic in flow, so the point is a closed form. A pump that
/// cannot lift the static head delivers nothing.
inline OperatingPoint operating_point(Number speed, Number resistance, const Damage& worn) {
    const Number kept = ONE - worn.leak;
    const Number lift = Number(SHUT_OFF_HEAD) * worn.trim * speed * speed;
    const Number flow_squared =
        greatest(lift - Number(STATIC_HEAD), ZERO) / (resistance * kept * kept + worn.clog + Number(CURVE_FALL));
    return {root(flow_squared), lift - Number(CURVE_FALL) * flow_squared};
}

/// Power at the pump's shaft, with the efficiency curve q (2 - q), q = flow / speed; finite where nothing flows.
inline Number shaft_power(Number speed, const OperatingPoint& point, const Damage& worn) {
    // beyond 1.6 times the best flow the parabola no longer holds
    return speed * point.head / ((Number(2.0) - least(point.flow / speed, Number(1.6))) * worn.efficiency);
}

/// Current for a load of 1 at the rated point: magnetising and active part at right angles.
inline Number motor_current(Number load, Number copper) {
    constexpr double IDLE = NO_LOAD_CURRENT * NO_LOAD_CURRENT;
    return root(Number(IDLE) + Number(1 - IDLE) * load * load) * copper;
}

/// Speed as a share of the synchronous one: an induction motor's slip follows its load, 5 % at the rated point.
inline Number motor_speed(Number speed, Number load, Number slip) {
    return (ONE - Number((SYNCHRONOUS_RPM - RATED_RPM) / SYNCHRONOUS_RPM) * load * slip) * speed;
}

/// Steady rise of the bearing housing over the ambient in degrees Celsius: losses of the motor, friction, damage.
inline Number temperature_rise(Number current, Number friction, Number heat_c) {
    constexpr double COPPER_C = RATED_RISE_C * COPPER_SHARE, OTHER_C = RATED_RISE_C * (1 - COPPER_SHARE);
    return Number(OTHER_C) * (ONE + friction) + Number(COPPER_C) * current * current + heat_c;
}

/// Broadband excitation by the flow: least at the best-efficiency point, 1 a third off it, with the square of speed.
inline Number hydraulic_excitation(Number speed, Number flow) {
    const Number off = flow / speed - ONE;
    return speed * speed * (Number(HYDRAULIC_FLOOR) + Number(HYDRAULIC_OFF_DESIGN) * off * off);
}

}  // namespace pdm::machine
