#include "physics.hpp"

#include <string.h>

#include "machine.hpp"

namespace pdm {
namespace {

using machine::ONE;

// a sensor of a standing pump still picks up its neighbours
constexpr Number STANDSTILL_MM_S(0.03);
constexpr int AXES = 3;

enum Kind : uint8_t {
    TRIM, EFFICIENCY, LEAK, CLOG, FRICTION, COPPER, SLIP, HEAT_C,
    UNBALANCE, MISALIGNMENT, BEARING, HYDRAULIC, LOOSENESS, PULSATION_OF, KINDS
};
constexpr float Signature::* FIELDS[KINDS] = {
    &Signature::trim, &Signature::efficiency, &Signature::leak, &Signature::clog, &Signature::friction,
    &Signature::copper, &Signature::slip, &Signature::heat_c, &Signature::unbalance, &Signature::misalignment,
    &Signature::bearing, &Signature::hydraulic, &Signature::looseness, &Signature::pulsation,
};
constexpr int SOURCES_OF_VIBRATION = LOOSENESS + 1 - UNBALANCE;

/// The effects that a mode has, in the order of their kinds: two thirds of SIGNATURES are zeros.
struct Effects {
    struct Effect {
        int32_t mode;
        Number size;
    };
    Effect effect[FAILURE_MODES * KINDS] = {};
    int end[KINDS] = {};

    constexpr Effects() {
        int count = 0;
        for (int kind = 0; kind < KINDS; ++kind) {
            for (int mode = 0; mode < FAILURE_MODES; ++mode) {
                const float size = SIGNATURES[mode].*FIELDS[kind];
                if (size != 0.0f) effect[count++] = {mode, Number(size)};
            }
            end[kind] = count;
        }
    }
};
constexpr Effects EFFECTS;

/// Sum of each effect over the modes.
void add_up(const Share (&seen)[FAILURE_MODES], Number (&total)[KINDS]) {
    const Effects::Effect* one = EFFECTS.effect;
    for (int kind = 0; kind < KINDS; ++kind) {
        int64_t sum = 1 << 29;
        for (const Effects::Effect* const end = EFFECTS.effect + EFFECTS.end[kind]; one < end; ++one) {
            sum += int64_t{one->size.raw()} * seen[one->mode].raw();
        }
        total[kind] = Number::of_raw(sum >> 30);
    }
}

machine::Damage damage_of(const Number (&total)[KINDS]) {
    return {
        // losses multiply rather than add up: two worn parts still leave some head
        ONE / (ONE + total[TRIM]),
        ONE / (ONE + total[EFFICIENCY]),
        least(total[LEAK], Number(0.6)),
        total[CLOG],
        total[FRICTION],
        ONE + total[COPPER],
        ONE + total[SLIP],
        total[HEAT_C],
    };
}

/// Shares of the power of a source on x, y, z, in 2^-24.
struct PowerShares {
    uint32_t share[SOURCES_OF_VIBRATION][AXES] = {};

