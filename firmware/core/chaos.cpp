#include "chaos.hpp"

#include <math.h>

#include "parameters.hpp"
#include "physics.hpp"

namespace pdm {
namespace {

constexpr Number ZERO(0.0), ONE(1.0), SUCTION_BAR(0.3);
constexpr int AXES = 3;

/// One reading within an episode; age: readings since it began.
struct Moment {
    Number (&channels)[CHANNELS];
    uint32_t age;
    Levels of_episode, of_reading;
};

void heatwave(Moment& now) { now.channels[TEMPERATURE] = now.channels[TEMPERATURE] + Number(HEATWAVE_C); }

/// Impulses: single readings at 12 mm/s of total vibration, where it is not more already.
void mechanical_spike(Moment& now) {
    const Number total = now.channels[VIBRATION_RMS];
    const bool hits = now.age == 0 || now.of_reading.share(0) < Share(SPIKE_SHARE);
    if (!hits || !(total > ZERO) || !(total < Number(SPIKE_MM_S))) {
        return;
    }
    for (int channel = VIBRATION_X; channel <= VIBRATION_RMS; ++channel) {
        // the ratio alone is too large for a Number where a pump stands still
        const int64_t lifted = int64_t{now.channels[channel].raw()} * Number(SPIKE_MM_S).raw() / total.raw();
        now.channels[channel] = Number::of_raw(lifted);
    }
}

/// Vapour at the suction: less pressure, and unsteady; broadband vibration. Nothing in a pump that stands still.
void cavitation(Moment& now) {
    if (!(now.channels[RPM] > ZERO)) {
        return;
    }
    const Number strength = Number(0.7) + Number(0.6) * now.of_episode.share(0);
    const Number loss = strength * (Share(0.12) + Share(0.16) * now.of_reading.share(0));
    now.channels[PRESSURE] = now.channels[PRESSURE] * (ONE - loss);
    now.channels[CURRENT] = now.channels[CURRENT] * (ONE - Number(0.5) * loss * now.of_reading.share(1));
    for (int axis = VIBRATION_X; axis < AXES; ++axis) {
        const Number broadband = strength * (Number(1.2) + Number(1.6) * now.of_reading.share(2 + axis));
        now.channels[axis] = Number::of_raw(root(squared(now.channels[axis]) + squared(broadband)));
    }
    now.channels[VIBRATION_RMS] = total_rms(now.channels);
}

/// A motor at 78 to 88 % of its voltage: torque falls with its square, so slip and current rise; head follows the speed.
void voltage_drop(Moment& now) {
    const Number voltage = Number(0.78) + Number(0.10) * now.of_episode.share(0);
    const Number before = now.channels[RPM];
    now.channels[CURRENT] = now.channels[CURRENT] / voltage;
    if (!(before > ZERO)) {
        return;
    }
    const Number slower = ONE - (ONE - before) / (voltage * voltage);
    // a drive below synchronous speed slips from its own: the loss is the same in 1/min
    const Number after = greatest(least(slower, before), before * Number(0.8));
    const Number ratio = after / before;
    now.channels[PRESSURE] = SUCTION_BAR + (now.channels[PRESSURE] - SUCTION_BAR) * ratio * ratio;
    now.channels[RPM] = after;
    const int32_t tenths = now.age < 10 ? static_cast<int32_t>(now.age) : 10;
    now.channels[TEMPERATURE] = now.channels[TEMPERATURE] + Number::of_raw(int64_t{Number(0.5).raw()} * tenths);
}

void sensor_freeze(Moment& now) {
    for (int channel = VIBRATION_X; channel <= VIBRATION_RMS; ++channel) {
        now.channels[channel] = ZERO;
    }
}

using Scenario = void (*)(Moment&);
constexpr Scenario SCENARIOS[DISTURBANCES] = {heatwave, mechanical_spike, cavitation, voltage_drop, sensor_freeze};

}  // namespace

/// First reading of the episode of this rule that `step` lies in; false where it lies in none.
bool Chaos::episode(const Rule& rule, const NoiseKey& key, uint32_t step, uint32_t* since) {
    const uint32_t stretch = 2 * rule.readings, within = step / stretch;
    const Levels drawn = draw_at(key, Stream::CHAOS, uint64_t{within} * EPISODE_KINDS + rule.disturbance);
    // anywhere in the first half: it ends within the stretch
    *since = within * stretch + static_cast<uint32_t>((2u * drawn.level[1] + 1) * uint64_t{rule.readings} >> 17);
    return drawn.level[0] < rule.begins_below && *since >= CHAOS_NOT_BEFORE && step >= *since &&
           step < *since + rule.readings;
}

void Chaos::follow(const Settings& settings) {
    // a data collection teaches what wear looks like: nothing disturbs it
    rules_ = settings.mode == Mode::INFERENCE ? settings.chaos_rules : 0;
    for (int index = 0; index < rules_; ++index) {
        const ChaosRule& told = settings.chaos[index];
        // (level + 0.5) / 65536 < probability of an episode in a stretch
        const double below = ceil(told.probability * (2.0 * told.readings) * DRAW_LEVELS - 0.5);
        const uint32_t levels = below < DRAW_LEVELS ? static_cast<uint32_t>(below) : DRAW_LEVELS;
        rule_[index] = {told.disturbance, told.always(), levels, told.readings};
    }
}

int8_t Chaos::pass_over(Number (&channels)[CHANNELS], const NoiseKey& key, uint32_t step) const {
    int8_t disturbance = NONE;
    for (int index = 0; index < rules_; ++index) {
        const Rule& rule = rule_[index];
        uint32_t since = 0;  // what is on all the time has been since the life began
        if (!rule.always && !episode(rule, key, step, &since)) {
            continue;
        }
        const auto drawn = [&](Stream stream, uint32_t of_step) {
            return draw_at(key, stream, uint64_t{of_step} * EPISODE_KINDS + rule.disturbance);
        };
        Moment now = {channels, step - since, drawn(Stream::CHAOS_SIZE, since), drawn(Stream::CHAOS_STEP, step)};
        SCENARIOS[rule.disturbance](now);
        disturbance = static_cast<int8_t>(rule.disturbance);
    }
    return disturbance;
}

}  // namespace pdm
