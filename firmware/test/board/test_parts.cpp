// Those parts of src/ that know no board.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "../../src/adxl355_fifo.hpp"
#include "../../src/led.hpp"
#include "../../src/line_reader.hpp"
#include "../../src/pulse_log.hpp"
#include "../../src/wiring.hpp"

using namespace pdm;
using namespace pdm::board;

namespace {

constexpr size_t ROOM = 17;
using Reader = LineReader<ROOM>;

/// What a reader makes of the bytes: lines, "<too long>" for one that did not fit.
std::vector<std::string> lines_of(const std::string& bytes) {
    Reader reader;
    std::vector<std::string> lines;
    for (const char byte : bytes) {
        const Reader::Came came = reader.take(byte);
        if (came == Reader::Came::LINE) {
            CHECK(std::strlen(reader.text()) == reader.size());
            lines.emplace_back(reader.text());
        } else if (came == Reader::Came::TOO_LONG) {
            lines.emplace_back("<too long>");
        }
    }
    return lines;
}
using Lines = std::vector<std::string>;

int blinks_of(Condition condition) {
    int blinks = 0;
    for (uint64_t ms = 1; ms <= 3000; ++ms) {
        blinks += is_lit(condition, ms) && !is_lit(condition, ms - 1);
    }
    return blinks;
}

constexpr uint8_t X = 1, EMPTY = 2;

struct Entry {
    uint8_t bytes[3];
};

Entry entry(int32_t count, uint8_t marks = 0) {
    const uint32_t bits = static_cast<uint32_t>(count) << 12;
    return {{static_cast<uint8_t>(bits >> 24), static_cast<uint8_t>(bits >> 16),
             static_cast<uint8_t>((bits >> 8 & 0xF0) | marks)}};
}

std::vector<std::vector<int32_t>> samples_of(Adxl355Fifo& fifo, const std::vector<Entry>& entries) {
    std::vector<std::vector<int32_t>> samples;
    for (const Entry& one : entries) {
        if (fifo.take(one.bytes)) {
            samples.push_back({fifo.counts()[0], fifo.counts()[1], fifo.counts()[2]});
        }
    }
    return samples;
}
using Samples = std::vector<std::vector<int32_t>>;

int64_t clock_us;
int64_t now_us() { return clock_us; }

std::vector<int64_t> pulses_of(PulseLog& log, bool whole = true) {
    std::vector<int64_t> pulses;
    CHECK(log.take(now_us, [&](int64_t at_us) { pulses.push_back(at_us); }) == whole);
    return pulses;
}

struct Told {
    bool accepted;
    Wiring wiring;
    std::string error;
};

Told told(const std::string& line, const Wiring& now = {}) {
    Told result = {};
    char error[ERROR_ROOM] = "";
    result.accepted = parse_wiring(line.data(), line.size(), now, result.wiring, error);
    result.error = error;
    return result;
}

}  // namespace

TEST_CASE("a line ends with CR, LF or both, and empty ones are passed over") {
    CHECK(lines_of("status\r\nhelp\n\n\rrestart\r") == Lines{"status", "help", "restart"});
}

TEST_CASE("a line that has not ended is no line yet") { CHECK(lines_of("status") == Lines{}); }

TEST_CASE("a line of just the room is taken, and one byte more is too long") {
    CHECK(lines_of(std::string(ROOM - 1, 'a') + "\n") == Lines{std::string(ROOM - 1, 'a')});
    CHECK(lines_of(std::string(ROOM, 'a') + "\nnext\n") == Lines{"<too long>", "next"});
}

TEST_CASE("a backspace takes back what was typed, and nothing before it") {
    CHECK(lines_of("\b\bhelpp\x7F\n") == Lines{"help"});
}

TEST_CASE("a line with control characters is noise and dropped, whatever its length") {
    CHECK(lines_of(std::string("sta\0tus\n", 8) + "\x1B[A\n" + std::string(99, '\x01') + "\nhelp\n") == Lines{"help"});
}

