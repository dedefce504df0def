#include "commands.hpp"

#include <math.h>
#include <string.h>

namespace pdm {

namespace {

enum Field { MODE, SEED, NUMBER, SPEED, FAILURE_MODE, WEARING, INTERVAL, REPAIR_AFTER, CHAOS, REPAIR, REPORT, FIELDS };
constexpr const char* NAMES[FIELDS] = {"mode",       "seed",           "number", "speed",  "failure_mode", "wearing",
                                       "interval_s", "repair_after_s", "chaos",  "repair", "report"};
enum RuleField { NAME, PROBABILITY, READINGS, RULE_FIELDS };
constexpr const char* RULE_NAMES[RULE_FIELDS] = {"name", "probability", "readings"};

constexpr const char* TRUE_OR_FALSE = "is not true or false";
constexpr const char* A_FAILURE_MODE = "is no failure mode of the contract, nor drawn, nor in_turn";
constexpr const char* A_DISTURBANCE = "is not heatwave, mechanical_spike, cavitation, voltage_drop or sensor_freeze";

/// Reads the fields one after the other into settings that count only once all of them are good.
class Command {
  public:
    Command(const char* text, size_t bytes, ParseResult& result)
        : fields_(text, bytes, result.error, sizeof result.error), result_(result), settings_(result.settings) {}

    bool parse();

  private:
    bool read(int field);
    bool read_value(int field, const char* name);
    bool set(int field, const char* name, const JsonValue& value, const char* text);
    bool set_failure_mode(const char* name, const JsonValue& value, const char* text);
    bool set_flag(const char* name, const JsonValue& value, bool& into);
    bool set_interval(const char* name, const JsonValue& value);
    bool set_repair_after(const char* name, const JsonValue& value);
    bool read_chaos();
    bool read_rule(uint32_t& seen_disturbances);
    bool set_of_rule(int field, ChaosRule& rule, uint32_t& seen_disturbances);

