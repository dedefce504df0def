#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "status.hpp"

using namespace pdm;

namespace {

/// The values of valid/device_status_full.json.
Status status() {
    Status made;
    made.device_id = "pump-001";
    made.firmware = "1.0.0";
    made.uptime_s = 86400;
    made.time_ms = 1767225600123;
    made.power_ups = 3;
    made.measurement_id = 41;
    made.waiting = 2;
    made.dropped = 1;
    made.undated = 4;
    made.skipped = 5;
    made.reconnects = 6;
    made.generation = 1;
    made.chaos = 0b00011;
    made.command = "speed \"fast\" is not stress, accelerated or nominal";
    return made;
}

std::string encoded(const Status& status) {
    char into[STATUS_ROOM];
    size_t bytes = encode(status, into, sizeof into);
    return {into, bytes};
}

}  // namespace

TEST_CASE("a status is byte for byte what the contract's encoder writes") {
    std::ifstream file(std::string(PDM_GOLDEN_DIR) + "/valid/device_status_full.json", std::ios::binary);
    REQUIRE(file);
    std::string golden((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    CHECK(encoded(status()) == golden);
}

TEST_CASE("the last will is the same, but not online") {
    Status will = status();
    will.online = false;
    std::string expected = encoded(status());
    expected.replace(expected.find("\"online\":true"), 13, "\"online\":false");
    CHECK(encoded(will) == expected);
}

TEST_CASE("a clock that is not set gives no time") {
    Status unset = status();
    unset.time_ms = UNKNOWN_MS;
    std::string payload = encoded(unset);
    CHECK(payload.find("timestamp") == std::string::npos);
    CHECK(payload.find("\"clock_set\":false") != std::string::npos);
}

TEST_CASE("the longest status fits its room, and one that does not fit is refused") {
    std::string id(MAX_DEVICE_ID, 'x'), firmware(32, '"'), link(64, '"'), command(ERROR_ROOM - 1, '"');
    Status longest = status();
    longest.device_id = id.c_str();
    longest.online = false;
    longest.firmware = firmware.c_str();
    longest.mode = Mode::DATA_COLLECTION;
    longest.uptime_s = longest.measurement_id = UINT64_MAX;
    longest.time_ms = INT64_MAX;
    longest.power_ups = longest.waiting = longest.dropped = longest.torn = longest.undated = UINT32_MAX;
    longest.skipped = longest.reconnects = longest.generation = UINT32_MAX;
    longest.link = link.c_str();
    longest.speed = Speed::ACCELERATED;
    longest.chaos = 0b11111;
    longest.flash_failures = UINT32_MAX;
    for (Faults& faults : longest.sensor_faults) faults = bit(Fault::NOT_CONFIGURED);
    longest.command = command.c_str();
    std::string payload = encoded(longest);
    MESSAGE("the longest status has " << payload.size() << " bytes");
    CHECK(payload.size() > 900);
    std::string room(payload.size(), '\0');
    CHECK(encode(longest, &room[0], payload.size()) == 0);
}

TEST_CASE("a device id outside the contract has no status") {
    Status nameless = status();
    nameless.device_id = "";
    CHECK(encoded(nameless) == "");
}
