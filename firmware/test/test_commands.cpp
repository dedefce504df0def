#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "commands.hpp"

using namespace pdm;

namespace {

ParseResult told(const std::string& text, const Settings& now = Settings()) {
    return parse_command(text.data(), text.size(), now);
}

Settings accepted(const std::string& text, const Settings& now = Settings()) {
    ParseResult result = told(text, now);
    REQUIRE_MESSAGE(result.outcome == Parsed::ACCEPTED, text << ": " << result.error);
    CHECK(result.error[0] == '\0');
    CHECK(valid(result.settings));
    return result.settings;
}

std::string refused(const std::string& text) {
    const Settings now = usual_settings();
    ParseResult result = told(text, now);
    CHECK_MESSAGE(result.outcome == Parsed::REFUSED, text);
    CHECK_MESSAGE(result.settings == now, text);
    CHECK_FALSE(result.repair);
    CHECK_FALSE(result.report);
    return result.error;
}

/// Tells every golden command below a folder, and returns how many there were.
int tell_golden(const char* folder, Parsed expected) {
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(std::string(PDM_GOLDEN_DIR) + "/" + folder)) {
        std::string name = entry.path().filename().string();
        if (name.rfind("device_command_", 0) != 0) continue;
        std::ifstream file(entry.path(), std::ios::binary);
        std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
        ParseResult result = told(text);
        CHECK_MESSAGE(result.outcome == expected, name << ": " << result.error);
        ++files;
    }
    return files;
}

}  // namespace

TEST_CASE("a command that the contract takes is obeyed") { CHECK(tell_golden("valid", Parsed::ACCEPTED) >= 5); }

TEST_CASE("a command that the contract refuses is refused") { CHECK(tell_golden("invalid", Parsed::REFUSED) >= 20); }

TEST_CASE("every field of a command reaches the settings") {
    ParseResult result = told(R"({"mode": "data_collection", "seed": 18446744073709551615, "number": 4294967295,
        "speed": "stress", "failure_mode": "plugged_suction", "wearing": false, "interval_s": 0.05,
        "repair_after_s": 12.3456, "chaos": [{"readings": 40, "probability": 0.011111111111111112, "name": "heatwave"},
        {"name": "sensor_freeze"}], "repair": true, "report": true})");
    const Settings& settings = result.settings;
    REQUIRE(result.outcome == Parsed::ACCEPTED);
    CHECK(settings.mode == Mode::DATA_COLLECTION);
    CHECK(settings.seed == UINT64_MAX);
    CHECK(settings.number == UINT32_MAX);
    CHECK(settings.speed == Speed::STRESS);
    CHECK(settings.failure_mode == 7);
    CHECK_FALSE(settings.wearing);
    CHECK(settings.interval_ms == 50);
    CHECK(settings.repair_after_ms == 12346);
    REQUIRE(settings.chaos_rules == 2);
    CHECK(settings.chaos[0].disturbance == 0);
    CHECK(settings.chaos[0].probability == 1.0 / 90.0);
    CHECK(settings.chaos[0].readings == 40);
    CHECK(settings.chaos[1].disturbance == 4);
    CHECK(settings.chaos[1].always());
    CHECK(result.repair);
    CHECK(result.report);
}

TEST_CASE("a field that is left out stays as it was") {
    Settings now = usual_settings();
    now.seed = 99;
    now.interval_ms = 500;
    now.failure_mode = 3;
    Settings expected = now;
    expected.mode = Mode::DATA_COLLECTION;
    CHECK(accepted(R"({"mode":"data_collection"})", now) == expected);
    CHECK(accepted(R"({"report":true})", now) == now);
    CHECK(accepted(R"({"repair":false})", now) == now);
}

TEST_CASE("null takes interval and repair back to the usual, drawn and in_turn the failure mode") {
    Settings now;
    now.interval_ms = 500;
    now.repair_after_ms = 1000;
    now.failure_mode = 3;
    Settings settings = accepted(R"({"interval_s":null,"repair_after_s":null,"failure_mode":"drawn"})", now);
    CHECK(settings.interval_ms == 0);
    CHECK(settings.repair_after_ms == UNKNOWN_MS);
    CHECK(settings.failure_mode == DRAWN);
    CHECK(accepted(R"({"failure_mode":"in_turn"})").failure_mode == IN_TURN);
}

TEST_CASE("an empty array switches all chaos off, and all five can be on") {
    CHECK(accepted(R"({"chaos":[]})", usual_settings()).chaos_rules == 0);
    CHECK(accepted(R"({"chaos":[{"name":"heatwave"},{"name":"mechanical_spike"},{"name":"cavitation"},
                      {"name":"voltage_drop"},{"name":"sensor_freeze"}]})").chaos_rules == 5);
}

TEST_CASE("no bytes at all are no command and no error") {
    ParseResult result = parse_command(nullptr, 0, usual_settings());
    CHECK(result.outcome == Parsed::EMPTY);
    CHECK(result.settings == usual_settings());
    CHECK(std::string(result.error) == "");
}

