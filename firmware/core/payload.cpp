#include "payload.hpp"

#include <math.h>
#include <string.h>

#include "json.hpp"
#include "parameters.hpp"
#include "topics.hpp"

namespace pdm {

namespace {

/// A range in whole numbers of its last digit.
struct Form {
    int64_t least, most;
    uint32_t unit;
    int digits;
};

constexpr Form form_of(const ChannelRange& range) {
    double unit = 1.0;
    for (int digit = 0; digit < range.decimals; ++digit) unit *= 10.0;
    const double half = range.possible_min < 0.0 ? -0.5 : 0.5;
    return {static_cast<int64_t>(range.possible_min * unit + half),
            static_cast<int64_t>(range.possible_max * unit + 0.5), static_cast<uint32_t>(unit), range.decimals};
}

struct Forms {
    Form channel[CHANNELS] = {};
    constexpr Forms() {
        for (int index = 0; index < CHANNELS; ++index) channel[index] = form_of(CHANNEL_RANGES[index]);
    }
};
constexpr Forms FORMS;
constexpr Form HEALTH = form_of({0.0, 100.0, 3});
constexpr double MS_PER_HOUR = 3600000.0, MAX_MILLIONTHS = 1e15;
// below it the contract takes a number for seconds; above, 64-bit nanoseconds end
constexpr int64_t EARLIEST_MS = 100000000000;
constexpr int64_t LATEST_MS = 9223372036854;

/// The value times 10^digits, rounded as numpy rounds: half to even of the product in doubles. Of a float, doubles hold
/// that product exactly; so do whole numbers, at a tenth of the cost where doubles are soft. False outside the range.
bool scaled_of(const Form& form, float value, int64_t& scaled) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    int shift = 150 - static_cast<int>(bits >> 23 & 0xFF);  // value = mantissa / 2^shift
    if (shift <= 0) return false;                            // 8,388,608 and more, infinite, NaN
    if (shift > 60) shift = 60;                              // nothing is left of it either
    const uint64_t product = uint64_t{(bits & 0x7FFFFF) | 0x800000} * form.unit;
    const uint64_t rest = product << (64 - shift), half = uint64_t{1} << 63;
    int64_t rounded = static_cast<int64_t>(product >> shift);
    if (rest > half || (rest == half && (rounded & 1) != 0)) ++rounded;
    if (bits >> 31 != 0) rounded = -rounded;
    if (rounded < form.least || rounded > form.most) return false;
    scaled = rounded;
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
    if (!scaled_of(HEALTH, reading.health_percent, health)) return false;
    if (reading.failure_mode >= FAILURE_MODES || reading.disturbance >= DISTURBANCES) return false;
    out.decimal("health_percent", health, HEALTH.digits);
    out.text("ground_truth", state_of(health));
    if (reading.failure_mode >= 0) out.text("failure_mode", FAILURE_MODE_NAMES[reading.failure_mode]);
    const double remaining_millionths = rint(static_cast<double>(reading.rul_ms) / MS_PER_HOUR * 1e6);
    if (reading.rul_ms >= 0 && remaining_millionths <= MAX_MILLIONTHS) {
        out.decimal("rul_hours", static_cast<int64_t>(remaining_millionths), 6);
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
        const Form& form = FORMS.channel[channel];
        int64_t scaled = 0;
        if (scaled_of(form, reading.channels[channel], scaled)) {
            out.decimal(CHANNEL_NAMES[channel], scaled, form.digits);
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
