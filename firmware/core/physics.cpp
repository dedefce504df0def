#include "physics.hpp"

#include <math.h>
#include <string.h>

#include "machine.hpp"

namespace pdm {
namespace {

// a sensor of a standing pump still picks up its neighbours
constexpr float STANDSTILL_MM_S = 0.03f;
constexpr int AXES = 3;

/// Sum of one effect over the modes.
float total(float Signature::*effect, const float (&seen)[FAILURE_MODES]) {
    float sum = 0.0f;
    for (int mode = 0; mode < FAILURE_MODES; ++mode) {
        sum += seen[mode] * SIGNATURES[mode].*effect;
    }
    return sum;
}

machine::Damage damage_of(const float (&seen)[FAILURE_MODES]) {
    return {
        // losses multiply rather than add up: two worn parts still leave some head
        1.0f / (1.0f + total(&Signature::trim, seen)),
        1.0f / (1.0f + total(&Signature::efficiency, seen)),
        fminf(total(&Signature::leak, seen), 0.6f),
        total(&Signature::clog, seen),
        total(&Signature::friction, seen),
        1.0f + total(&Signature::copper, seen),
        1.0f + total(&Signature::slip, seen),
        total(&Signature::heat_c, seen),
    };
}

/// Each source's velocity, combined as RMS on each axis, as what is uncorrelated adds up.
void vibration(const float (&seen)[FAILURE_MODES], const Unit& unit, float speed, float excitation, bool running,
               const float (&normal)[DRAWS], float (&channels)[CHANNELS]) {
    // unbalance is a force that grows with the square of speed; here squared once more
    const float square = speed * speed, fourth = square * square;
    const struct {
        float velocity, growth;
    } sources[] = {
        {unit.unbalance + total(&Signature::unbalance, seen), fourth},
        {unit.misalignment + total(&Signature::misalignment, seen), fourth},
        {unit.bearing + total(&Signature::bearing, seen), fourth},
        {unit.hydraulic + total(&Signature::hydraulic, seen), excitation * excitation},
        {unit.looseness + total(&Signature::looseness, seen), fourth},
    };
    float level[AXES] = {};
    for (int index = 0; index < 5; ++index) {
        const float power = sources[index].velocity * sources[index].velocity * sources[index].growth;
        const AxisShares& share = AXIS_SHARES[index];
        level[0] += power * (share.x * share.x);
        level[1] += power * (share.y * share.y);
        level[2] += power * (share.z * share.z);
    }
    for (int axis = 0; axis < AXES; ++axis) {
        const float velocity = running ? sqrtf(level[axis]) * unit.gain[axis] : STANDSTILL_MM_S;
        channels[axis] = velocity * (1.0f + NOISE_VIBRATION * normal[axis]);
    }
    channels[VIBRATION_RMS] = total_rms(channels);
}

/// First-order body: the unworn pump's rise follows the duty, what wear adds follows whether the pump runs.
float temperature(float rise_c, const Unit& unit, const Duty::Moment& now, float normal) {
    const Segment& segment = *now.segment;
    const float warmth = segment.running + segment.warm_deviation * now.decay;
    const float above_c = segment.rise_c * segment.running + segment.rise_deviation_c * now.decay +
                          (rise_c - segment.rise_c) * warmth;
    const float ambient_c = unit.ambient_c + unit.amplitude_c * now.sine_of_day;
    return ambient_c + above_c * unit.rise + NOISE_TEMPERATURE_C * normal;
}

}  // namespace

Unit build_unit(uint64_t seed, uint32_t number) {
    constexpr int PARTS = sizeof(Unit) / sizeof(float);
    static_assert(PARTS == sizeof(BUILT) / sizeof(BUILT[0]), "a row of BUILT for each float of Unit");
    float built[PARTS];
    for (int part = 0; part < PARTS; ++part) {
        const double drawn = draw({seed, number, 0}, Stream::BUILD, static_cast<uint32_t>(2 + part / DRAWS)).uniform(part % DRAWS);
        // sqrt(12): an even spread of unit deviation
        built[part] = static_cast<float>(BUILT[part].mean + BUILT[part].deviation * 3.4641016151377544 * (drawn - 0.5));
    }
    Unit unit;
    memcpy(&unit, built, sizeof unit);
    return unit;
}

float shown(float wear, float severity, float onset) {
    const float square = wear * wear, fourth = square * square;
    const float late = fourth * fourth * 0.8f;
    return (((square - wear) * onset + wear) * 0.6f + late) * severity;
}

float total_rms(const float (&channels)[CHANNELS]) {
    return sqrtf(channels[VIBRATION_X] * channels[VIBRATION_X] + channels[VIBRATION_Y] * channels[VIBRATION_Y] +
                 channels[VIBRATION_Z] * channels[VIBRATION_Z]);
}

void read_channels(const float (&seen)[FAILURE_MODES], const Unit& unit, const Duty::Moment& now,
                   const float (&normal)[DRAWS], float (&channels)[CHANNELS]) {
    const machine::Damage worn = damage_of(seen);
    const Segment& segment = *now.segment;
    const bool running = segment.running > 0.0f;
    const auto point = machine::operating_point(segment.speed, segment.resistance, worn);
    const float load = machine::shaft_power(segment.speed, point, worn) + worn.friction;
    const float current = machine::motor_current(load, worn.copper);
    const float unsteady = total(&Signature::pulsation, seen);
    const float pulsation = (PULSATION + unsteady) * normal[VIBRATION_RMS] * segment.running;
    vibration(seen, unit, segment.speed, machine::hydraulic_excitation(segment.speed, point.flow), running, normal, channels);
    const float rise_c = machine::temperature_rise(current, worn.friction, worn.heat_c);
    channels[TEMPERATURE] = temperature(rise_c, unit, now, normal[TEMPERATURE]);
    // what suction loses does not reach the discharge; a check valve holds the static head while the pump stands
    const float lifted = running ? point.head - worn.clog * point.flow * point.flow : float(STATIC_HEAD);
    const float pressure = unit.suction_bar + float(RATED_HEAD_BAR) * unit.head * lifted;
    channels[PRESSURE] = pressure * (1.0f + pulsation + (unsteady + NOISE_PRESSURE) * normal[PRESSURE]);
    const float drawn_a = current * (float(RATED_CURRENT_A) * unit.current * segment.running);
    channels[CURRENT] = drawn_a * (1.0f + 0.6f * pulsation + NOISE_CURRENT * normal[CURRENT]);
    const float rpm = machine::motor_rpm(segment.speed, load, worn.slip * unit.slip);
    channels[RPM] = (rpm + NOISE_RPM * normal[RPM]) * segment.running;
}

}  // namespace pdm