    Fields fields_;
    ParseResult& result_;
    Settings& settings_;
};

int index_of(const JsonValue& value, const char* text, const char* const* names, int count) {
    for (int index = 0; value.type == JsonType::TEXT && index < count; ++index) {
        if (strcmp(text, names[index]) == 0) return index;
    }
    return -1;
}

bool within(const JsonValue& value, double least, double most) {
    return value.type == JsonType::NUMBER && value.number >= least && value.number <= most;
}

bool Command::parse() {
    uint32_t seen = 0;
    if (!fields_.open()) return false;
    int field;
    while ((field = fields_.next(NAMES, FIELDS, seen)) >= 0) {
        if (!(field == CHAOS ? read_chaos() : read(field))) return false;
    }
    if (field == Fields::REFUSED || !fields_.close()) return false;
    return seen != 0 || fields_.refuse("the command has no field");
}

bool Command::read(int field) {
    char text[32];  // longer than every name that is looked for
    JsonValue value;
    const char* name = NAMES[field];
    if (!fields_.value(value, text, sizeof text)) return false;
    switch (field) {
        case FAILURE_MODE: return set_failure_mode(name, value, text);
        case WEARING: return set_flag(name, value, settings_.wearing);
        case INTERVAL: return set_interval(name, value);
        case REPAIR_AFTER: return set_repair_after(name, value);
        case REPAIR: return set_flag(name, value, result_.repair);
        case REPORT: return set_flag(name, value, result_.report);
        default: return set(field, name, value, text);
    }
}

bool Command::set(int field, const char* name, const JsonValue& value, const char* text) {
    bool whole = value.type == JsonType::NUMBER && value.whole;
    if (field == SEED) {
        if (!whole) return fields_.refuse(name, value, "is not a whole number from 0 to 18446744073709551615");
        settings_.seed = value.integer;
        return true;
    }
    if (field == NUMBER) {
        if (!whole || value.integer > UINT32_MAX) {
            return fields_.refuse(name, value, "is not a whole number from 0 to 4294967295");
        }
        settings_.number = static_cast<uint32_t>(value.integer);
        return true;
    }
    int index = index_of(value, text, field == MODE ? MODE_NAMES : SPEED_NAMES, field == MODE ? MODES : SPEEDS);
    if (index < 0) {
        return fields_.refuse(name, value,
                              field == MODE ? "is not inference or data_collection"
                                            : "is not stress, accelerated or nominal");
    }
    if (field == MODE) {
        settings_.mode = static_cast<Mode>(index);
    } else {
        settings_.speed = static_cast<Speed>(index);
    }
    return true;
}

bool Command::set_failure_mode(const char* name, const JsonValue& value, const char* text) {
    constexpr const char* WAYS[] = {"drawn", "in_turn"};
    int index = index_of(value, text, FAILURE_MODE_NAMES, FAILURE_MODES);
    if (index < 0) {
        int way = index_of(value, text, WAYS, 2);
        if (way < 0) return fields_.refuse(name, value, A_FAILURE_MODE);
        index = way == 0 ? DRAWN : IN_TURN;
    }
    settings_.failure_mode = static_cast<int8_t>(index);
    return true;
}

bool Command::set_flag(const char* name, const JsonValue& value, bool& into) {
    if (value.type != JsonType::BOOLEAN) return fields_.refuse(name, value, TRUE_OR_FALSE);
    into = value.boolean;
    return true;
}

bool Command::set_interval(const char* name, const JsonValue& value) {
    if (value.type == JsonType::EMPTY) {
        settings_.interval_ms = 0;
        return true;
    }
    if (!within(value, MIN_INTERVAL_MS / 1000.0, MAX_INTERVAL_MS / 1000.0)) return fields_.refuse(name, value, "is not 0.05 to 3600, nor null");
    settings_.interval_ms = static_cast<uint32_t>(rint(value.number * 1000.0));
    return true;
}

bool Command::set_repair_after(const char* name, const JsonValue& value) {
    if (value.type == JsonType::EMPTY) {
        settings_.repair_after_ms = UNKNOWN_MS;
        return true;
    }
    if (!within(value, 0.0, MAX_REPAIR_AFTER_MS / 1000.0)) return fields_.refuse(name, value, "is not 0 to 1e9, nor null");
    settings_.repair_after_ms = static_cast<int64_t>(rint(value.number * 1000.0));
    return true;
}

bool Command::read_chaos() {
    JsonValue value;
    uint32_t seen_disturbances = 0;
    if (!fields_.value(value, nullptr, 0)) return false;
    if (value.type != JsonType::ARRAY) return fields_.refuse(NAMES[CHAOS], value, "is not an array of disturbances");
    settings_.chaos_rules = 0;
    if (!fields_.open_list(NAMES[CHAOS])) return false;
    while (fields_.next_of_list()) {
        if (!read_rule(seen_disturbances)) return false;
        ++settings_.chaos_rules;  // never past the array: each has a name, and no name stands twice
    }
    return !fields_.refused();
}

bool Command::read_rule(uint32_t& seen_disturbances) {
    ChaosRule rule = {0, 0.0, 0};
    uint32_t seen = 0;
    int field;
    while ((field = fields_.next(RULE_NAMES, RULE_FIELDS, seen)) >= 0) {
        if (!set_of_rule(field, rule, seen_disturbances)) return false;
    }
    if (field == Fields::REFUSED) return false;
    if ((seen >> NAME & 1) == 0) return fields_.refuse("name is missing");
    if ((seen >> PROBABILITY & 1) != (seen >> READINGS & 1)) {
        return fields_.refuse((seen >> READINGS & 1) == 0 ? "probability stands without readings"
                                                          : "readings stands without probability");
    }
    settings_.chaos[settings_.chaos_rules] = rule;
    return true;
}

bool Command::set_of_rule(int field, ChaosRule& rule, uint32_t& seen_disturbances) {
    char text[32];
    JsonValue value;
    const char* name = RULE_NAMES[field];
    if (!fields_.value(value, text, sizeof text)) return false;
    if (field == NAME) {
        int index = index_of(value, text, DISTURBANCE_NAMES, DISTURBANCES);
        if (index < 0) return fields_.refuse(name, value, A_DISTURBANCE);
        if ((seen_disturbances >> index & 1) != 0) return fields_.refuse(name, value, "stands twice");
        seen_disturbances |= 1U << index;
        rule.disturbance = static_cast<uint8_t>(index);
        return true;
    }
    if (field == PROBABILITY) {
        if (!within(value, 0.0, 1.0) || value.number == 0.0) {
            return fields_.refuse(name, value, "is not above 0 and up to 1");
        }
        rule.probability = value.number;
        return true;
    }
    if (value.type != JsonType::NUMBER || !value.whole || value.integer < 1 || value.integer > MAX_EPISODE_READINGS) {
        return fields_.refuse(name, value, "is not a whole number from 1 to 100000");
    }
    rule.readings = static_cast<uint32_t>(value.integer);
    return true;
}

}  // namespace

ParseResult parse_command(const char* text, size_t bytes, const Settings& now) {
    ParseResult result;
    result.settings = now;
    if (bytes == 0) {
        result.outcome = Parsed::EMPTY;
        return result;
    }
    if (bytes > MAX_COMMAND_BYTES) {
        Text(result.error, sizeof result.error).add("a command of ").add(uint64_t{bytes}).add(" bytes is over 1024");
        return result;
    }
    if (Command(text, bytes, result).parse()) {
        result.outcome = Parsed::ACCEPTED;
        return result;
    }
    result.settings = now;
    result.repair = result.report = false;
    return result;
}

}  // namespace pdm
