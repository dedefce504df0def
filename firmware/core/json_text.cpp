// Texts of JSON: escapes, and UTF-8 by the table of RFC 3629, section 4.
#include <string.h>

#include "json.hpp"

namespace pdm {

namespace {

size_t utf8_of(uint32_t code_point, char (&into)[4]) {
    size_t bytes = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t tail = bytes - 1; tail > 0; --tail) {
        into[tail] = static_cast<char>(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    constexpr uint32_t LEAD[] = {0, 0, 0xC0, 0xE0, 0xF0};
    into[0] = static_cast<char>(LEAD[bytes] | code_point);
    return bytes;
}

/// Bytes of the character that begins here; 0 where it is not UTF-8 (cut off, overlong, a surrogate, past U+10FFFF).
size_t utf8_bytes(const char* text, size_t left) {
    uint8_t lead = static_cast<uint8_t>(text[0]);
    if (lead < 0x80) return 1;
    if (lead < 0xC2 || lead > 0xF4) return 0;
    size_t bytes = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (bytes > left) return 0;
    uint8_t second = static_cast<uint8_t>(text[1]);
    if (lead == 0xE0 && second < 0xA0) return 0;
    if (lead == 0xED && second > 0x9F) return 0;
    if (lead == 0xF0 && second < 0x90) return 0;
    if (lead == 0xF4 && second > 0x8F) return 0;
    for (size_t tail = 1; tail < bytes; ++tail) {
        if ((static_cast<uint8_t>(text[tail]) & 0xC0) != 0x80) return 0;
    }
    return bytes;
}

}  // namespace

bool JsonReader::text(char* into, size_t room, size_t& decoded_bytes) {
    Text out(into, room);
    decoded_bytes = 0;
    ++at_;
    while (!take('"')) {
        if (at_ >= bytes_) return fail("a text has no end");
        if (!character(out, decoded_bytes)) return false;
    }
    return true;
}

bool JsonReader::character(Text& out, size_t& decoded_bytes) {
    if (static_cast<uint8_t>(text_[at_]) < 0x20) return fail("a control character stands in a text");
    if (take('\\')) {
        uint32_t code_point;
        char encoded[4];
        if (!escape(code_point)) return false;
        if (code_point == 0) return fail("a zero character stands in a text");
        size_t bytes = utf8_of(code_point, encoded);
        out.add(encoded, bytes);
        decoded_bytes += bytes;
        return true;
    }
    size_t bytes = utf8_bytes(text_ + at_, bytes_ - at_);
    if (bytes == 0) return fail("a text is not UTF-8");
    out.add(text_ + at_, bytes);
    decoded_bytes += bytes;
    at_ += bytes;
    return true;
}

bool JsonReader::escape(uint32_t& code_point) {
    constexpr char ESCAPES[] = "\"\\/bfnrt";
    constexpr char MEANINGS[] = "\"\\/\b\f\n\r\t";
    if (take('u')) {
        uint32_t low;
        if (!four_hex(code_point)) return false;
        if (code_point < 0xD800 || code_point > 0xDFFF) return true;
        if (code_point > 0xDBFF || !take('\\') || !take('u')) return fail("half a surrogate pair stands in a text");
        if (!four_hex(low)) return false;
        if (low < 0xDC00 || low > 0xDFFF) return fail("half a surrogate pair stands in a text");
        code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
        return true;
    }
    const char* found = at_ < bytes_ && text_[at_] != '\0' ? strchr(ESCAPES, text_[at_]) : nullptr;
    if (found == nullptr) return fail("a backslash stands before no escape");
    code_point = static_cast<uint32_t>(MEANINGS[found - ESCAPES]);
    ++at_;
    return true;
}

bool JsonReader::four_hex(uint32_t& unit) {
    unit = 0;
    for (int digit = 0; digit < 4; ++digit, ++at_) {
        char hex = at_ < bytes_ ? text_[at_] : ' ';
        uint32_t value = hex >= '0' && hex <= '9'   ? static_cast<uint32_t>(hex - '0')
                         : hex >= 'a' && hex <= 'f' ? static_cast<uint32_t>(hex - 'a' + 10)
                         : hex >= 'A' && hex <= 'F' ? static_cast<uint32_t>(hex - 'A' + 10)
                                                    : 16;
        if (value == 16) return fail("\\u stands before no four hex digits");
        unit = unit << 4 | value;
    }
    return true;
}

}  // namespace pdm
