#include "twin.hpp"

#include <math.h>

#include "lifetimes.hpp"
#include "parameters.hpp"

namespace pdm {
namespace {

/// Wear that the last repair left of each mode.
void left_by_repair(const Who& who, bool wearing, double (&residual)[FAILURE_MODES]) {
    const double drawn = draw(who, Stream::REPAIR).uniform(0);
    const Levels spread = draw(who, Stream::REPAIR, 1);
    double worst = 0.0, greatest = 0.0;
    if (who.generation > 0 && wearing) {
        worst = WORST_REPAIR * fmax(1.5 * drawn - 0.5, 0.0);  // every third repair is perfect
    }
    for (int mode = 0; mode < FAILURE_MODES; ++mode) {
        greatest = fmax(greatest, spread.uniform(mode));
    }
    for (int mode = 0; mode < FAILURE_MODES; ++mode) {
        residual[mode] = worst * spread.uniform(mode) / greatest;
    }
}

int8_t ending_mode(const Settings& settings, uint32_t generation) {
    if (settings.failure_mode != IN_TURN) {
        return settings.failure_mode;
    }
    return static_cast<int8_t>((uint64_t{settings.number} + generation + settings.seed % FAILURE_MODES) % FAILURE_MODES);
}

}  // namespace

void Twin::start(const Settings& settings, const Place& place) {
    settings_ = settings;
    place_ = place;
    stood_still_ = 0;
    unit_ = build_unit(settings.seed, settings.number);
    live();
    chaos_.follow(settings);
}

void Twin::change(const Settings& settings) {
    if (fingerprint(settings) != fingerprint(settings_)) {
        start(settings);
        return;
    }
    settings_ = settings;
    chaos_.follow(settings);
}

void Twin::repair() {
    place_ = {place_.generation + 1, 0, UNKNOWN_MS};
    stood_still_ = 0;
    live();
}

/// Draw all that lasts for one life.
void Twin::live() {
    const Who who = {settings_.seed, settings_.number, place_.generation};
    const Lifetime life = draw_lifetime(who, settings_.speed, ending_mode(settings_, place_.generation));
    const Levels severity = draw(who, Stream::LIFE, 2), onset = draw(who, Stream::LIFE, 3);
    double residual[FAILURE_MODES];
    left_by_repair(who, settings_.wearing, residual);
    for (int mode = 0; mode < FAILURE_MODES; ++mode) {
        last_step_[mode] = settings_.wearing ? static_cast<float>(life.last_step[mode]) : HUGE_VALF;
        knots_per_step_[mode] =
            settings_.wearing ? static_cast<uint64_t>(BRIDGE_KNOTS / life.last_step[mode] * (int64_t{1} << 40)) : 0;
        severity_[mode] = Share(0.94 + 0.12 * severity.uniform(mode));
        onset_[mode] = Share(0.3 + 0.2 * onset.uniform(mode));
    }
    life_readings_ = settings_.wearing ? life.readings : NEVER;
    wear_.draw_paths(who, residual);
    key_ = noise_key(who);
    duty_.draw_segments(who, settings_.speed,
                        settings_.wearing ? life.readings : PACES[static_cast<int>(settings_.speed)].max_readings);
}

uint32_t Twin::interval_ms() const {
    return settings_.interval_ms > 0 ? settings_.interval_ms : PACES[static_cast<int>(settings_.speed)].interval_ms;
}

/// The greatest wear of the modes, the first mode that has it, and how much of its signature each shows.
float Twin::most_worn(int8_t* mode, Share (&seen)[FAILURE_MODES]) const {
    Share most(-1.0);
    for (int8_t index = 0; index < FAILURE_MODES; ++index) {
        const uint64_t place = knots_per_step_[index] * place_.step >> 16;
        const Share worn = wear_.near(index, Wear::Place::of_raw(static_cast<int64_t>(place)));
        seen[index] = shown(worn, severity_[index], onset_[index]);
        if (worn > most) {
            most = worn;
            *mode = index;
        }
    }
    return wear_.at(*mode, last_step_[*mode], static_cast<float>(place_.step));
}

bool Twin::measure(Reading& reading) {
    if (failed()) {
        const bool ever = settings_.repair_after_ms != UNKNOWN_MS;
        ++stood_still_;
        if (!ever || int64_t{stood_still_} * interval_ms() < settings_.repair_after_ms) {
            return false;
        }
        repair();
    }
    if (place_.generation > 0 && place_.step == 0 && reading.dated == Dated::WALL_CLOCK) {
        place_.last_maintenance_ms = reading.time_ms;
    }
    reading.pump = fingerprint(settings_);
    reading.life_step = place_.step;
    reading.generation = place_.generation;
    reading.last_maintenance_ms = place_.last_maintenance_ms;
    Share seen[FAILURE_MODES];
    Number normal[DRAWS], channels[CHANNELS];
    const float wear = most_worn(&reading.failure_mode, seen);
    reading.health_percent = static_cast<float>(100.0 * (1.0 - static_cast<double>(wear)));
    reading.rul_ms = settings_.wearing ? int64_t{life_readings_ - 1 - place_.step} * interval_ms() : UNKNOWN_MS;
    draw_normals(key_, place_.step, normal);
    read_channels(seen, unit_, duty_.at(place_.step), normal, channels);
    reading.disturbance = chaos_.pass_over(channels, key_, place_.step);
    for (int channel = 0; channel < CHANNELS; ++channel) {
        reading.channels[channel] = channels[channel].to_float();
    }
    reading.channels[RPM] *= static_cast<float>(SYNCHRONOUS_RPM);
    ++place_.step;
    return true;
}

}  // namespace pdm
