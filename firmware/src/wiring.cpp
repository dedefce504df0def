#include "wiring.hpp"

#include <stdlib.h>
#include <string.h>

namespace pdm::board {
namespace {

enum class Kind : uint8_t { NUMBER, COUNT, TIME };

struct Form {
    const char* name;
    size_t offset;
    Kind kind;
};

#define PDM_FIELD(name, member, kind) {name, offsetof(Wiring, member), Kind::kind}
constexpr Form FORMS[WIRING_FIELDS] = {
    PDM_FIELD("accelerometer.rate_hz", accelerometer.rate_hz, NUMBER),
    PDM_FIELD("accelerometer.m_s2_per_count", accelerometer.m_s2_per_count, NUMBER),
    PDM_FIELD("accelerometer.full_scale", accelerometer.full_scale, COUNT),
    PDM_FIELD("clamp.rate_hz", clamp.rate_hz, NUMBER),
    PDM_FIELD("clamp.a_per_count", clamp.a_per_count, NUMBER),
    PDM_FIELD("clamp.noise_a", clamp.noise_a, NUMBER),
    PDM_FIELD("clamp.lowest", clamp.lowest, COUNT),
    PDM_FIELD("clamp.highest", clamp.highest, COUNT),
    PDM_FIELD("loop.at_4_ma", pressure.at_4_ma, NUMBER),
    PDM_FIELD("loop.at_20_ma", pressure.at_20_ma, NUMBER),
    PDM_FIELD("loop_ma.gain", loop_ma.gain, NUMBER),
    PDM_FIELD("loop_ma.offset", loop_ma.offset, NUMBER),
    PDM_FIELD("rtd_ohm.gain", rtd_ohm.gain, NUMBER),
    PDM_FIELD("rtd_ohm.offset", rtd_ohm.offset, NUMBER),
    PDM_FIELD("tacho.pulses_per_turn", tacho.pulses_per_turn, NUMBER),
    PDM_FIELD("tacho.max_rpm", tacho.max_rpm, NUMBER),
    PDM_FIELD("tacho.standstill_ms", tacho.standstill_ms, TIME),
};
#undef PDM_FIELD

constexpr double LARGEST_COUNT = 8388608.0;  // 2^23
constexpr double LARGEST_NUMBER = 1e9;

template <class Number>
Number member(const Wiring& wiring, const Form& form) {
    Number value;
    memcpy(&value, reinterpret_cast<const char*>(&wiring) + form.offset, sizeof value);
    return value;
}

template <class Number>
void set_member(Wiring& wiring, const Form& form, double value) {
    const Number as_kept = static_cast<Number>(value);
    memcpy(reinterpret_cast<char*>(&wiring) + form.offset, &as_kept, sizeof as_kept);
}

bool read_field(Fields& fields, const Form& form, Wiring& next) {
    char text[8];
    JsonValue value;
    if (!fields.value(value, text, sizeof text)) {
        return false;
    }
    const bool is_number = value.type == JsonType::NUMBER;
    const double number = value.number;
    if (form.kind == Kind::NUMBER) {
        if (!is_number || !(fabs(number) <= LARGEST_NUMBER)) {
            return fields.refuse(form.name, value, "is not a number from -1e9 to 1e9");
        }
        set_member<float>(next, form, number);
        return true;
    }
    const bool is_time = form.kind == Kind::TIME;
    if (!is_number || rint(number) != number || number < (is_time ? 0.0 : -LARGEST_COUNT) || number > LARGEST_COUNT) {
        return fields.refuse(form.name, value,
                             is_time ? "is not a whole number from 0 to 8388608"
                                     : "is not a whole number from -8388608 to 8388608");
    }
    if (is_time) {
        set_member<uint32_t>(next, form, number);
    } else {
        set_member<int32_t>(next, form, number);
    }
    return true;
}

bool parse(Fields& fields, Wiring& next) {
    const char* names[WIRING_FIELDS];
    for (int field = 0; field < WIRING_FIELDS; ++field) {
        names[field] = FORMS[field].name;
    }
    uint32_t seen = 0;
    int field;
    if (!fields.open()) {
        return false;
    }
    while ((field = fields.next(names, WIRING_FIELDS, seen)) >= 0) {
        if (!read_field(fields, FORMS[field], next)) {
            return false;
        }
    }
    if (field == Fields::REFUSED || !fields.close()) {
        return false;
    }
    return seen != 0 || fields.refuse("no field is given");
}

}  // namespace

const char* wiring_name(int field) { return FORMS[field].name; }

double wiring_value(const Wiring& wiring, int field) {
    const Form& form = FORMS[field];
    switch (form.kind) {
        case Kind::COUNT: return member<int32_t>(wiring, form);
        case Kind::TIME: return member<uint32_t>(wiring, form);
        default: return static_cast<double>(member<float>(wiring, form));
    }
}

bool parse_wiring(const char* text, size_t bytes, const Wiring& now, Wiring& next, char (&error)[ERROR_ROOM]) {
    next = now;
    if (bytes > MAX_WIRING_BYTES) {
        Text(error, sizeof error).add("a line of ").add(uint64_t{bytes}).add(" bytes is over 1024");
        return false;
    }
    Fields fields(text, bytes, error, sizeof error);
    if (parse(fields, next)) {
        return true;
    }
    next = now;
    return false;
}

const char* calibrate_by(const char* words, Wiring& wiring) {
    constexpr const char* FORM = "calibrate loop_ma|rtd_ohm READ TRUE READ TRUE";
    const bool is_loop = strncmp(words, "loop_ma ", 8) == 0;
    if (!is_loop && strncmp(words, "rtd_ohm ", 8) != 0) {
        return FORM;
    }
    const char* at = words + 8;
    float numbers[4];
    for (float& number : numbers) {
        char* end = nullptr;
        number = strtof(at, &end);
        if (end == at || (*end != ' ' && *end != '\0')) {
            return FORM;
        }
        at = end;
    }
    if (*at != '\0') {
        return FORM;
    }
    return calibrate(numbers[0], numbers[1], numbers[2], numbers[3], is_loop ? wiring.loop_ma : wiring.rtd_ohm);
}

}  // namespace pdm::board
