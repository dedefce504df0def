#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <string>

#include "parameters.hpp"
#include "payload.hpp"
#include "topics.hpp"

using namespace pdm;

namespace {

std::string golden(const std::string& name) {
    std::ifstream file(std::string(PDM_GOLDEN_DIR) + "/valid/" + name, std::ios::binary);
    REQUIRE_MESSAGE(file, name);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// The values of valid/telemetry_compact.json.
Reading reading() {
    Reading made;
    const float values[] = {12.0f, 0.7f, 0.003f, 12.02f, -7.25f, NAN, 7.83f, 2851.0f};
    std::memcpy(made.channels, values, sizeof values);
    made.measurement_id = 41;
    made.time_ms = 1767225600123;
    made.last_maintenance_ms = 1762155000000;
    return made;
}

/// The values of valid/labelled_compact.json.
Reading labelled() {
    Reading made = reading();
    made.mode = Mode::DATA_COLLECTION;
    made.health_percent = 35.0f;
    made.rul_ms = 7;
    made.failure_mode = 0;
    made.disturbance = 0;
    return made;
}

std::string encoded(const Reading& reading, const char* device_id = "pump-001") {
    char into[PAYLOAD_ROOM];
    size_t bytes = encode(reading, device_id, into, sizeof into);
    return {into, bytes};
}

std::string value_of(const std::string& payload, const std::string& field) {
    size_t from = payload.find("\"" + field + "\":");
    if (from == std::string::npos) return "";
    from += field.size() + 3;
    return payload.substr(from, payload.find_first_of(",}", from) - from);
}

std::string written(Channel channel, float value) {
    const char* names[] = {"vibration_x", "vibration_y", "vibration_z", "vibration_rms",
                           "temperature", "pressure",    "current",     "rpm"};
    Reading made = reading();
    made.channels[channel] = value;
    return value_of(encoded(made), names[channel]);
}

std::string state_at(float health_percent) {
    Reading made = labelled();
    made.health_percent = health_percent;
    return value_of(encoded(made), "ground_truth");
}

std::string topic(Topic kind, const char* root = "factory", const char* device_id = "pump-001") {
    char into[TOPIC_ROOM];
    size_t bytes = topic_of(kind, root, device_id, into, sizeof into);
    return {into, bytes};
}

}  // namespace

TEST_CASE("telemetry is byte for byte what the platform's own encoder writes") {
    CHECK(encoded(reading()) == golden("telemetry_compact.json"));
}

TEST_CASE("a labelled reading is byte for byte what the platform's own encoder writes") {
    CHECK(encoded(labelled()) == golden("labelled_compact.json"));
}

TEST_CASE("telemetry tells no truth, also where the reading holds it") {
    Reading made = labelled();
    made.mode = Mode::INFERENCE;
    CHECK(encoded(made) == golden("telemetry_compact.json"));
}

TEST_CASE("what nobody knows is left out") {
    Reading made = reading();
    made.last_maintenance_ms = UNKNOWN_MS;
    CHECK(encoded(made).find("last_maintenance") == std::string::npos);
    made = labelled();
    made.rul_ms = UNKNOWN_MS;
    made.failure_mode = NONE;
    made.disturbance = NONE;
    std::string payload = encoded(made);
    CHECK(payload.substr(payload.find("\"health_percent\"")) == R"("health_percent":35.0,"ground_truth":"FAULTY"})");
}

TEST_CASE("a channel that cannot be a measurement is null") {
    CHECK(written(RPM, NAN) == "null");
    CHECK(written(RPM, std::numeric_limits<float>::infinity()) == "null");
    CHECK(written(CURRENT, -std::numeric_limits<float>::infinity()) == "null");
    CHECK(written(VIBRATION_Z, 3e38f) == "null");
    CHECK(written(VIBRATION_X, 1000.01f) == "null");
    CHECK(written(VIBRATION_X, -0.01f) == "null");
    CHECK(written(TEMPERATURE, 400.02f) == "null");
    CHECK(written(TEMPERATURE, -60.02f) == "null");
    CHECK(written(PRESSURE, -1.102f) == "null");
    CHECK(written(CURRENT, 5000.01f) == "null");
    CHECK(written(RPM, 100000.1f) == "null");
}

TEST_CASE("the limits themselves are measurements") {
    CHECK(written(VIBRATION_RMS, 1000.0f) == "1000.0");
    CHECK(written(TEMPERATURE, 400.0f) == "400.0");
    CHECK(written(TEMPERATURE, -60.0f) == "-60.0");
    CHECK(written(PRESSURE, -1.1f) == "-1.1");
    CHECK(written(CURRENT, 5000.0f) == "5000.0");
    CHECK(written(RPM, 100000.0f) == "100000.0");
}

TEST_CASE("minus zero is never written") {
    CHECK(written(VIBRATION_X, -0.0f) == "0.0");
    CHECK(written(VIBRATION_X, -0.0004f) == "0.0");
    CHECK(written(TEMPERATURE, -0.004f) == "0.0");
}

TEST_CASE("a half is rounded to even") {
    CHECK(written(RPM, 0.25f) == "0.2");
    CHECK(written(RPM, 0.75f) == "0.8");
    CHECK(written(TEMPERATURE, -0.125f) == "-0.12");
    CHECK(written(PRESSURE, 0.0625f) == "0.062");
}

TEST_CASE("a channel is rounded as doubles round its product, and is null where the contract's range ends") {
    std::mt19937 random{1};
    for (int round = 0; round < 300000; ++round) {
        const Channel channel = static_cast<Channel>(random() % CHANNELS);
        const ChannelRange& range = CHANNEL_RANGES[channel];
        // any bits at all, or what lies about halfway between two digits
        const double unit = std::pow(10.0, range.decimals);
        const uint32_t bits = static_cast<uint32_t>(random());
        float value;
        std::memcpy(&value, &bits, sizeof value);
        if (round % 2 == 0) value = static_cast<float>((static_cast<double>(random() % 2000000) - 100000.5) / unit);
        const double rounded = std::rint(static_cast<double>(value) * unit);
        const std::string payload = written(channel, value);
        if (rounded / unit >= range.possible_min && rounded / unit <= range.possible_max) {
            REQUIRE(std::stod(payload) == rounded / unit);
        } else {
            REQUIRE(payload == "null");
        }
    }
}

TEST_CASE("the state follows from the health as it is written, and a bound belongs to the worse state") {
    CHECK(state_at(100.0f) == "\"HEALTHY\"");
    CHECK(state_at(75.001f) == "\"HEALTHY\"");
    CHECK(state_at(75.0004f) == "\"WARNING\"");
    CHECK(state_at(35.001f) == "\"WARNING\"");
    CHECK(state_at(35.0f) == "\"FAULTY\"");
    CHECK(state_at(10.001f) == "\"FAULTY\"");
    CHECK(state_at(10.0f) == "\"BROKEN\"");
    CHECK(state_at(0.0f) == "\"BROKEN\"");
}

TEST_CASE("a reading that the contract could not take is refused") {
    Reading made = reading();
    const std::string too_long(65, 'x');
    for (const char* id : {"", "pump 1", "pump/1", "p\xc3\xbcmp", too_long.c_str()}) {
        CHECK_MESSAGE(encoded(made, id) == "", id);
    }
    made.dated = Dated::SINCE_POWER_UP;
    CHECK(encoded(made) == "");
    made = reading();
    const int64_t impossible_ms[] = {-1, 0, 99999999999, 9223372036855, INT64_MAX, INT64_MIN};
    for (int64_t time_ms : impossible_ms) {
        made.time_ms = time_ms;
        CHECK_MESSAGE(encoded(made) == "", time_ms);
    }
    made = reading();
    made.measurement_id = 1ULL << 63;
    CHECK(encoded(made) == "");
    made = reading();
    made.mode = static_cast<Mode>(2);
    CHECK(encoded(made) == "");
}

TEST_CASE("a label without a health within 0 to 100 % or with an index that has no name is refused") {
    for (float health : {-1.0f, 100.01f, NAN, HUGE_VALF}) {
        Reading made = labelled();
        made.health_percent = health;
        CHECK_MESSAGE(encoded(made) == "", health);
    }
    Reading made = labelled();
    made.failure_mode = FAILURE_MODES;
    CHECK(encoded(made) == "");
    made = labelled();
    made.disturbance = DISTURBANCES;
    CHECK(encoded(made) == "");
}

TEST_CASE("the longest payload fits, and one that does not fit is refused") {
    Reading made = labelled();
    for (float& channel : made.channels) channel = 123.456f;
    made.channels[TEMPERATURE] = -12.34f;
    made.channels[CURRENT] = 1234.567f;
    made.channels[RPM] = 99999.9f;
    made.measurement_id = INT64_MAX;
    made.last_maintenance_ms = INT64_MAX;
    made.health_percent = 12.345f;
    made.rul_ms = 3599999999999999;
    made.failure_mode = 6;
    made.disturbance = 1;
    std::string id(MAX_DEVICE_ID, 'x');
    std::string payload = encoded(made, id.c_str());
    REQUIRE(payload.size() > 450);
    CHECK(value_of(payload, "rul_hours") == "1000000000.0");
    std::string room(payload.size() + 1, '\0');
    CHECK(encode(made, id.c_str(), &room[0], payload.size() + 1) == payload.size());
    for (size_t bytes = 0; bytes <= payload.size(); ++bytes) {
        REQUIRE(encode(made, id.c_str(), &room[0], bytes) == 0);
    }
}

TEST_CASE("topics are those of the contract") {
    CHECK(topic(Topic::TELEMETRY) == "factory/pumps/pump-001/telemetry");
    CHECK(topic(Topic::TRAINING_DATA) == "factory/training/pump-001/training_data");
    CHECK(topic(Topic::STATUS, "plant/north") == "plant/north/pumps/pump-001/status");
    CHECK(topic(Topic::COMMAND, "f", "A.b_c-9") == "f/pumps/A.b_c-9/command");
}

TEST_CASE("the longest topic fits, and one that does not fit or cannot be is refused") {
    std::string root(MAX_ROOT, 'r');
    std::string id(MAX_DEVICE_ID, 'd');
    std::string longest = topic(Topic::TRAINING_DATA, root.c_str(), id.c_str());
    CHECK(longest.size() == root.size() + id.size() + 24);
    char into[TOPIC_ROOM];
    CHECK(topic_of(Topic::TRAINING_DATA, root.c_str(), id.c_str(), into, longest.size()) == 0);
    CHECK(topic(Topic::STATUS, (root + "r").c_str()) == "");
    CHECK(topic(Topic::STATUS, "factory", (id + "d").c_str()) == "");
    for (const char* bad : {"", "/", "/a", "a/", "a//b", "a b", "a+", "#", "a\n"}) {
        CHECK_MESSAGE(topic(Topic::STATUS, bad) == "", bad);
    }
    for (const char* bad : {"", "a/b", "a b", "+", "#", "a\n"}) {
        CHECK_MESSAGE(topic(Topic::STATUS, "factory", bad) == "", bad);
    }
}

TEST_CASE("a client id is one that every broker takes, and no service's") {
    char id[CLIENT_ID_ROOM];
    client_id_of("north.pump-07_a", id);
    CHECK(std::string(id) == "device-north__pump-07_a");
    client_id_of(std::string(MAX_DEVICE_ID, '.').c_str(), id);
    CHECK(std::string(id).size() == CLIENT_ID_ROOM - 1);
}
