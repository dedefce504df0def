// The physics of a centrifugal pump of 5 kW with its two-pole motor, in units of its rated point (2,850 1/min, 25 m3/h
// against 39.8 m, 4.0 kW at the shaft, 7.8 A). Flow, head, speed and power are shares of these. Sources stand with the
// formulas in docs/simulation.md.
#pragma once

#include <math.h>

#include "parameters.hpp"

namespace pdm::machine {

/// What wear changes in the machine, 0 or 1 where it is new.
struct Damage {
    float trim;        ///< head of the pump, as a share
    float efficiency;  ///< of the pump, relative
    float leak;        ///< of the pump's flow, lost before the system
    float clog;        ///< resistance of the suction
    float friction;    ///< power lost in bearings and coupling, of rated power
    float copper;      ///< current beyond what the load needs, relative
    float slip;        ///< relative
    float heat_c;      ///< rise at the bearing housing beside the losses
};
constexpr Damage UNWORN = {1.0f, 1.0f, 0.0f, 0.0f, 0.0f, 1.0f, 1.0f, 0.0f};

struct OperatingPoint {
    float flow, head;
};

/// Where the pump's curve meets the system's: both are quadratic in flow, so the point is a closed form. A pump that
/// cannot lift the static head delivers nothing.
inline OperatingPoint operating_point(float speed, float resistance, const Damage& worn) {
    const float kept = 1.0f - worn.leak;
    const float lift = float(SHUT_OFF_HEAD) * worn.trim * speed * speed;
    const float flow_squared =
        fmaxf(lift - float(STATIC_HEAD), 0.0f) / (resistance * kept * kept + worn.clog + float(CURVE_FALL));
    return {sqrtf(flow_squared), lift - float(CURVE_FALL) * flow_squared};
}

/// Power at the pump's shaft, with the efficiency curve q (2 - q), q = flow / speed; finite where nothing flows.
inline float shaft_power(float speed, const OperatingPoint& point, const Damage& worn) {
    // beyond 1.6 times the best flow the parabola no longer holds
    return speed * point.head / ((2.0f - fminf(point.flow / speed, 1.6f)) * worn.efficiency);
}

/// Current for a load of 1 at the rated point: magnetising and active part at right angles.
inline float motor_current(float load, float copper) {
    constexpr double IDLE = NO_LOAD_CURRENT * NO_LOAD_CURRENT;
    return sqrtf(float(IDLE) + float(1 - IDLE) * load * load) * copper;
}

/// Speed in 1/min: an induction motor's slip follows its load, 5 % at the rated point.
inline float motor_rpm(float speed, float load, float slip) {
    return (float(SYNCHRONOUS_RPM) - float(SYNCHRONOUS_RPM - RATED_RPM) * load * slip) * speed;
}

/// Steady rise of the bearing housing over the ambient in degrees Celsius: losses of the motor, friction, damage.
inline float temperature_rise(float current, float friction, float heat_c) {
    constexpr double COPPER_C = RATED_RISE_C * COPPER_SHARE, OTHER_C = RATED_RISE_C * (1 - COPPER_SHARE);
    return float(OTHER_C) * (1.0f + friction) + float(COPPER_C) * current * current + heat_c;
}

/// Broadband excitation by the flow: least at the best-efficiency point, 1 a third off it, with the square of speed.
inline float hydraulic_excitation(float speed, float flow) {
    const float off = flow / speed - 1.0f;
    return speed * speed * (float(HYDRAULIC_FLOOR) + float(HYDRAULIC_OFF_DESIGN) * off * off);
}

}  // namespace pdm::machine
