#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "json.hpp"

using namespace pdm;

namespace {

/// The only value of a document, or the problem.
struct Read {
    JsonValue value;
    std::string text;
    std::string problem;
};

Read read(const std::string& document) {
    Read found;
    char text[64] = "";
    JsonReader reader(document.data(), document.size());
    if (reader.value(found.value, text, sizeof text)) reader.end();
    found.text = text;
    found.problem = reader.problem() == nullptr ? "" : reader.problem();
    return found;
}

double number(const std::string& text) {
    Read found = read(text);
    REQUIRE_MESSAGE(found.problem == "", text);
    REQUIRE(found.value.type == JsonType::NUMBER);
    return found.value.number;
}

std::string decimal(int64_t scaled, int digits) {
    char into[64];
    JsonWriter out(into, sizeof into);
    out.decimal("x", scaled, digits);
    REQUIRE(out.finish() > 0);
    std::string text = into;
    return text.substr(5, text.size() - 6);
}

/// Walks over an object of numbers and objects, as a caller would; "" or the problem.
std::string walk(const std::string& document) {
    JsonReader reader(document.data(), document.size());
    char key[8];
    JsonValue value;
    reader.enter('{');
    while (reader.next('}')) {
        if (!reader.key(key, sizeof key) || !reader.value(value, nullptr, 0)) break;
        if (value.type == JsonType::OBJECT) {
            reader.enter('{');
            if (reader.next('}')) return "a member where none was expected";
        }
    }
    reader.end();
    return reader.problem() == nullptr ? "" : reader.problem();
}

}  // namespace

TEST_CASE("a decimal is written in its shortest form") {
    CHECK(decimal(12000, 3) == "12.0");
    CHECK(decimal(700, 3) == "0.7");
    CHECK(decimal(3, 3) == "0.003");
    CHECK(decimal(0, 3) == "0.0");
    CHECK(decimal(-1100, 3) == "-1.1");
    CHECK(decimal(-725, 2) == "-7.25");
    CHECK(decimal(28510, 1) == "2851.0");
    CHECK(decimal(9, 6) == "9e-6");
    CHECK(decimal(10, 6) == "0.00001");
    CHECK(decimal(999999999999999, 6) == "999999999.999999");
}

TEST_CASE("what does not fit is no payload") {
    char into[32];
    for (size_t room = 0; room < sizeof into; ++room) {
        JsonWriter out(into, room);
        out.text("name", "value");
        size_t bytes = out.finish();
        CHECK(bytes == (room > 16 ? 16 : 0));
    }
}

TEST_CASE("whatever a text holds, what is written is ASCII and one text") {
    char into[64];
    JsonWriter out(into, sizeof into);
    out.text("x", "a\"b\\c\n\x7f\xc3\xa9");
    REQUIRE(out.finish() > 0);
    CHECK(std::string(into) == R"({"x":"a\"b\\c????"})");
}

TEST_CASE("a number is the nearest double, as strtod finds it") {
    for (const char* text : {"0", "-0", "1", "0.1", "1e9", "0.011111111111111112", "123456789012345678",
                             "9007199254740993", "9007199254740995", "1.7976931348623157", "0.3333333333333333",
                             "1E+3", "25e-1", "1e-27"}) {
        CHECK_MESSAGE(number(text) == std::strtod(text, nullptr), text);
    }
    std::mt19937_64 random(7);
    for (int round = 0; round < 200000; ++round) {
        double value = std::ldexp(static_cast<double>(random() >> 11), -53 - static_cast<int>(random() % 30));
        char text[64];
        std::snprintf(text, sizeof text, round % 2 == 0 ? "%.17g" : "%.16f", value);
        REQUIRE_MESSAGE(number(text) == std::strtod(text, nullptr), text);
    }
}

TEST_CASE("a number beyond 64 bits is infinite and one too small is nothing, never something in between") {
    CHECK(number("1e20") == HUGE_VAL);
    CHECK(number("-1e999") == -HUGE_VAL);
    CHECK(number("1e99999999999999999999") == HUGE_VAL);
    CHECK(number("1" + std::string(400, '0')) == HUGE_VAL);
    CHECK(number("1e-999") == 0.0);
    CHECK(number("0e999") == 0.0);
    CHECK(number("1e-30") == doctest::Approx(1e-30));
    CHECK(number("0." + std::string(300, '0') + "1") == doctest::Approx(1e-301));
}

TEST_CASE("a whole number of 64 bits is exact, and what is not written as one is none") {
    CHECK(read("18446744073709551615").value.integer == UINT64_MAX);
    CHECK(read("18446744073709551615").value.whole);
    for (const char* text : {"18446744073709551616", "28446744073709551615", "1.0", "1e3", "-1", "-0"}) {
        CHECK_FALSE_MESSAGE(read(text).value.whole, text);
    }
}

TEST_CASE("a text is unescaped into UTF-8") {
    CHECK(read(R"("a\"\\\/\b\f\n\r\t")").text == "a\"\\/\b\f\n\r\t");
    CHECK(read(R"("\u0041\u00e9\u20AC\ud83d\ude00")").text == "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    CHECK(read("\"\xc3\xa9\xf0\x9f\x98\x80\"").text == "\xc3\xa9\xf0\x9f\x98\x80");
}

TEST_CASE("a text that is longer than its buffer is cut and tells its length") {
    Read found = read("\"" + std::string(100, 'x') + "\"");
    CHECK(found.problem == "");
    CHECK(found.text == std::string(63, 'x'));
    CHECK(found.value.text_bytes == 100);
}

TEST_CASE("what is no JSON is a problem") {
    for (const char* text : {
             "", " ", "tru", "truely", "True", "nul", "NaN", "Infinity", "-", "+1", "01", "-01", "1.", ".5", "1e",
             "1e+", "0x10", "1_0", "'a'", "\"a", "\"\\", "\"\\u12", "\"\\q\"", "\"\\u00\"", "\"\\ud800\"",
             "\"\\ude00\"",
             "\"\\ud800\\u0041\"", "\"\\ud800x\"", "\"\\u0000\"", "\"\n\"", "\"\x1f\"", "\"\xff\"", "\"\xc3\"",
             "\"\xc0\x80\"", "\"\xe0\x80\x80\"", "\"\xed\xa0\x80\"", "\"\xf0\x80\x80\x80\"", "\"\xf4\x90\x80\x80\"",
             "\"\xf5\x80\x80\x80\"", "\xef\xbb\xbf" "1", "1 2", "1,", "1}", "\v1",
         }) {
        CHECK_MESSAGE(read(text).problem != "", text);
    }
    CHECK(read(std::string("1\0", 2)).problem != "");
    CHECK(read(std::string("\"a\0b\"", 5)).problem != "");
}

TEST_CASE("an object is walked through in order, and every flaw of it is a problem") {
    CHECK(walk("{}") == "");
    CHECK(walk(" \t\r\n{ \"a\" : 1 , \"b\" : {} , \"c\" : -2 } \n") == "");
    for (const char* text : {"{", "}", "[]", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1 \"b\":2}",
                             "{\"a\" 1}", "{a:1}", "{\"a\":1}}", "{\"a\":1}{}", "{\"a\":1]", "{\"a\":{}",
                             "{\"a\":{},}", "{1:2}",
                             "{\"a\":1,,\"b\":2}", "{\"a\":1"}) {
        CHECK_MESSAGE(walk(text) != "", text);
    }
}