TEST_CASE("what is not ASCII stays: a network's name may have it") {
    CHECK(lines_of("K\xC3\xBC" "che\n") == Lines{"K\xC3\xBC" "che"});
}

TEST_CASE("each condition has a pattern of its own") {
    CHECK(blinks_of(Condition::FINE) == 1);
    CHECK(blinks_of(Condition::NO_WIFI) == 2);
    CHECK(blinks_of(Condition::NO_BROKER) == 3);
    CHECK(blinks_of(Condition::REFUSED) == 4);
    CHECK(blinks_of(Condition::CLOCK_NOT_SET) == 5);
    CHECK(blinks_of(Condition::FLASH_FAILED) == 15);
    CHECK(blinks_of(Condition::NOT_PROVISIONED) == 0);
    CHECK(is_lit(Condition::NOT_PROVISIONED, 0));
    CHECK(is_lit(Condition::NOT_PROVISIONED, 123456));
}

TEST_CASE("three entries of the accelerometer's FIFO make a sample, of either sign and at the ends of the range") {
    Adxl355Fifo fifo;
    CHECK(samples_of(fifo, {entry(1, X), entry(-2), entry(0), entry(524287, X), entry(-524288), entry(64000)}) ==
          Samples{{1, -2, 0}, {524287, -524288, 64000}});
    CHECK_FALSE(fifo.slipped());
}

TEST_CASE("a sample may be read in two pieces, with an empty FIFO between them") {
    Adxl355Fifo fifo;
    CHECK(samples_of(fifo, {entry(1, X), entry(2), entry(0, EMPTY)}) == Samples{});
    CHECK(samples_of(fifo, {entry(3)}) == Samples{{1, 2, 3}});
    CHECK_FALSE(fifo.slipped());
}

TEST_CASE("an axis that is missing is noticed once, and no sample has axes of two") {
    Adxl355Fifo fifo;
    CHECK(samples_of(fifo, {entry(1, X), entry(2), entry(4, X), entry(5), entry(6)}) == Samples{{4, 5, 6}});
    CHECK(fifo.slipped());
    CHECK_FALSE(fifo.slipped());
    CHECK(samples_of(fifo, {entry(8), entry(9), entry(10, X), entry(11), entry(12)}) == Samples{{10, 11, 12}});
    CHECK(fifo.slipped());
}

TEST_CASE("pulses come out once, in order and at their times, also where the lower half of the time has run over") {
    PulseLog log;
    clock_us = 0x200000010;
    for (const int64_t at_us : {int64_t{0x1FFFFFFF0}, int64_t{0x200000000}, int64_t{0x200000010}}) {
        log.note(static_cast<uint32_t>(at_us));
    }
    CHECK(pulses_of(log) == std::vector<int64_t>{0x1FFFFFFF0, 0x200000000, 0x200000010});
    CHECK(pulses_of(log).empty());
}

TEST_CASE("more pulses than there is room for are told as lost, and those after them count again") {
    PulseLog log;
    clock_us = 5000;
    for (uint32_t pulse = 0; pulse < PulseLog::ROOM; ++pulse) {
        log.note(pulse);
    }
    CHECK(pulses_of(log).size() == PulseLog::ROOM);
    for (uint32_t pulse = 0; pulse <= PulseLog::ROOM; ++pulse) {
        log.note(pulse);
    }
    CHECK(pulses_of(log, false).empty());
    log.note(4000);
    CHECK(pulses_of(log) == std::vector<int64_t>{4000});
}

TEST_CASE("pulses that overwrite others while they are read are told as lost") {
    PulseLog log;
    clock_us = 5000;
    for (uint32_t pulse = 0; pulse < PulseLog::ROOM; ++pulse) {
        log.note(pulse);
    }
    bool first = true;
    CHECK_FALSE(log.take(now_us, [&](int64_t) {
        if (first) {
            log.note(4000);
        }
        first = false;
    }));
}

