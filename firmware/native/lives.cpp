#include "lives.hpp"

#include <cstdio>
#include <memory>
#include <stdexcept>

#include "payload.hpp"
#include "twin.hpp"

namespace pdm::native {

std::string device_id(const Options& options, uint32_t index) {
    char digits[16];
    std::snprintf(digits, sizeof digits, "%03u", index + 1);
    return options.prefix + digits;
}

/// measurement_id is the step of the life, as in the simulators' own campaigns.
void print_lives(const Options& options) {
    const auto twin = std::make_unique<Twin>();
    for (uint32_t index = 0; index < options.pumps; ++index) {
        Settings settings = options.settings;
        settings.number = options.first_number + index;
        settings.repair_after_ms = UNKNOWN_MS;
        twin->start(settings, {options.generation, 0, UNKNOWN_MS});
        const std::string name = device_id(options, index);
        const uint32_t most = options.readings.value_or(settings.wearing ? UINT32_MAX : 1000);
        Reading reading;
        for (uint32_t step = 0; step < most; ++step) {
            reading.measurement_id = step;
            reading.time_ms = options.start_ms + int64_t{step} * twin->interval_ms();
            reading.mode = settings.mode;
            if (!twin->measure(reading)) {
                break;
            }
            char payload[PAYLOAD_ROOM];
            const size_t bytes = encode(reading, name.c_str(), payload, sizeof payload);
            if (bytes == 0) {
                throw std::runtime_error("reading " + std::to_string(step) + " of " + name + " cannot be encoded");
            }
            std::fwrite(payload, 1, bytes, stdout);
            std::fputc('\n', stdout);
        }
    }
    if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
        throw std::runtime_error("not all could be written");
    }
}

}  // namespace pdm::native
