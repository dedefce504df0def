#include "duty.hpp"

#include <math.h>

#include "machine.hpp"
#include "parameters.hpp"

namespace pdm {
namespace {

// the night, where the sine of the day lies below this: from 22 to 6 o'clock, warmest at 14 o'clock
constexpr float NIGHT_BELOW = -0.5f;
// a pump that stands still does not fail: no stop from here on
constexpr double NO_STOP_AFTER = 0.93;
constexpr float TURN = 6.28318530717958647692f;

const Pace& pace_of(Speed speed) { return PACES[static_cast<int>(speed)]; }

uint32_t rounded_up(uint32_t what, uint32_t by) { return (what + by - 1) / by; }

float sine_of(uint32_t level) {
    return sinf(TURN * (static_cast<float>(level % DAY_LEVELS) + 0.5f) / static_cast<float>(DAY_LEVELS));
}

float decay_after(uint32_t readings, const Pace& pace) {
    return readings < DECAY_READINGS - 1 ? expf(-static_cast<float>(readings) / static_cast<float>(pace.thermal_readings))
                                         : 0.0f;
}

}  // namespace

void Duty::draw_segments(const Who& who, Speed speed, uint32_t readings) {
    const Pace& pace = pace_of(speed);
    speed_ = speed;
    slots_ = rounded_up(pace.max_readings, pace.slot_readings);
    segments_ = 2 * (rounded_up(slots_, pace.min_segment_slots) + 1);
    day_begin_ = static_cast<uint32_t>(draw(who, Stream::DUTY, 1u << 20).uniform(0) * DAY_LEVELS);
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
        segment.start = static_cast<float>(slot * pace.slot_readings);
        slot += length;
        const bool late = slot * pace.slot_readings > NO_STOP_AFTER * readings;
        segment.running = index % 2 == 0 || late ? 1.0f : 0.0f;
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
        const uint64_t start = static_cast<uint64_t>(segment.start);
        const bool night = start > 0 && sine_of(day_begin_ + static_cast<uint32_t>(start * day_stride_ >> 16)) < NIGHT_BELOW;
        flow = base * flow * speed * (night ? NIGHT_LOAD : 1.0);
        segment.speed = static_cast<float>(speed);
        segment.resistance =
            static_cast<float>((SHUT_OFF_HEAD * speed * speed - STATIC_HEAD) / (flow * flow) - CURVE_FALL);
    }
}

/// Steady rise of temperature in each segment, and what rise and warmth are off at its start: of a first-order body the
/// deviation from the steady state decays, so each start follows from the one before.
void Duty::warm_up() {
    const Pace& pace = pace_of(speed_);
    for (uint32_t index = 0; index < segments_; ++index) {
        Segment& segment = segment_[index];
        const auto point = machine::operating_point(segment.speed, segment.resistance, machine::UNWORN);
        const float power = machine::shaft_power(segment.speed, point, machine::UNWORN);
        segment.rise_c = machine::temperature_rise(machine::motor_current(power, 1.0f), 0.0f, 0.0f);
        segment.rise_deviation_c = segment.warm_deviation = 0.0f;
        if (index > 0) {
            const Segment& before = segment_[index - 1];
            const float decay = decay_after(static_cast<uint32_t>(segment.start - before.start), pace);
            segment.rise_deviation_c = before.rise_c * before.running + before.rise_deviation_c * decay -
                                       segment.rise_c * segment.running;
            segment.warm_deviation = before.running + before.warm_deviation * decay - segment.running;
        }
    }
}

Duty::Moment Duty::at(uint32_t step) const {
    const Pace& pace = pace_of(speed_);
    // the schedule repeats for a pump that outlives it, as one that does not wear
    const uint32_t within = step % (slots_ * pace.slot_readings);
    const Segment* const segment = &segment_[slot_[within / pace.slot_readings]];
    const uint32_t age = within - static_cast<uint32_t>(segment->start);
    const uint32_t level = day_begin_ + static_cast<uint32_t>(uint64_t{within} * day_stride_ >> 16);
    return {segment, decay_after(age, pace), sine_of(level)};
}

}  // namespace pdm
