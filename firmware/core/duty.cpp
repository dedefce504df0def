#include "duty.hpp"

#include <math.h>

#include "machine.hpp"
#include "parameters.hpp"

namespace pdm {
namespace {

// the night, where the sine of the day lies below this: from 22 to 6 o'clock, warmest at 14 o'clock
constexpr Share NIGHT_BELOW(-0.5);
// a pump that stands still does not fail: no stop from here on
constexpr double NO_STOP_AFTER = 0.93;

const Pace& pace_of(Speed speed) { return PACES[static_cast<int>(speed)]; }

uint32_t rounded_up(uint32_t what, uint32_t by) { return (what + by - 1) / by; }

/// Of a place in the day, by a minimax polynomial within 4e-9.
Share sine_of(uint32_t level) {
    static constexpr Share C[] = {Share(1.57079629), Share(-0.6459633598), Share(0.0796884805), Share(-0.0046722279),
                                  Share(0.0001508205)};
    const uint32_t turn = (2 * level + 1) * (0x80000000u / DAY_LEVELS);  // 2^-32, the middle of the place
    const uint32_t quarter = turn & 0x3FFFFFFF;
    const Share x = Share::of_raw((turn & 0x40000000) != 0 ? 0x40000000 - quarter : quarter), square = x * x;
    Share sine = C[4];
    for (int power = 3; power >= 0; --power) {
        sine = sine * square + C[power];
    }
    sine = sine * x;
    return turn >> 31 != 0 ? -sine : sine;
}

/// What is left of a deviation after so many readings. of_one: after one, in 2^-32.
Share decay_after(uint32_t readings, uint32_t of_one) {
    if (readings >= DECAY_READINGS - 1) return Share(0.0);
    uint32_t left = UINT32_MAX;
    for (uint32_t power = of_one; readings > 0; readings >>= 1) {
        if ((readings & 1) != 0) left = static_cast<uint32_t>(uint64_t{left} * power >> 32);
        power = static_cast<uint32_t>(uint64_t{power} * power >> 32);
    }
    return Share::of_raw(left >> 2);
}

}  // namespace

void Duty::draw_segments(const Who& who, Speed speed, uint32_t readings) {
    const Pace& pace = pace_of(speed);
    speed_ = speed;
    slots_ = rounded_up(pace.max_readings, pace.slot_readings);
    segments_ = 2 * (rounded_up(slots_, pace.min_segment_slots) + 1);
    day_begin_ = static_cast<uint32_t>(draw(who, Stream::DUTY, 1u << 20).uniform(0) * DAY_LEVELS);
    decay_ = static_cast<uint32_t>(exp(-1.0 / pace.thermal_readings) * 4294967296.0);
    day_stride_ = static_cast<uint32_t>(uint64_t{DAY_LEVELS} * 65536u / pace.day_readings);
    draw_lengths(who, readings);
    draw_demand(who);
    warm_up();
}

/// Segments run and stand in turn; a stop may have no length.
void Duty::draw_lengths(const Who& who, uint32_t readings) {
    const Pace& pace = pace_of(speed_);
    const uint32_t first = rounded_up(BASELINE_READINGS, pace.slot_readings);
    uint32_t slot = 0, named = 0;
    for (uint32_t index = 0; index < segments_; ++index) {
        const Levels drawn = draw(who, Stream::DUTY, index / 2);
        uint32_t length;
        if (index % 2 == 0) {
            const uint32_t choices = pace.max_segment_slots - pace.min_segment_slots + 1;
            length = static_cast<uint32_t>(pace.min_segment_slots + drawn.uniform(0) * choices);
            length = index == 0 && length < first ? first : length;
        } else {
            const uint32_t choices = pace.max_stop_slots - pace.min_stop_slots + 1;
            length = drawn.uniform(2) < STOP_SHARE ? static_cast<uint32_t>(pace.min_stop_slots + drawn.uniform(1) * choices)
                                                   : 0;
        }
        Segment& segment = segment_[index];
        segment.start = slot * pace.slot_readings;
        slot += length;
        const bool late = slot * pace.slot_readings > NO_STOP_AFTER * readings;
        segment.running = index % 2 == 0 || late;
        for (; named < slot && named < slots_; ++named) {
            slot_[named] = static_cast<uint8_t>(index);
        }
    }
}

/// Speed and the system's resistance in each segment, from the flow that is wanted of it.
void Duty::draw_demand(const Who& who) {
    const Levels built = draw({who.seed, who.number, 0}, Stream::BUILD, 1);
    const double base = 0.92 + 0.16 * built.uniform(0);
    const bool has_drive = built.uniform(1) < 0.3;
    for (uint32_t index = 0; index < segments_; ++index) {
        Segment& segment = segment_[index];
        const Levels drawn = draw(who, Stream::DUTY, index / 2);
        double flow = 0.76 + 0.34 * drawn.uniform(3), speed = 1.0;
        if (has_drive && drawn.uniform(4) < SPEED_CHANGE_SHARE) {
            speed = 0.88 + 0.12 * drawn.uniform(5);
        }
        if (index < 2) {  // commissioned, and measured as new, near its rated point
            flow = 0.94 + 0.12 * drawn.uniform(3);
            speed = 1.0;
        }
        const uint64_t start = segment.start;
        const bool night = start > 0 && sine_of(day_begin_ + static_cast<uint32_t>(start * day_stride_ >> 16)) < NIGHT_BELOW;
        flow = base * flow * speed * (night ? NIGHT_LOAD : 1.0);
        segment.speed = Number(speed);
        segment.resistance = Number((SHUT_OFF_HEAD * speed * speed - STATIC_HEAD) / (flow * flow) - CURVE_FALL);
    }
}

/// Steady rise of temperature in each segment, and what rise and warmth are off at its start: of a first-order body the
/// deviation from the steady state decays, so each start follows from the one before.
void Duty::warm_up() {
    const auto when = [](bool running, Number what) { return running ? what : machine::ZERO; };
    for (uint32_t index = 0; index < segments_; ++index) {
        Segment& segment = segment_[index];
        const auto point = machine::operating_point(segment.speed, segment.resistance, machine::UNWORN);
        const Number power = machine::shaft_power(segment.speed, point, machine::UNWORN);
        const Number current = machine::motor_current(power, machine::ONE);
        segment.rise_c = machine::temperature_rise(current, machine::ZERO, machine::ZERO);
        segment.rise_deviation_c = segment.warm_deviation = machine::ZERO;
        if (index > 0) {
            const Segment& before = segment_[index - 1];
            const Share decay = decay_after(segment.start - before.start, decay_);
            segment.rise_deviation_c = when(before.running, before.rise_c) + before.rise_deviation_c * decay -
                                       when(segment.running, segment.rise_c);
            segment.warm_deviation = when(before.running, machine::ONE) + before.warm_deviation * decay -
                                     when(segment.running, machine::ONE);
        }
    }
}

Duty::Moment Duty::at(uint32_t step) const {
    const Pace& pace = pace_of(speed_);
    // the schedule repeats for a pump that outlives it, as one that does not wear
    const uint32_t within = step % (slots_ * pace.slot_readings);
    const Segment* const segment = &segment_[slot_[within / pace.slot_readings]];
    const uint32_t age = within - segment->start;
    const uint32_t level = day_begin_ + static_cast<uint32_t>(uint64_t{within} * day_stride_ >> 16);
    return {segment, decay_after(age, decay_), sine_of(level)};
}

}  // namespace pdm
