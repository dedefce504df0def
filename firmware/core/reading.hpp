// One reading of one pump: what is measured, stored while the broker is away, and sent.
#pragma once

#include <stdint.h>

namespace pdm {

/// The contract's channels, in its order: mm/s RMS (first four), degrees Celsius, bar, A, 1/min.
enum Channel : uint8_t {
    VIBRATION_X, VIBRATION_Y, VIBRATION_Z, VIBRATION_RMS, TEMPERATURE, PRESSURE, CURRENT, RPM, CHANNELS
};

/// What a device sends: raw readings to be predicted from, or readings with their ground truth to learn from.
enum class Mode : uint8_t { INFERENCE, DATA_COLLECTION };

constexpr int8_t NONE = -1;
constexpr int64_t UNKNOWN_MS = -1;

/// Where a reading's time comes from. A clock that was not set yet leaves milliseconds since power-up, to be dated once
/// it is, as long as the device stays powered.
enum class Dated : uint8_t { WALL_CLOCK, SINCE_POWER_UP };

/// Plain bytes of a fixed layout: the offline buffer keeps it in flash as it lies in memory.
struct Reading {
    uint64_t measurement_id = 0;
    int64_t time_ms = 0;                          ///< epoch ms, or ms since power-up, as `dated` says
    int64_t last_maintenance_ms = UNKNOWN_MS;     ///< epoch ms
    int64_t rul_ms = UNKNOWN_MS;                  ///< time to failure: only a twin knows it
    float channels[CHANNELS] = {};                ///< NaN where a sensor tells nothing
    float health_percent = -1.0f;                 ///< 100 new, 0 failed; -1 where nobody knows it
    uint32_t life_step = 0;                       ///< reading of the twin's present life
    uint32_t generation = 0;                      ///< how often the twin was repaired
    uint32_t power_up = 0;                        ///< counts the device's starts
    int8_t failure_mode = NONE;                   ///< what has worn most, index into FAILURE_MODE_NAMES
    int8_t disturbance = NONE;                    ///< what passes over the pump, index into DISTURBANCE_NAMES
    Mode mode = Mode::INFERENCE;
    Dated dated = Dated::WALL_CLOCK;
    uint32_t pump = 0;                            ///< which twin, see fingerprint; 0 for real sensors
};
static_assert(sizeof(Reading) == 88, "the layout in flash: raise Outbox's format version with it");

constexpr int FAILURE_MODES = 8;
constexpr int DISTURBANCES = 5;
extern const char* const CHANNEL_NAMES[CHANNELS];
extern const char* const FAILURE_MODE_NAMES[FAILURE_MODES];
extern const char* const DISTURBANCE_NAMES[DISTURBANCES];

}  // namespace pdm
