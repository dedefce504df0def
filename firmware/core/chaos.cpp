#include "chaos.hpp"

#include <math.h>

#include "parameters.hpp"
#include "physics.hpp"

namespace pdm {
namespace {

constexpr float SUCTION_BAR = 0.3f;

/// One reading within an episode; age: readings since it began.
struct Moment {
    float (&channels)[CHANNELS];
    uint32_t age;
    Levels of_episode, of_reading;
};

void heatwave(Moment& now) { now.channels[TEMPERATURE] += HEATWAVE_C; }

/// Impulses: single readings at 12 mm/s of total vibration, where it is not more already.
void mechanical_spike(Moment& now) {
    if (now.age > 0 && now.of_reading.uniform(0) >= SPIKE_SHARE) {
        return;
    }
    const float lift = fmaxf(SPIKE_MM_S / fmaxf(now.channels[VIBRATION_RMS], 1e-6f), 1.0f);
    for (int channel = VIBRATION_X; channel <= VIBRATION_RMS; ++channel) {
        now.channels[channel] *= lift;
    }
}

/// Vapour at the suction: less pressure, and unsteady; broadband vibration. Nothing in a pump that stands still.
void cavitation(Moment& now) {
    if (now.channels[RPM] <= 0.0f) {
        return;
    }
    const double strength = 0.7 + 0.6 * now.of_episode.uniform(0);
    const double loss = strength * (0.12 + 0.16 * now.of_reading.uniform(0));
    now.channels[PRESSURE] *= static_cast<float>(1.0 - loss);
    now.channels[CURRENT] *= static_cast<float>(1.0 - 0.5 * loss * now.of_reading.uniform(1));
    for (int axis = VIBRATION_X; axis <= VIBRATION_Z; ++axis) {
        const float broadband = static_cast<float>(strength * (1.2 + 1.6 * now.of_reading.uniform(2 + axis)));
        now.channels[axis] = sqrtf(now.channels[axis] * now.channels[axis] + broadband * broadband);
    }
    now.channels[VIBRATION_RMS] = total_rms(now.channels);
}

/// A motor at 78 to 88 % of its voltage: torque falls with its square, so slip and current rise; head follows the speed.
void voltage_drop(Moment& now) {
    const float voltage = static_cast<float>(0.78 + 0.10 * now.of_episode.uniform(0));
    const float before = now.channels[RPM];
    now.channels[CURRENT] /= voltage;
    if (before <= 0.0f) {
        return;
    }
    const float slower = float(SYNCHRONOUS_RPM) - (float(SYNCHRONOUS_RPM) - before) / (voltage * voltage);
    // a drive below synchronous speed slips from its own: the loss is the same in 1/min
    const float after = fmaxf(fminf(slower, before), before * 0.8f);
    const float ratio = after / fmaxf(before, 1.0f);
    now.channels[PRESSURE] = SUCTION_BAR + (now.channels[PRESSURE] - SUCTION_BAR) * ratio * ratio;
    now.channels[RPM] = after;
    now.channels[TEMPERATURE] += 5.0f * fminf(static_cast<float>(now.age) / 10.0f, 1.0f);
}

void sensor_freeze(Moment& now) {
    for (int channel = VIBRATION_X; channel <= VIBRATION_RMS; ++channel) {
        now.channels[channel] = 0.0f;
    }
}

using Scenario = void (*)(Moment&);
constexpr Scenario SCENARIOS[DISTURBANCES] = {heatwave, mechanical_spike, cavitation, voltage_drop, sensor_freeze};

/// First reading of the episode of this rule that `step` lies in; false where it lies in none.
bool episode(const ChaosRule& rule, const NoiseKey& key, uint32_t step, uint32_t* since) {
    const uint32_t stretch = 2 * rule.readings, within = step / stretch;
    const Levels drawn = draw_at(key, Stream::CHAOS, uint64_t{within} * EPISODE_KINDS + rule.disturbance);
    // anywhere in the first half: it ends within the stretch
    *since = within * stretch + static_cast<uint32_t>(drawn.uniform(1) * rule.readings);
    return drawn.uniform(0) < rule.probability * stretch && *since >= CHAOS_NOT_BEFORE && step >= *since &&
           step < *since + rule.readings;
}

}  // namespace

void Chaos::follow(const Settings& settings, uint32_t step) {
    // a data collection teaches what wear looks like: nothing disturbs it
    rules_ = settings.mode == Mode::INFERENCE ? settings.chaos_rules : 0;
    for (int index = 0; index < rules_; ++index) {
        rule_[index] = settings.chaos[index];
    }
    since_ = step;
}

void Chaos::pass_over(Reading& reading, const NoiseKey& key) const {
    for (int index = 0; index < rules_; ++index) {
        const ChaosRule& rule = rule_[index];
        uint32_t since = since_ < reading.life_step ? since_ : reading.life_step;
        if (!rule.always() && !episode(rule, key, reading.life_step, &since)) {
            continue;
        }
        const auto drawn = [&](Stream stream, uint32_t step) {
            return draw_at(key, stream, uint64_t{step} * EPISODE_KINDS + rule.disturbance);
        };
        Moment now = {reading.channels, reading.life_step - since, drawn(Stream::CHAOS_SIZE, since),
                      drawn(Stream::CHAOS_STEP, reading.life_step)};
        SCENARIOS[rule.disturbance](now);
        reading.disturbance = static_cast<int8_t>(rule.disturbance);
    }
}

}  // namespace pdm
