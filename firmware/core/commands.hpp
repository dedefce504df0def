// What the device is told while it runs: one JSON object, on its command topic or on the serial line.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fields.hpp"
#include "settings.hpp"

namespace pdm {

constexpr size_t MAX_COMMAND_BYTES = 1024;

/// EMPTY: no bytes at all, as of a retained command that was cleared. Nothing is to be done.
enum class Parsed : uint8_t { EMPTY, ACCEPTED, REFUSED };

struct ParseResult {
    Parsed outcome = Parsed::REFUSED;
    Settings settings;           ///< the new ones; where nothing was accepted, those of before
    bool repair = false;         ///< start a new life now
    bool report = false;         ///< publish the status now
    char error[ERROR_ROOM] = ""; ///< where refused: the field, the value and the limit, in printable ASCII
};

/// All of a command is accepted or nothing. Fields, at least one of them:
///   mode             "inference" or "data_collection"
///   seed             0 to 2^64 - 1
///   number           0 to 2^32 - 1
///   speed            "stress", "accelerated" or "nominal"
///   failure_mode     one of FAILURE_MODE_NAMES, "drawn" or "in_turn"
///   wearing          true or false
///   interval_s       0.05 to 3600, to the millisecond; null: the speed's own
///   repair_after_s   0 to 1e9, to the millisecond; null: a failed pump stands still
///   chaos            array of up to 5 {"name": one of DISTURBANCE_NAMES, "probability": above 0 and up to 1,
///                    "readings": 1 to 100000}, each name once; without the latter two it is on until switched off
///   repair, report   true: do it once
ParseResult parse_command(const char* text, size_t bytes, const Settings& now);

}  // namespace pdm