TEST_CASE("an error names the field, the value and the limit") {
    CHECK(refused(R"({"chaos":[{"name":"heatwave","probability":1.5,"readings":1}]})") ==
          "chaos[0].probability 1.5 is not above 0 and up to 1");
    CHECK(refused(R"({"chaos":[{"name":"heatwave"},{"name":"heatwave"}]})") ==
          "chaos[1].name \"heatwave\" stands twice");
    CHECK(refused(R"({"chaos":[{"name":"heatwave","readings":7}]})") == "chaos[0].readings stands without probability");
    CHECK(refused(R"({"chaos":[{"name":"heatwave","probability":1}]})") ==
          "chaos[0].probability stands without readings");
    CHECK(refused(R"({"chaos":[{}]})") == "chaos[0].name is missing");
    CHECK(refused(R"({"chaos":[{"name":"heatwave","chance":1}]})") == "chaos[0].field chance is not known");
    CHECK(refused(R"({"chaos":[{"name":"heatwave","name":"heatwave"}]})") == "chaos[0].name stands twice");
    CHECK(refused(R"({"chaos":{}})") == "chaos {...} is not an array of disturbances");
    CHECK(refused(R"({"chaos":["heatwave"]})") == "at byte 11: '{' is missing");
    CHECK(refused(R"({"speed":"fast"})") == "speed \"fast\" is not stress, accelerated or nominal");
    CHECK(refused(R"({"mode":[]})") == "mode [...] is not inference or data_collection");
    CHECK(refused(R"({"seed":1.0})") == "seed 1.0 is not a whole number from 0 to 18446744073709551615");
    CHECK(refused(R"({"interval_s":0.0499})") == "interval_s 0.0499 is not 0.05 to 3600, nor null");
    CHECK(refused(R"({"interval_s":1e999})") == "interval_s 1e999 is not 0.05 to 3600, nor null");
    CHECK(refused(R"({"wearing":null})") == "wearing null is not true or false");
    CHECK(refused(R"({"spead":"stress"})") == "field spead is not known");
    CHECK(refused(R"({"seed":1,"seed":1})") == "seed stands twice");
    CHECK(refused("{}") == "the command has no field");
    CHECK(refused(R"({"report":true} x)") == "at byte 17: more follows behind the object");
}

TEST_CASE("what comes late in a command undoes what came before it") {
    CHECK(refused(R"({"mode":"data_collection","repair":true,"chaos":[{"name":"cavitation"}],"speed":"x"})") != "");
    CHECK(refused(R"({"seed":12,"report":true)") != "");
}

TEST_CASE("an error shows only the beginning of a long value, and only printable ASCII") {
    CHECK(refused(R"({"mode":")" + std::string(200, 'x') + "\"}") ==
          "mode \"" + std::string(31, 'x') + "... is not inference or data_collection");
    CHECK(refused("{\"" + std::string(200, 'k') + "\":1}") == "field " + std::string(32, 'k') + "... is not known");
    CHECK(refused("{\"mode\":\"\xc3\xa9\\n\x7f\"}") == "mode \"??\\n?\" is not inference or data_collection");
    CHECK(refused("{\"\xc3\xa9\":1}") == "field ?? is not known");
}

TEST_CASE("the longest error fits into its room") {
    std::string longest = "\"" + std::string(100, 'x') + "\"";
    for (const std::string& text : {R"({"failure_mode":)" + longest + "}", R"({"chaos":[{"name":)" + longest + "}]}"}) {
        std::string error = refused(text);
        CHECK(error.size() < ERROR_ROOM - 1);
        CHECK(error.size() > 80);
    }
}

TEST_CASE("a command of more than 1024 bytes is refused, one of 1024 is not") {
    std::string text = R"({"report":true})";
    CHECK(refused(text + std::string(1025 - text.size(), ' ')) == "a command of 1025 bytes is over 1024");
    accepted(text + std::string(1024 - text.size(), ' '));
}

TEST_CASE("every beginning of a command is refused") {
    std::string text = R"({"mode":"inference","chaos":[{"name":"heatwave","probability":5e-1,"readings":1}]})";
    accepted(text);
    for (size_t bytes = 1; bytes < text.size(); ++bytes) CHECK(refused(text.substr(0, bytes)) != "");
}

TEST_CASE("the usual settings are valid and let a spike and a heatwave pass") {
    Settings usual = usual_settings();
    CHECK(valid(usual));
    CHECK(chaos_at_work(usual) == 0b00011);
    usual.mode = Mode::DATA_COLLECTION;
    CHECK(chaos_at_work(usual) == 0);
}

TEST_CASE("settings with one field out of its limits are not valid") {
    const Settings good = accepted(R"({"chaos":[{"name":"heatwave","probability":1,"readings":100000}]})");
    int checked = 0;
    auto spoil = [&](auto change) {
        Settings settings = good;
        change(settings);
        CHECK_FALSE(valid(settings));
        ++checked;
    };
    spoil([](Settings& s) { s.mode = static_cast<Mode>(2); });
    spoil([](Settings& s) { s.speed = static_cast<Speed>(3); });
    spoil([](Settings& s) { s.failure_mode = FAILURE_MODES; });
    spoil([](Settings& s) { s.failure_mode = -3; });
    spoil([](Settings& s) { std::memset(&s.wearing, 2, 1); });
    spoil([](Settings& s) { s.interval_ms = 49; });
    spoil([](Settings& s) { s.interval_ms = 3600001; });
    spoil([](Settings& s) { s.repair_after_ms = -2; });
    spoil([](Settings& s) { s.repair_after_ms = 1000000000001; });
    spoil([](Settings& s) { s.chaos_rules = 6; });
    spoil([](Settings& s) { s.chaos[0].disturbance = DISTURBANCES; });
    spoil([](Settings& s) { s.chaos[0].probability = 1.001; });
    spoil([](Settings& s) { s.chaos[0].probability = -0.1; });
    spoil([](Settings& s) { s.chaos[0].probability = __builtin_nan(""); });
    spoil([](Settings& s) { s.chaos[0].readings = 0; });
    spoil([](Settings& s) { s.chaos[0].readings = 100001; });
    spoil([](Settings& s) { s.chaos[s.chaos_rules++] = s.chaos[0]; });
    CHECK(checked == 17);
}
