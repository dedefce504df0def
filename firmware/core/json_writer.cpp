#include <string.h>

#include "json.hpp"

namespace pdm {

void JsonWriter::begin(const char* name) {
    if (!first_) out_.add(',');
    first_ = false;
    out_.add('"').add(name).add('"').add(':');  // no name has anything to escape
}

void JsonWriter::quoted(const char* value) {
    out_.add('"');
    escaped(value);
    out_.add('"');
}

void JsonWriter::escaped(const char* value) {
    for (; *value != '\0'; ++value) {
        if (*value == '"' || *value == '\\') out_.add('\\');
        out_.add(*value >= ' ' && *value <= '~' ? *value : '?');
    }
}

void JsonWriter::text(const char* name, const char* value) {
    begin(name);
    quoted(value);
}

void JsonWriter::whole(const char* name, uint64_t value) {
    begin(name);
    out_.add(value);
}

void JsonWriter::boolean(const char* name, bool value) {
    begin(name);
    out_.add(value ? "true" : "false");
}

void JsonWriter::null(const char* name) {
    begin(name);
    out_.add("null");
}

void JsonWriter::decimal(const char* name, int64_t scaled, int digits) {
    begin(name);
    if (scaled < 0) out_.add('-');
    uint64_t rest = static_cast<uint64_t>(scaled < 0 ? -scaled : scaled);
    if (digits == 6 && rest > 0 && rest < 10) {  // msgspec's shortest form below 0.00001
        out_.add(rest).add("e-6");
        return;
    }
    uint32_t unit = 1;
    for (int digit = 0; digit < digits; ++digit) unit *= 10;
    // a division of 64 bits costs a chip hundreds of instructions
    const uint64_t whole = rest > UINT32_MAX ? rest / unit : static_cast<uint32_t>(rest) / unit;
    uint32_t fraction = static_cast<uint32_t>(rest - whole * unit);
    out_.add(whole).add('.');
    do {
        unit /= 10;
        out_.add(static_cast<char>('0' + fraction / unit));
        fraction %= unit;
    } while (fraction != 0);
}

void JsonWriter::open_list(const char* name) {
    begin(name);
    out_.add('[');
    first_item_ = true;
}

void JsonWriter::item(const char* text, const char* second) {
    if (!first_item_) out_.add(',');
    first_item_ = false;
    out_.add('"');
    escaped(text);
    if (second != nullptr) {
        out_.add(':');
        escaped(second);
    }
    out_.add('"');
}

size_t JsonWriter::finish() {
    out_.add('}');
    return out_.cut() ? 0 : out_.size();
}

}  // namespace pdm
