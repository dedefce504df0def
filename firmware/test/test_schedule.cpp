#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "schedule.hpp"

using pdm::Due;
using pdm::Schedule;

namespace {

/// The schedule's next reading, to be checked for when it was due and what was missed before it.
Due taken(Schedule& schedule, uint64_t now_ms) {
    Due due = {UINT64_MAX, UINT64_MAX};
    CHECK(schedule.take(now_ms, due));
    return due;
}

bool is_due(Schedule& schedule, uint64_t now_ms) {
    Due due;
    return schedule.take(now_ms, due);
}

}  // namespace

TEST_CASE("readings are due at start plus k intervals, however late each is taken") {
    Schedule schedule;
    REQUIRE(schedule.start(5000, 1000));
    CHECK_FALSE(is_due(schedule, 4999));
    const uint64_t late_ms[] = {0, 300, 999, 1, 500};
    for (uint64_t k = 0; k < 5; ++k) {
        CHECK(schedule.next_ms() == 5000 + k * 1000);
        const Due due = taken(schedule, 5000 + k * 1000 + late_ms[k]);
        CHECK(due.uptime_ms == 5000 + k * 1000);
        CHECK(due.missed == 0);
        CHECK_FALSE(is_due(schedule, 5000 + k * 1000 + late_ms[k]));
    }
    CHECK(schedule.skipped() == 0);
}

TEST_CASE("missed intervals are skipped and counted, and no burst follows") {
    Schedule schedule;
    schedule.start(0, 1000);
    taken(schedule, 0);
    const Due due = taken(schedule, 7400);
    CHECK(due.uptime_ms == 7000);
    CHECK(due.missed == 6);
    CHECK(schedule.skipped() == 6);
    CHECK_FALSE(is_due(schedule, 7400));
    CHECK(taken(schedule, 8000).missed == 0);
    CHECK(taken(schedule, 8000 + 86400000ull * 365).missed == 86400ull * 365 - 1);
}

TEST_CASE("exactly one interval late is a missed reading, a millisecond less is not") {
    Schedule schedule;
    schedule.start(0, 1000);
    CHECK(taken(schedule, 999).missed == 0);
    CHECK(taken(schedule, 2000).missed == 1);
}

TEST_CASE("nothing is due before the start, and an interval of 0 is refused") {
    Schedule schedule;
    CHECK_FALSE(is_due(schedule, UINT64_MAX - 1));
    CHECK_FALSE(schedule.start(0, 0));
    CHECK_FALSE(schedule.change_interval(1000, 0));
    CHECK_FALSE(is_due(schedule, 1000));
    REQUIRE(schedule.start(0, 1000));
    CHECK_FALSE(schedule.change_interval(0, 500));
    taken(schedule, 0);
    CHECK(schedule.next_ms() == 1000);
}

TEST_CASE("a longer interval counts from the last reading") {
    Schedule schedule;
    schedule.start(0, 1000);
    taken(schedule, 0);
    REQUIRE(schedule.change_interval(10000, 400));
    CHECK(schedule.next_ms() == 10000);
    CHECK(taken(schedule, 10000).missed == 0);
    CHECK(schedule.next_ms() == 20000);
}

TEST_CASE("a shorter interval brings one reading now, no burst and no gap") {
    Schedule schedule;
    schedule.start(0, 10000);
    taken(schedule, 0);
    REQUIRE(schedule.change_interval(1000, 9500));
    const Due due = taken(schedule, 9500);
    CHECK(due.uptime_ms == 9500);
    CHECK(due.missed == 0);
    CHECK_FALSE(is_due(schedule, 10499));
    CHECK(taken(schedule, 10500).missed == 0);
    CHECK(schedule.skipped() == 0);
}

TEST_CASE("a change of interval does not hide what was missed before it") {
    Schedule schedule;
    schedule.start(0, 1000);
    taken(schedule, 0);
    REQUIRE(schedule.change_interval(60000, 4700));
    const Due due = taken(schedule, 4700);
    CHECK(due.uptime_ms == 4700);
    CHECK(due.missed == 3);
    CHECK(schedule.skipped() == 3);
    CHECK(taken(schedule, 64700).missed == 0);
}

TEST_CASE("a change before the first reading does not move it") {
    Schedule schedule;
    schedule.start(5000, 1000);
    REQUIRE(schedule.change_interval(60000, 2000));
    CHECK(schedule.next_ms() == 5000);
}

TEST_CASE("whatever the delays and changes, times increase, and readings and gaps add up to the intervals gone") {
    for (uint32_t seed = 0; seed < 100; ++seed) {
        std::mt19937 random(seed);
        Schedule schedule;
        const uint32_t interval_ms = 1 + static_cast<uint32_t>(random()) % 3000;
        schedule.start(1000, interval_ms);
        uint64_t now_ms = 0;
        uint64_t last_ms = 0;
        uint64_t numbered = 0;
        for (int i = 0; i < 2000; ++i) {
            now_ms += random() % (random() % 50 ? interval_ms : interval_ms * 20);
            const bool changes = seed % 2 && random() % 20 == 0;
            if (changes) schedule.change_interval(1 + static_cast<uint32_t>(random()) % 3000, now_ms);
            Due due;
            if (!schedule.take(now_ms, due)) continue;
            REQUIRE(due.uptime_ms <= now_ms);
            REQUIRE(due.uptime_ms > last_ms);
            REQUIRE(schedule.next_ms() > now_ms);
            last_ms = due.uptime_ms;
            numbered += due.missed + 1;
            if (seed % 2 == 0) REQUIRE(due.uptime_ms == 1000 + (numbered - 1) * interval_ms);
        }
        REQUIRE(numbered > schedule.skipped());
        REQUIRE(last_ms > 0);
    }
}
