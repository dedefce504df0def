// Whatever comes on the command topic or the serial line: refused with a readable reason, or accepted and valid.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "commands.hpp"
#include "provision.hpp"

using namespace pdm;

namespace {

void require(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
}

void require_readable(const char (&error)[ERROR_ROOM], bool expected) {
    size_t size = strnlen(error, ERROR_ROOM);
    require(size < ERROR_ROOM, "an error text has an end");
    require((size > 0) == expected, "there is an error text exactly where something was refused");
    for (size_t at = 0; at < size; ++at) require(error[at] >= ' ' && error[at] <= '~', "an error text is ASCII");
}

std::string exact(double value) {
    char text[64];
    std::snprintf(text, sizeof text, "%.17g", value);
    return text;
}

std::string seconds(int64_t ms) { return std::to_string(ms / 1000) + "." + std::to_string(1000 + ms % 1000).substr(1); }

/// A command that asks for these very settings.
std::string command_for(const Settings& settings) {
    std::string mode = settings.failure_mode == DRAWN     ? "drawn"
                       : settings.failure_mode == IN_TURN ? "in_turn"
                                                          : FAILURE_MODE_NAMES[settings.failure_mode];
    std::string text = std::string("{\"mode\":\"") + MODE_NAMES[static_cast<int>(settings.mode)] +
                       "\",\"seed\":" + std::to_string(settings.seed) +
                       ",\"number\":" + std::to_string(settings.number) + ",\"speed\":\"" +
                       SPEED_NAMES[static_cast<int>(settings.speed)] + "\",\"failure_mode\":\"" + mode +
                       "\",\"wearing\":" + (settings.wearing ? "true" : "false") + ",\"interval_s\":" +
                       (settings.interval_ms == 0 ? "null" : seconds(settings.interval_ms)) + ",\"repair_after_s\":" +
                       (settings.repair_after_ms < 0 ? "null" : seconds(settings.repair_after_ms)) + ",\"chaos\":[";
    for (int index = 0; index < settings.chaos_rules; ++index) {
        const ChaosRule& rule = settings.chaos[index];
        text += std::string(index > 0 ? "," : "") + "{\"name\":\"" + DISTURBANCE_NAMES[rule.disturbance] + "\"";
        if (!rule.always()) {
            text += ",\"probability\":" + exact(rule.probability) + ",\"readings\":" + std::to_string(rule.readings);
        }
        text += "}";
    }
    return text + "]}";
}

/// A number of more than 27 decimals need not be read as the nearest double, and %.17g gives as many from here on.
bool has_tiny_probability(const Settings& settings) {
    bool found = false;
    for (int index = 0; index < settings.chaos_rules; ++index) {
        found |= !settings.chaos[index].always() && settings.chaos[index].probability < 1e-9;
    }
    return found;
}

void fuzz_command(const char* text, size_t bytes) {
    const Settings now = usual_settings();
    const ParseResult result = parse_command(text, bytes, now);
    const ParseResult again = parse_command(text, bytes, now);
    require_readable(result.error, result.outcome == Parsed::REFUSED);
    require(valid(result.settings), "settings are valid");
    require((result.outcome == Parsed::EMPTY) == (bytes == 0), "only nothing is empty");
    require(result.outcome == again.outcome && result.settings == again.settings && result.repair == again.repair &&
                result.report == again.report && std::strcmp(result.error, again.error) == 0,
            "the same command does the same");
    if (result.outcome != Parsed::ACCEPTED) {
        require(result.settings == now && !result.repair && !result.report, "what was not accepted changes nothing");
        return;
    }
    const std::string whole = command_for(result.settings);
    const ParseResult same = parse_command(whole.data(), whole.size(), Settings());
    require(same.outcome == Parsed::ACCEPTED, "settings can be told once more");
    require(same.settings == result.settings || has_tiny_probability(result.settings), "they are the same then");
}

void fuzz_provision(const char* text, size_t bytes) {
    static const Provision now;
    static Provision next, again;
    char error[ERROR_ROOM], same_error[ERROR_ROOM], missing[ERROR_ROOM];
    const bool good = parse_provision(text, bytes, now, next, error);
    require_readable(error, !good);
    require(valid(next), "what a device was told is valid");
    require(good || std::memcmp(&next, &now, sizeof now) == 0, "what was not accepted changes nothing");
    require_readable(missing, !complete(next, missing));
    require(parse_provision(text, bytes, now, again, same_error) == good && std::strcmp(error, same_error) == 0,
            "the same line does the same");
    require(std::strcmp(next.device_id, again.device_id) == 0 && std::strcmp(next.ca_pem, again.ca_pem) == 0 &&
                next.broker_port == again.broker_port && next.tls == again.tls && next.sensors == again.sensors,
            "the same line tells the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const char* text = reinterpret_cast<const char*>(data);
    fuzz_command(text, size);
    fuzz_provision(text, size);
    return 0;
}
