// The parameters of pump, wear, duty, noise and chaos. Made by `python -m simulators.parameters`: change them there.
// Sources and reasons stand in the modules of simulators/ named below and in docs/simulation.md.
#pragma once

#include <stdint.h>

namespace pdm {

constexpr int BRIDGE_KNOTS = 64;
constexpr int DAY_LEVELS = 4096;
constexpr int DRAW_LEVELS = 65536;
constexpr int EXPONENT_LEVELS = 32;
constexpr int START_LEVELS = 8;
constexpr int BASELINE_READINGS = 40;
constexpr int CHAOS_NOT_BEFORE = 40;
constexpr int EPISODE_KINDS = 16;
constexpr int DECAY_READINGS = 1024;
constexpr double BRIDGE_SHAPE = 48.0;
constexpr double EARLIEST_START = 0.05;
constexpr double LATEST_START = 0.3;
constexpr double STOP_SHARE = 0.25;
constexpr double SPEED_CHANGE_SHARE = 0.5;
constexpr double NIGHT_LOAD = 0.88;
constexpr double WORST_REPAIR = 0.15;
constexpr double SPIKE_SHARE = 0.3333333333333333;
constexpr double RATED_RPM = 2850.0;
constexpr double SYNCHRONOUS_RPM = 3000.0;
constexpr double RATED_CURRENT_A = 7.8;
constexpr double RATED_HEAD_BAR = 3.9;
constexpr double RATED_RISE_C = 16.0;
constexpr double SHUT_OFF_HEAD = 1.25;
constexpr double CURVE_FALL = 0.25;
constexpr double STATIC_HEAD = 0.35;
constexpr double NO_LOAD_CURRENT = 0.45;
constexpr double COPPER_SHARE = 0.6;
constexpr double HYDRAULIC_FLOOR = 0.5;
constexpr double HYDRAULIC_OFF_DESIGN = 6.0;
constexpr float NOISE_VIBRATION = 0.06f;
constexpr float NOISE_TEMPERATURE_C = 0.5f;
constexpr float NOISE_PRESSURE = 0.008f;
constexpr float NOISE_CURRENT = 0.01f;
constexpr float NOISE_RPM = 4.0f;
constexpr float PULSATION = 0.01f;
constexpr float SPIKE_MM_S = 12.0f;
constexpr float HEATWAVE_C = 15.0f;

// lifetimes.py: survival exp(-(t / scale_hours) ** shape)
struct Weibull { double shape, scale_hours; };
// wear.py: mean wear is time to a power between these
struct Exponents { double low, high; };
// speeds.py
struct Pace {
    uint32_t min_readings, max_readings, interval_ms;
    double hours_per_reading;
    uint32_t slot_readings, min_segment_slots, max_segment_slots, min_stop_slots, max_stop_slots;
    double thermal_readings;
    uint32_t day_readings;
};
// physics.py: mean and one standard deviation of an even spread
struct Spread { double mean, deviation; };
// signatures.py: effect where the damage of a mode shows as 1
struct Signature {
    float trim, efficiency, leak, clog, friction, copper, slip, heat_c;
    float unbalance, misalignment, bearing, hydraulic, looseness, pulsation;
};
// signatures.py: share of a source of vibration on x, y, z
struct AxisShares { float x, y, z; };
// contract/channels.py: what can be a measurement, and the digits that its sensor gives
struct ChannelRange { double possible_min, possible_max; int decimals; };

constexpr Weibull LIVES[8] = {
    {1.3, 40000.0},  // bearing_wear
    {2.5, 150000.0},  // impeller_wear
    {1.4, 25000.0},  // seal_leakage
    {2.5, 40000.0},  // cavitation
    {1.2, 50000.0},  // unbalance
    {2.0, 75000.0},  // misalignment
    {1.2, 100000.0},  // winding_degradation
    {1.1, 25000.0},  // plugged_suction
};

constexpr Exponents EXPONENTS[8] = {
    {1.5, 2.2},  // bearing_wear
    {1.2, 1.6},  // impeller_wear
    {1.3, 2.0},  // seal_leakage
    {1.3, 2.0},  // cavitation
    {1.2, 1.8},  // unbalance
    {1.2, 1.9},  // misalignment
    {1.4, 2.2},  // winding_degradation
    {1.2, 2.0},  // plugged_suction
};

constexpr Signature SIGNATURES[8] = {
    {0.0f, 0.0f, 0.0f, 0.0f, 0.06f, 0.0f, 0.05f, 12.0f, 0.0f, 0.0f, 3.0f, 0.0f, 0.6f, 0.0f},  // bearing_wear
    {0.17f, 0.16f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 1.3f, 0.0f, 0.0f, 0.2f, 0.0f, 0.0f},  // impeller_wear
    {0.0f, 0.0f, 0.22f, 0.0f, 0.02f, 0.0f, 0.0f, 10.0f, 0.0f, 0.35f, 0.0f, 0.25f, 0.0f, 0.0f},  // seal_leakage
    {0.06f, 0.07f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 0.9f, 3.2f, 0.0f, 0.045f},  // cavitation
    {0.0f, 0.0f, 0.0f, 0.0f, 0.02f, 0.0f, 0.0f, 3.0f, 3.9f, 0.0f, 0.25f, 0.0f, 0.5f, 0.0f},  // unbalance
    {0.0f, 0.0f, 0.0f, 0.0f, 0.06f, 0.0f, 0.0f, 6.0f, 0.0f, 4.2f, 0.4f, 0.0f, 0.3f, 0.0f},  // misalignment
    {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.15f, 0.5f, 11.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.2f, 0.0f},  // winding_degradation
    {0.0f, 0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 0.0f, 2.0f, 0.0f, 0.0f, 0.0f, 1.1f, 0.0f, 0.035f},  // plugged_suction
};

constexpr AxisShares AXIS_SHARES[5] = {
    {1.0f, 0.92f, 0.22f},  // unbalance
    {0.5f, 0.45f, 1.0f},  // misalignment
    {0.95f, 1.0f, 0.75f},  // bearing
    {0.9f, 0.85f, 0.7f},  // hydraulic
    {0.6f, 1.0f, 0.4f},  // looseness
};

constexpr Pace PACES[3] = {
    {120, 200, 1000, 50.0, 5, 4, 16, 1, 4, 5.0, 120},  // stress
    {500, 800, 2000, 12.5, 10, 6, 30, 1, 4, 12.0, 480},  // accelerated
    {8000, 12000, 10000, 0.8, 20, 15, 125, 1, 6, 60.0, 8640},  // nominal
};

constexpr Spread BUILT[15] = {
    {1.0, 0.07},  // gain_x
    {1.0, 0.07},  // gain_y
    {1.0, 0.07},  // gain_z
    {0.42, 0.09},  // unbalance
    {0.33, 0.07},  // misalignment
    {0.16, 0.03},  // bearing
    {0.5, 0.09},  // hydraulic
    {0.12, 0.04},  // looseness
    {1.0, 0.025},  // head
    {1.0, 0.03},  // current
    {1.0, 0.1},  // rise
    {1.0, 0.07},  // slip
    {0.3, 0.06},  // suction_bar
    {22.0, 1.8},  // ambient_c
    {2.5, 0.6},  // amplitude_c
};

constexpr ChannelRange CHANNEL_RANGES[8] = {
    {0.0, 1000.0, 3},  // vibration_x, mm/s
    {0.0, 1000.0, 3},  // vibration_y, mm/s
    {0.0, 1000.0, 3},  // vibration_z, mm/s
    {0.0, 1000.0, 3},  // vibration_rms, mm/s
    {-60.0, 400.0, 2},  // temperature, °C
    {-1.1, 1000.0, 3},  // pressure, bar
    {0.0, 5000.0, 3},  // current, A
    {0.0, 100000.0, 1},  // rpm, 1/min
};

}  // namespace pdm
