// Readings that tell by themselves whether they came back whole.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "outbox.hpp"

constexpr uint32_t sector_of_slots(uint32_t slots) {
    return 64 + 96 * slots;
}

inline uint32_t below(std::mt19937& random, uint32_t limit) {
    return static_cast<uint32_t>(random()) % limit;
}

inline pdm::Reading reading_of(uint64_t id) {
    pdm::Reading reading;
    reading.measurement_id = id;
    reading.time_ms = 1767225600000 + static_cast<int64_t>(id) * 1000;
    for (int i = 0; i < pdm::CHANNELS; ++i) {
        reading.channels[i] = static_cast<float>(id) + static_cast<float>(i) / 8.0f;
    }
    reading.life_step = static_cast<uint32_t>(id * 2654435761u);
    return reading;
}

inline bool is_as_put(const pdm::Reading& reading) {
    const pdm::Reading expected = reading_of(reading.measurement_id);
    return std::memcmp(&reading, &expected, sizeof reading) == 0;
}

inline std::vector<uint64_t> range(uint64_t from, uint64_t until) {
    std::vector<uint64_t> ids;
    for (uint64_t id = from; id < until; ++id) ids.push_back(id);
    return ids;
}

/// Returns whether all were stored.
inline bool put_range(pdm::Outbox& outbox, uint64_t from, uint64_t until) {
    bool stored = true;
    for (uint64_t id = from; id < until; ++id) stored = outbox.put(reading_of(id)) && stored;
    return stored;
}

/// Takes all that waits, a window at a time, and acknowledges it. Stops at a reading that is not as it was put, or
/// whose acknowledgement fails.
inline std::vector<uint64_t> drain(pdm::Outbox& outbox) {
    std::vector<uint64_t> ids;
    std::vector<uint32_t> tokens;
    pdm::Reading reading;
    uint32_t token = 0;
    do {
        tokens.clear();
        while (outbox.next(reading, token)) {
            if (!is_as_put(reading)) return ids;
            ids.push_back(reading.measurement_id);
            tokens.push_back(token);
        }
        for (const uint32_t each : tokens) {
            if (!outbox.acknowledge(each)) return ids;
        }
    } while (!tokens.empty());
    return ids;
}
