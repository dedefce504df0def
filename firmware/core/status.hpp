// What a device tells of itself: retained on its status topic, and the last will that replaces it there.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "measured.hpp"
#include "provision.hpp"
#include "settings.hpp"

namespace pdm {

/// The texts belong to the caller and are never null.
struct Status {
    const char* device_id = "";
    bool online = true;             ///< false in the last will, which else tells what was so when the link was made
    const char* firmware = "";      ///< version, up to 32 characters
    Mode mode = Mode::INFERENCE;
    uint64_t uptime_s = 0;
    int64_t time_ms = UNKNOWN_MS;   ///< epoch ms; UNKNOWN_MS while the clock is not set
    uint32_t power_ups = 0;         ///< those that kept a reading, and this one
    uint64_t measurement_id = 0;    ///< of the newest reading
    uint32_t waiting = 0;           ///< readings that the broker does not have yet
    uint32_t dropped = 0;           ///< oldest readings that made room for newer ones
    uint32_t torn = 0;              ///< records in flash that a loss of power left unreadable
    uint32_t undated = 0;           ///< readings that could not be dated any more
    uint32_t skipped = 0;           ///< readings that were not taken in time
    uint32_t flash_failures = 0;    ///< calls of flash that failed
    uint32_t reconnects = 0;
    const char* link = "ok";        ///< or why the last connection ended or was refused, up to 64 characters
    Source sensors = Source::TWIN;
    Speed speed = Speed::NOMINAL;
    uint32_t generation = 0;        ///< how often the twin was repaired
    Faults sensor_faults[CHANNELS] = {};  ///< why a channel told nothing; of several causes the first is published
    uint8_t chaos = 0;              ///< see chaos_at_work
    const char* command = "ok";     ///< or what was wrong with the last command, up to ERROR_ROOM - 1 characters
};

/// Room for every status with its NUL, if the texts keep their lengths.
constexpr size_t STATUS_ROOM = 1536;

/// Returns the bytes, without the NUL behind them; 0 where it does not fit or the device id is not valid.
size_t encode(const Status& status, char* into, size_t room);

}  // namespace pdm