TEST_CASE("wiring takes the fields that are told and leaves the others") {
    Wiring now;
    now.tacho = {1.0f, 3600.0f, 3000};
    const Told result = told(R"({"loop.at_4_ma": -1, "loop.at_20_ma": 10.5, "clamp.highest": 4095,
                                 "tacho.standstill_ms": 2000})", now);
    REQUIRE(result.accepted);
    CHECK(result.wiring.pressure.at_4_ma == -1.0f);
    CHECK(result.wiring.pressure.at_20_ma == 10.5f);
    CHECK(result.wiring.clamp.highest == 4095);
    CHECK(result.wiring.tacho.standstill_ms == 2000);
    CHECK(result.wiring.tacho.max_rpm == 3600.0f);
}

TEST_CASE("every field of the wiring can be told, and reads back as it was told") {
    for (int field = 0; field < WIRING_FIELDS; ++field) {
        const Told result = told("{\"" + std::string(wiring_name(field)) + "\": 1234}");
        REQUIRE_MESSAGE(result.accepted, result.error);
        for (int other = 0; other < WIRING_FIELDS; ++other) {
            const double before = wiring_value(Wiring{}, other), now = wiring_value(result.wiring, other);
            CHECK((other == field ? now == 1234.0 : now == before || (std::isnan(now) && std::isnan(before))));
        }
    }
}

TEST_CASE("wiring that cannot be is refused with field, value and limit, and changes nothing") {
    Wiring now;
    now.clamp.noise_a = 0.5f;
    const auto error_of = [&](const std::string& line) {
        const Told result = told(line, now);
        CHECK_FALSE(result.accepted);
        CHECK(result.wiring.clamp.noise_a == 0.5f);
        return result.error;
    };
    CHECK(error_of(R"({"clamp.noise_a": 0.1, "clamp.highest": 4095.5})") ==
          "clamp.highest 4095.5 is not a whole number from -8388608 to 8388608");
    CHECK(error_of(R"({"clamp.noise_a": 0.1, "tacho.standstill_ms": -1})") ==
          "tacho.standstill_ms -1 is not a whole number from 0 to 8388608");
    CHECK(error_of(R"({"clamp.noise_a": "0.1"})").find("clamp.noise_a") == 0);
    CHECK(error_of(R"({"clamp.noise_a": 1e300})") == "clamp.noise_a 1e300 is not a number from -1e9 to 1e9");
    CHECK(error_of(R"({"clamp.noise_a": null})").find("clamp.noise_a null") == 0);
    CHECK(error_of(R"({"clamp.gain": 1})").find("clamp.gain") != std::string::npos);
    CHECK(error_of("{}") == "no field is given");
    CHECK(error_of(R"({"clamp.noise_a": 0.1)") != "");
    CHECK(error_of(std::string(MAX_WIRING_BYTES + 1, ' ')) == "a line of 1025 bytes is over 1024");
}

TEST_CASE("two points calibrate the loop or the resistor") {
    Wiring wiring;
    REQUIRE(calibrate_by("loop_ma 401 4 2003 20", wiring) == nullptr);
    CHECK(wiring.loop_ma(401.0f) == doctest::Approx(4.0));
    CHECK(wiring.loop_ma(2003.0f) == doctest::Approx(20.0));
    REQUIRE(calibrate_by("rtd_ohm 7620  1000 9145 1.2e3", wiring) == nullptr);
    CHECK(wiring.rtd_ohm(9145.0f) == doctest::Approx(1200.0));
}

TEST_CASE("points that are no calibration are refused and change nothing") {
    for (const char* const words : {"", "loop_ma", "loop_ma ", "loop_ma 1 2 3", "loop_ma 1 2 3 4 5", "loop_ma 1 2 3 4x",
                                    "current 1 2 3 4", "loop_ma nan 4 2003 20", "loop_ma 400 4 401 20",
                                    "loop_ma 401 4 2003 4", "loop_ma a b c d"}) {
        Wiring wiring;
        CAPTURE(words);
        CHECK(calibrate_by(words, wiring) != nullptr);
        CHECK(wiring.loop_ma.gain == 1.0f);
        CHECK(wiring.loop_ma.offset == 0.0f);
    }
}
