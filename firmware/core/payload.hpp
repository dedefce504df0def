// A reading as the contract's JSON: byte for byte what the platform's own encoder makes of the same values.
#pragma once

#include <stddef.h>

#include "reading.hpp"

namespace pdm {

/// Room for every payload with its NUL.
constexpr size_t PAYLOAD_ROOM = 640;

/// Telemetry of a reading in inference mode, without any truth; Labelled of one in data collection mode. A channel that
/// is NaN, infinite or outside the contract's possible range is null: a broken sensor tells nothing.
/// Returns the bytes, without the NUL behind them; 0 where it does not fit and where the contract could not take the
/// reading: a device id or measurement_id outside the contract, a time since power-up or outside 1973 to 2262, an index
/// that has no name, a label whose health nobody knows or that lies outside 0 to 100 %.
size_t encode(const Reading& reading, const char* device_id, char* into, size_t room);

}  // namespace pdm
