#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "clock.hpp"

using pdm::UNKNOWN_MS;
using pdm::WallClock;

namespace {

constexpr int64_t NOON_MS = 1767268800000;  // 2026-01-01T12:00:00Z

}  // namespace

TEST_CASE("a clock that nobody has set tells no time") {
    WallClock clock;
    CHECK_FALSE(clock.is_set());
    CHECK(clock.at(1000) == UNKNOWN_MS);
    CHECK(clock.stamp(1000) == UNKNOWN_MS);
    CHECK(clock.date(1000) == UNKNOWN_MS);
}

TEST_CASE("a clock that is set stamps a reading with the time at which it was due") {
    WallClock clock;
    CHECK(clock.set(NOON_MS, 50000));
    CHECK(clock.is_set());
    CHECK(clock.at(50000) == NOON_MS);
    CHECK(clock.stamp(49000) == NOON_MS - 1000);
    CHECK(clock.stamp(50000) == NOON_MS);
    CHECK(clock.stamp(61000) == NOON_MS + 11000);
}

TEST_CASE("absurd times are refused and change nothing") {
    WallClock clock;
    for (const int64_t absurd : {int64_t{0}, int64_t{-1}, INT64_MIN, INT64_MAX, int64_t{1767268800},
                                 int64_t{1704067199999}, int64_t{4102444800000}}) {
        CHECK_FALSE(clock.set(absurd, 1000));
        CHECK_FALSE(clock.is_set());
    }
    CHECK(clock.set(NOON_MS, 1000));
    CHECK_FALSE(clock.set(0, 2000));
    CHECK(clock.at(3000) == NOON_MS + 2000);
    WallClock earliest, latest;
    CHECK(earliest.set(1704067200000, 0));
    CHECK(latest.set(4102444799999, 0));
}

TEST_CASE("after a step back, times still increase, and are right again once the clock has caught up") {
    WallClock clock;
    clock.set(NOON_MS, 0);
    CHECK(clock.stamp(10000) == NOON_MS + 10000);
    clock.set(NOON_MS + 7000, 10000);  // 3 s back
    CHECK(clock.stamp(11000) == NOON_MS + 10001);
    CHECK(clock.stamp(12000) == NOON_MS + 10002);
    CHECK(clock.stamp(14000) == NOON_MS + 11000);
}

TEST_CASE("after a step forward, times go by the new one") {
    WallClock clock;
    clock.set(NOON_MS, 0);
    clock.stamp(1000);
    clock.set(NOON_MS + 3600000, 1500);
    CHECK(clock.stamp(2000) == NOON_MS + 3600500);
}

TEST_CASE("readings taken before the clock was set are dated once it is") {
    WallClock clock;
    CHECK(clock.stamp(1000) == UNKNOWN_MS);
    CHECK(clock.stamp(2000) == UNKNOWN_MS);
    clock.set(NOON_MS, 2500);
    CHECK(clock.date(1000) == NOON_MS - 1500);
    CHECK(clock.date(2000) == NOON_MS - 500);
    CHECK(clock.stamp(2400) == NOON_MS - 100);
}

TEST_CASE("a dated reading that is sent again keeps its time, whatever the clock was told since") {
    WallClock clock;
    clock.stamp(1000);
    clock.set(NOON_MS, 2000);
    const int64_t first = clock.date(1000);
    clock.set(NOON_MS - 60000, 3000);
    clock.set(NOON_MS + 60000, 4000);
    CHECK(clock.date(1000) == first);
}

TEST_CASE("however the clock steps, no two readings share a time and dated ones come first, in order") {
    for (uint32_t seed = 0; seed < 200; ++seed) {
        std::mt19937 random(seed);
        WallClock clock;
        const int64_t earlier_ms = NOON_MS - 200000 + static_cast<int64_t>(random() % 450000);
        if (seed % 2) clock.resume_after(earlier_ms);
        std::vector<uint64_t> undated;
        uint64_t uptime_ms = random() % 5000;
        for (uint64_t i = random() % 20; i > 0; --i) {
            CHECK(clock.stamp(uptime_ms) == UNKNOWN_MS);
            undated.push_back(uptime_ms);
            uptime_ms += 1 + random() % 2000;
        }
        // of epoch over uptime; it wanders less than MAX_AHEAD_MS back
        int64_t offset_ms = NOON_MS + static_cast<int64_t>(random() % 1000);
        clock.set(offset_ms + static_cast<int64_t>(uptime_ms), uptime_ms);
        std::vector<int64_t> stamps;
        for (int i = 0; i < 100; ++i) {
            if (random() % 5 == 0) {
                offset_ms += static_cast<int64_t>(random() % 15000) - 8000;
                clock.set(offset_ms + static_cast<int64_t>(uptime_ms), uptime_ms);
            }
            stamps.push_back(clock.stamp(uptime_ms));
            uptime_ms += 1 + random() % 2000;
        }
        std::vector<int64_t> times;
        if (seed % 2) times.push_back(earlier_ms);
        for (const uint64_t each : undated) times.push_back(clock.date(each));
        times.insert(times.end(), stamps.begin(), stamps.end());
        for (size_t i = 1; i < times.size(); ++i) REQUIRE(times[i] > times[i - 1]);
    }
}

TEST_CASE("the times of a power-up come after those of the one before, although the clock then was ahead") {
    WallClock clock;
    clock.resume_after(NOON_MS + 2000);
    clock.stamp(500);
    clock.set(NOON_MS + 1000, 1000);
    CHECK(clock.date(500) == NOON_MS + 2501);
    CHECK(clock.stamp(1500) == NOON_MS + 2502);
    CHECK(clock.stamp(9000) == NOON_MS + 9000);
}

TEST_CASE("setting the clock right does away with times that a wrong one has set far ahead, as a restart does") {
    WallClock clock;
    clock.set(NOON_MS + 86400000, 0);
    const int64_t wrong_ms = clock.stamp(1000);
    clock.set(NOON_MS, 1000);
    CHECK(clock.stamp(2000) == NOON_MS + 1000);

    WallClock restarted;
    restarted.resume_after(wrong_ms);
    restarted.set(NOON_MS + 5000, 1000);
    CHECK(restarted.stamp(2000) == NOON_MS + 6000);
}

TEST_CASE("an absurd time of an earlier reading is not obeyed") {
    for (const int64_t absurd : {UNKNOWN_MS, INT64_MIN, INT64_MAX, int64_t{1000}}) {
        WallClock clock;
        clock.resume_after(absurd);
        clock.set(NOON_MS, 1000);
        CHECK(clock.stamp(2000) == NOON_MS + 1000);
    }
}
