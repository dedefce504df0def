#include "settings.hpp"

#include <string.h>

namespace pdm {

const char* const SPEED_NAMES[SPEEDS] = {"stress", "accelerated", "nominal"};
const char* const MODE_NAMES[MODES] = {"inference", "data_collection"};

namespace {

constexpr uint8_t HEATWAVE = 0;
constexpr uint8_t MECHANICAL_SPIKE = 1;

// FNV-1a (Fowler, Noll, Vo), over bytes or words
constexpr uint32_t EMPTY_HASH = 2166136261u;
uint32_t with_word(uint32_t hash, uint32_t word) { return (hash ^ word) * 16777619u; }

bool valid(const ChaosRule& rule) {
    if (rule.disturbance >= DISTURBANCES) return false;
    if (rule.always()) return true;
    return rule.probability > 0.0 && rule.probability <= 1.0 && rule.readings >= 1 &&
           rule.readings <= MAX_EPISODE_READINGS;
}

bool valid_chaos(const Settings& settings) {
    uint32_t seen = 0;
    if (settings.chaos_rules > DISTURBANCES) return false;
    for (int index = 0; index < settings.chaos_rules; ++index) {
        const ChaosRule& rule = settings.chaos[index];
        if (!valid(rule) || (seen >> rule.disturbance & 1) != 0) return false;
        seen |= 1U << rule.disturbance;
    }
    return true;
}

}  // namespace

Settings usual_settings() {
    Settings settings;
    settings.chaos[0] = {MECHANICAL_SPIKE, 1.0 / 50.0, 1};
    settings.chaos[1] = {HEATWAVE, 1.0 / 90.0, 40};
    settings.chaos_rules = 2;
    return settings;
}

uint32_t number_of(const char* device_id) {
    uint32_t hash = EMPTY_HASH;
    for (; *device_id != '\0'; ++device_id) {
        hash = with_word(hash, static_cast<uint8_t>(*device_id));
    }
    return hash;
}

uint32_t fingerprint(const Settings& settings) {
    uint32_t hash = with_word(EMPTY_HASH, static_cast<uint32_t>(settings.seed));
    hash = with_word(with_word(hash, static_cast<uint32_t>(settings.seed >> 32)), settings.number);
    const uint32_t kind = static_cast<uint32_t>(settings.speed) << 16 | static_cast<uint32_t>(settings.wearing) << 8 |
                          static_cast<uint8_t>(settings.failure_mode);
    hash = with_word(hash, kind);
    return hash != 0 ? hash : 1;
}

bool valid(const Settings& settings) {
    uint8_t wearing;
    memcpy(&wearing, &settings.wearing, 1);  // read as a bool, another byte than 0 or 1 would be undefined behaviour
    return static_cast<int>(settings.mode) < MODES && static_cast<int>(settings.speed) < SPEEDS && wearing <= 1 &&
           settings.failure_mode >= IN_TURN && settings.failure_mode < FAILURE_MODES &&
           (settings.interval_ms == 0 ||
            (settings.interval_ms >= MIN_INTERVAL_MS && settings.interval_ms <= MAX_INTERVAL_MS)) &&
           settings.repair_after_ms >= UNKNOWN_MS && settings.repair_after_ms <= MAX_REPAIR_AFTER_MS &&
           valid_chaos(settings);
}

uint8_t chaos_at_work(const Settings& settings) {
    uint8_t bits = 0;
    if (settings.mode != Mode::INFERENCE) return bits;
    for (int index = 0; index < settings.chaos_rules; ++index) {
        bits = static_cast<uint8_t>(bits | 1U << settings.chaos[index].disturbance);
    }
    return bits;
}

bool operator==(const ChaosRule& one, const ChaosRule& other) {
    return one.disturbance == other.disturbance && one.probability == other.probability &&
           one.readings == other.readings;
}

bool operator==(const Settings& one, const Settings& other) {
    bool same = one.mode == other.mode && one.seed == other.seed && one.number == other.number &&
                one.speed == other.speed && one.failure_mode == other.failure_mode && one.wearing == other.wearing &&
                one.interval_ms == other.interval_ms && one.repair_after_ms == other.repair_after_ms &&
                one.chaos_rules == other.chaos_rules;
    for (int index = 0; same && index < one.chaos_rules; ++index) {
        same = one.chaos[index] == other.chaos[index];
    }
    return same;
}

}  // namespace pdm
