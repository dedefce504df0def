#include "payload.hpp"

#include <math.h>

#include "json.hpp"
#include "parameters.hpp"
#include "topics.hpp"

namespace pdm {

namespace {

constexpr ChannelRange HEALTH = {0.0, 100.0, 3};
constexpr ChannelRange REMAINING_HOURS = {0.0, 1e9, 6};
constexpr double MS_PER_HOUR = 3600000.0;
// below it the contract takes a number for seconds; above, 64-bit nanoseconds end
constexpr int64_t EARLIEST_MS = 100000000000;
constexpr int64_t LATEST_MS = 9223372036854;

/// The value times 10^decimals, rounded as numpy rounds: half to even of the product. False outside the range.
bool scaled_of(const ChannelRange& range, double value, int64_t& scaled) {
    double unit = 1.0;
    for (int digit = 0; digit < range.decimals; ++digit) unit *= 10.0;
    double rounded = rint(value * unit);
    // what is judged is what will be read; written so that NaN is outside
    if (!(rounded / unit >= range.possible_min && rounded / unit <= range.possible_max)) return false;
    scaled = static_cast<int64_t>(rounded);
    return true;
}

const char* state_of(int64_t health_thousandths) {
    if (health_thousandths > 75000) return "HEALTHY";
    if (health_thousandths > 35000) return "WARNING";
    return health_thousandths > 10000 ? "FAULTY" : "BROKEN";
}

bool sendable(const Reading& reading, const char* device_id) {
    return valid_device_id(device_id) && reading.measurement_id <= INT64_MAX && reading.dated == Dated::WALL_CLOCK &&
           reading.time_ms >= EARLIEST_MS && reading.time_ms <= LATEST_MS &&
           (reading.mode == Mode::INFERENCE || reading.mode == Mode::DATA_COLLECTION);
}

bool add_truth(const Reading& reading, JsonWriter& out) {
    int64_t health = 0;
    int64_t remaining = 0;
    if (!scaled_of(HEALTH, static_cast<double>(reading.health_percent), health)) return false;
    if (reading.failure_mode >= FAILURE_MODES || reading.disturbance >= DISTURBANCES) return false;
    out.decimal("health_percent", health, HEALTH.decimals);
    out.text("ground_truth", state_of(health));
    if (reading.failure_mode >= 0) out.text("failure_mode", FAILURE_MODE_NAMES[reading.failure_mode]);
    double remaining_hours = static_cast<double>(reading.rul_ms) / MS_PER_HOUR;
    if (reading.rul_ms >= 0 && scaled_of(REMAINING_HOURS, remaining_hours, remaining)) {
        out.decimal("rul_hours", remaining, REMAINING_HOURS.decimals);
    }
    if (reading.disturbance >= 0) out.text("disturbance", DISTURBANCE_NAMES[reading.disturbance]);
    return true;
}

}  // namespace

size_t encode(const Reading& reading, const char* device_id, char* into, size_t room) {
    if (!sendable(reading, device_id)) return 0;
    JsonWriter out(into, room);
    out.text("device_id", device_id);
    for (int channel = 0; channel < CHANNELS; ++channel) {
        const ChannelRange& range = CHANNEL_RANGES[channel];
        int64_t scaled = 0;
        if (scaled_of(range, static_cast<double>(reading.channels[channel]), scaled)) {
            out.decimal(CHANNEL_NAMES[channel], scaled, range.decimals);
        } else {
            out.null(CHANNEL_NAMES[channel]);
        }
    }
    out.whole("measurement_id", reading.measurement_id);
    out.whole("timestamp", static_cast<uint64_t>(reading.time_ms));
    if (reading.last_maintenance_ms >= 0) {
        out.whole("last_maintenance", static_cast<uint64_t>(reading.last_maintenance_ms));
    }
    if (reading.mode == Mode::DATA_COLLECTION && !add_truth(reading, out)) return 0;
    return out.finish();
}

}  // namespace pdm
