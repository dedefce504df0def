// What may be changed while the device runs, by a command.
#pragma once

#include <stdint.h>

#include "reading.hpp"

namespace pdm {

enum class Speed : uint8_t { STRESS, ACCELERATED, NOMINAL };
constexpr int SPEEDS = 3;
extern const char* const SPEED_NAMES[SPEEDS];
constexpr int MODES = 2;
extern const char* const MODE_NAMES[MODES];

/// A disturbance that begins with `probability` at each reading and lasts `readings`; within two durations it begins at
/// most once. A probability of 0 stands for: always, until it is switched off.
struct ChaosRule {
    uint8_t disturbance;
    double probability;
    uint32_t readings;

    bool always() const { return probability == 0.0; }
};
bool operator==(const ChaosRule& one, const ChaosRule& other);
constexpr uint32_t MAX_EPISODE_READINGS = 100000;
constexpr uint32_t MIN_INTERVAL_MS = 50;
constexpr uint32_t MAX_INTERVAL_MS = 3600000;
constexpr int64_t MAX_REPAIR_AFTER_MS = 1000000000000;

constexpr int8_t DRAWN = -1;    ///< the failure mode that ends a life is drawn by the law of competing risks
constexpr int8_t IN_TURN = -2;  ///< each in turn

struct Settings {
    Mode mode = Mode::INFERENCE;
    // the twin; changing any of these five starts another pump
    uint64_t seed = 7;
    uint32_t number = 0;       ///< names the pump within its seed
    Speed speed = Speed::NOMINAL;
    int8_t failure_mode = DRAWN;
    bool wearing = true;
    uint32_t interval_ms = 0;  ///< between readings; 0: the speed's own
    int64_t repair_after_ms = UNKNOWN_MS;  ///< a failed pump is repaired after so long; UNKNOWN_MS: it stands still
    // chaos: at work in inference mode only
    ChaosRule chaos[DISTURBANCES] = {};
    uint8_t chaos_rules = 0;
};
bool operator==(const Settings& one, const Settings& other);

/// What a device starts with: now and then a spike of vibration and a heatwave.
Settings usual_settings();
/// A number of its own for each device, so that a plant's twins are different pumps: FNV-1a of its id.
uint32_t number_of(const char* device_id);
/// Tells one twin from another: of the settings that make it. Never 0.
uint32_t fingerprint(const Settings& settings);
/// Whether every field is within its limits, as what was read back from flash need not be.
bool valid(const Settings& settings);
/// The disturbances that may pass over the pump now, one bit each, bit 0 for the first of DISTURBANCE_NAMES.
uint8_t chaos_at_work(const Settings& settings);

}  // namespace pdm
