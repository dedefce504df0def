// How the sensors are wired and calibrated, as it is typed on the serial line. Knows no board: its tests run anywhere.
#pragma once

#include <stddef.h>

#include "fields.hpp"
#include "instruments.hpp"

namespace pdm::board {

constexpr size_t MAX_WIRING_BYTES = 1024;

/// The numbers of a Wiring by name: `accelerometer.rate_hz`, `loop.at_4_ma`, `loop_ma.gain` ...
constexpr int WIRING_FIELDS = 17;
const char* wiring_name(int field);
/// NaN where it was never set.
double wiring_value(const Wiring& wiring, int field);

/// Reads one JSON object, {"clamp.noise_a": 0.03, ...}, with at least one of the fields, and merges it over `now` into
/// `next`, another object. Where anything is refused `next` equals `now`, and `error` names field, value and limit.
/// Whether a sensor can work with the numbers is not judged here but by Instruments::start.
bool parse_wiring(const char* text, size_t bytes, const Wiring& now, Wiring& next, char (&error)[ERROR_ROOM]);

/// Calibrates by two points: `loop_ma` or `rtd_ohm`, then what was read and what is true, twice: "loop_ma 401 4 2003
/// 20". Returns nullptr, or what is wrong; `wiring` then stays as it was.
const char* calibrate_by(const char* words, Wiring& wiring);

}  // namespace pdm::board