    constexpr PowerShares() {
        for (int source = 0; source < SOURCES_OF_VIBRATION; ++source) {
            const AxisShares& of = AXIS_SHARES[source];
            const float velocity[AXES] = {of.x, of.y, of.z};
            for (int axis = 0; axis < AXES; ++axis) {
                const double part = static_cast<double>(velocity[axis]);
                share[source][axis] = static_cast<uint32_t>(part * part * (1 << 24) + 0.5);
            }
        }
    }
};
constexpr PowerShares POWER_SHARES;

/// Each source's velocity, combined as RMS on each axis, as what is uncorrelated adds up.
void vibration(const Number (&total)[KINDS], const Unit& unit, Number speed, Number excitation, bool running,
               const Number (&normal)[DRAWS], Number (&channels)[CHANNELS]) {
    // unbalance is a force that grows with the square of speed; here squared once more
    const Number square = speed * speed, fourth = square * square;
    const Number built[] = {unit.unbalance, unit.misalignment, unit.bearing, unit.hydraulic, unit.looseness};
    uint64_t level[AXES] = {};  // 2^-54 (mm/s)^2
    for (int source = 0; source < SOURCES_OF_VIBRATION; ++source) {
        const Number growth = UNBALANCE + source == HYDRAULIC ? excitation * excitation : fourth;
        const uint64_t velocity_squared = squared(built[source] + total[UNBALANCE + source]) >> 16;  // 2^-30
        const uint64_t power = velocity_squared * static_cast<uint32_t>(growth.raw()) >> 23;
        for (int axis = 0; axis < AXES; ++axis) {
            level[axis] += power * POWER_SHARES.share[source][axis];
        }
    }
    for (int axis = 0; axis < AXES; ++axis) {
        const Number velocity = running ? Number::of_raw(root(level[axis]) >> 4) * unit.gain[axis] : STANDSTILL_MM_S;
        channels[axis] = velocity * (ONE + Number(NOISE_VIBRATION) * normal[axis]);
    }
    channels[VIBRATION_RMS] = total_rms(channels);
}

/// First-order body: the unworn pump's rise follows the duty, what wear adds follows whether the pump runs.
Number temperature(Number rise_c, const Unit& unit, const Duty::Moment& now, Number normal) {
    const Segment& segment = *now.segment;
    const Number warmth = (segment.running ? ONE : machine::ZERO) + segment.warm_deviation * now.decay;
    const Number above_c = (segment.running ? segment.rise_c : machine::ZERO) + segment.rise_deviation_c * now.decay +
                           (rise_c - segment.rise_c) * warmth;
    const Number ambient_c = unit.ambient_c + unit.amplitude_c * now.sine_of_day;
    return ambient_c + above_c * unit.rise + Number(NOISE_TEMPERATURE_C) * normal;
}

}  // namespace

Unit build_unit(uint64_t seed, uint32_t number) {
    constexpr int PARTS = sizeof(Unit) / sizeof(Number);
    static_assert(PARTS == sizeof(BUILT) / sizeof(BUILT[0]), "a row of BUILT for each number of Unit");
    Number built[PARTS];
    for (int part = 0; part < PARTS; ++part) {
        const double drawn = draw({seed, number, 0}, Stream::BUILD, static_cast<uint32_t>(2 + part / DRAWS)).uniform(part % DRAWS);
        // sqrt(12): an even spread of unit deviation
        built[part] = Number(BUILT[part].mean + BUILT[part].deviation * 3.4641016151377544 * (drawn - 0.5));
    }
    Unit unit;
    memcpy(static_cast<void*>(&unit), built, sizeof unit);
    return unit;
}

Share shown(Share wear, Share severity, Share onset) {
    const Share square = wear * wear, fourth = square * square;
    const Share late = fourth * fourth * Share(0.8);
    return (((square - wear) * onset + wear) * Share(0.6) + late) * severity;
}

Number total_rms(const Number (&channels)[CHANNELS]) {
    return Number::of_raw(
        root(squared(channels[VIBRATION_X]) + squared(channels[VIBRATION_Y]) + squared(channels[VIBRATION_Z])));
}

void read_channels(const Share (&seen)[FAILURE_MODES], const Unit& unit, const Duty::Moment& now,
                   const Number (&normal)[DRAWS], Number (&channels)[CHANNELS]) {
    Number total[KINDS];
    add_up(seen, total);
    const machine::Damage worn = damage_of(total);
    const Segment& segment = *now.segment;
    const auto point = machine::operating_point(segment.speed, segment.resistance, worn);
    const Number load = machine::shaft_power(segment.speed, point, worn) + worn.friction;
    const Number current = machine::motor_current(load, worn.copper);
    const Number unsteady = total[PULSATION_OF];
    const Number pulsation = segment.running ? (Number(PULSATION) + unsteady) * normal[VIBRATION_RMS] : machine::ZERO;
    const Number excitation = machine::hydraulic_excitation(segment.speed, point.flow);
    vibration(total, unit, segment.speed, excitation, segment.running, normal, channels);
    const Number rise_c = machine::temperature_rise(current, worn.friction, worn.heat_c);
    channels[TEMPERATURE] = temperature(rise_c, unit, now, normal[TEMPERATURE]);
    // what suction loses does not reach the discharge; a check valve holds the static head while the pump stands
    const Number lifted = segment.running ? point.head - worn.clog * point.flow * point.flow : Number(STATIC_HEAD);
    const Number pressure = unit.suction_bar + Number(RATED_HEAD_BAR) * unit.head * lifted;
    channels[PRESSURE] = pressure * (ONE + pulsation + (unsteady + Number(NOISE_PRESSURE)) * normal[PRESSURE]);
    channels[CURRENT] = channels[RPM] = machine::ZERO;
    if (segment.running) {
        const Number drawn_a = current * (Number(RATED_CURRENT_A) * unit.current);
        channels[CURRENT] = drawn_a * (ONE + Number(0.6) * pulsation + Number(NOISE_CURRENT) * normal[CURRENT]);
        channels[RPM] = machine::motor_speed(segment.speed, load, worn.slip * unit.slip) +
                        Number(static_cast<double>(NOISE_RPM) / SYNCHRONOUS_RPM) * normal[RPM];
    }
}

}  // namespace pdm
