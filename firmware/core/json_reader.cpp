#include <math.h>
#include <string.h>

#include "json.hpp"

namespace pdm {

namespace {

constexpr int MAX_DECIMALS = 27;   // 5^27 fits into 63 bits, so a remainder can be doubled
constexpr int FAR_EXPONENT = 400;  // beyond it there is only nothing and infinity

/// The double nearest to mantissa / 10^decimals, ties to even: a long division, bit by bit, because strtod belongs to a
/// locale and a product of rounded powers of ten is not always the nearest.
double divided(uint64_t mantissa, int decimals) {
    double rough = 1.0;
    for (; decimals > MAX_DECIMALS; --decimals) rough *= 10.0;
    uint64_t divisor = 1;
    for (int power = 0; power < decimals; ++power) divisor *= 5;
    uint64_t quotient = mantissa / divisor;
    uint64_t remainder = mantissa % divisor;
    int exponent = -decimals;
    while (quotient < 1ULL << 60 && (quotient > 0 || remainder > 0)) {
        remainder *= 2;
        quotient = quotient * 2 + (remainder >= divisor ? 1 : 0);
        if (remainder >= divisor) remainder -= divisor;
        --exponent;
    }
    if (remainder > 0) quotient |= 1;  // more than half is not half: the conversion below rounds by these last bits
    return ldexp(static_cast<double>(quotient), exponent) / rough;
}

double value_of(uint64_t mantissa, int exponent) {
    if (mantissa == 0 || exponent < -FAR_EXPONENT) return 0.0;
    for (; exponent > 0; --exponent) {
        if (mantissa > UINT64_MAX / 10) return HUGE_VAL;
        mantissa *= 10;
    }
    return divided(mantissa, -exponent);
}

/// The digits of a number as they come; those that no longer fit into 64 bits are only counted.
struct Digits {
    uint64_t mantissa = 0;
    int exponent = 0;
    bool full = false;

    void add(char character, bool behind_the_point) {
        uint64_t digit = static_cast<uint64_t>(character - '0');
        full = full || mantissa > (UINT64_MAX - digit) / 10;
        if (!full) mantissa = mantissa * 10 + digit;
        if (behind_the_point && !full) --exponent;
        if (!behind_the_point && full) ++exponent;
    }
};

}  // namespace

bool JsonReader::fail(const char* problem) {
    if (problem_ == nullptr) problem_ = problem;
    return false;
}

void JsonReader::skip_space() {
    while (at_ < bytes_ && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
}

bool JsonReader::take(char character) {
    if (at_ >= bytes_ || text_[at_] != character) return false;
    ++at_;
    return true;
}

bool JsonReader::enter(char bracket) {
    if (problem_ != nullptr) return false;
    skip_space();
    first_ = true;
    return take(bracket) || fail(bracket == '{' ? "'{' is missing" : "'[' is missing");
}

bool JsonReader::next(char bracket) {
    if (problem_ != nullptr) return false;
    skip_space();
    bool first = first_;
    first_ = false;  // also for the level to which the closing bracket leads back: this was one of its members
    if (take(bracket)) return false;
    if (first || take(',')) return true;
    return fail(bracket == '}' ? "',' or '}' is missing" : "',' or ']' is missing");
}

bool JsonReader::key(char* into, size_t room) {
    size_t bytes;
    if (problem_ != nullptr) return false;
    skip_space();
    if (at_ >= bytes_ || text_[at_] != '"') return fail("a field's name is missing");
    if (!text(into, room, bytes)) return false;
    skip_space();
    return take(':') || fail("':' is missing");
}

bool JsonReader::value(JsonValue& value, char* into, size_t room) {
    if (problem_ != nullptr) return false;
    skip_space();
    if (at_ >= bytes_) return fail("a value is missing");
    size_t from = at_;
    value = JsonValue();
    bool good = true;
    switch (text_[at_]) {
        case '{':
        case '[':
            value.type = text_[at_] == '{' ? JsonType::OBJECT : JsonType::ARRAY;
            value.raw = value.type == JsonType::OBJECT ? "{...}" : "[...]";
            value.raw_bytes = 5;
            return true;
        case '"':
            value.type = JsonType::TEXT;
            good = text(into, room, value.text_bytes);
            break;
        case 't':
        case 'f':
            value.type = JsonType::BOOLEAN;
            value.boolean = text_[at_] == 't';
            good = literal(value.boolean ? "true" : "false");
            break;
        case 'n': good = literal("null"); break;
        default: good = number(value);
    }
    value.raw = text_ + from;
    value.raw_bytes = at_ - from;
    return good;
}

bool JsonReader::end() {
    if (problem_ != nullptr) return false;
    skip_space();
    return at_ == bytes_ || fail("more follows behind the object");
}

bool JsonReader::literal(const char* word) {
    size_t bytes = strlen(word);
    if (bytes_ - at_ < bytes || memcmp(text_ + at_, word, bytes) != 0) return fail("this is no value");
    at_ += bytes;
    return true;
}

bool JsonReader::number(JsonValue& value) {
    Digits digits;
    bool negative = take('-');
    if (!at_digit()) return fail("this is no value");
    bool leading_zero = text_[at_] == '0';
    size_t whole_from = at_;
    while (at_digit()) digits.add(text_[at_++], false);
    if (leading_zero && at_ - whole_from > 1) return fail("a number begins with 0");
    bool plain = !negative && !digits.full;
    if (take('.')) {
        plain = false;
        if (!at_digit()) return fail("a digit is missing");
        while (at_digit()) digits.add(text_[at_++], true);
    }
    if (take('e') || take('E')) {
        plain = false;
        bool down = take('-');
        if (!down) take('+');
        if (!at_digit()) return fail("a digit is missing");
        int power = 0;
        while (at_digit()) {
            int digit = text_[at_++] - '0';
            if (power <= FAR_EXPONENT) power = power * 10 + digit;
        }
        digits.exponent += down ? -power : power;
    }
    value.type = JsonType::NUMBER;
    value.number = value_of(digits.mantissa, digits.exponent) * (negative ? -1.0 : 1.0);
    value.whole = plain;
    value.integer = digits.mantissa;
    return true;
}

}  // namespace pdm
