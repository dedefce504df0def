#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "outbox_support.hpp"
#include "ram_flash.hpp"

using pdm::Outbox;
using pdm::Reading;

namespace {

uint32_t take(Outbox& outbox, uint64_t expected_id) {
    Reading reading;
    uint32_t token = 0;
    REQUIRE(outbox.next(reading, token));
    REQUIRE(is_as_put(reading));
    REQUIRE(reading.measurement_id == expected_id);
    REQUIRE(token != 0);
    return token;
}

bool gives_none(Outbox& outbox) {
    Reading reading;
    uint32_t token = 0;
    return !outbox.next(reading, token);
}

std::vector<uint64_t> drain_remounted(RamFlash& flash) {
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    return drain(outbox);
}

/// What an outbox should do, in the simplest way; each step is taken by both.
struct Queue {
    Outbox& outbox;
    std::mt19937& random;
    uint32_t always_kept;
    std::deque<uint64_t> waiting = {};
    std::set<uint64_t> handed = {};
    std::map<uint32_t, uint64_t> flying = {};
    std::vector<uint32_t> stale = {0, UINT32_MAX};
    uint64_t next_id = 0;
    uint32_t dropped = 0;

    void put() {
        REQUIRE(outbox.put(reading_of(next_id)));
        waiting.push_back(next_id++);
        for (; dropped < outbox.dropped(); ++dropped) {
            REQUIRE(waiting.front() + always_kept < next_id);
            for (const auto& [token, id] : flying) {
                if (id == waiting.front()) stale.push_back(token);
            }
            waiting.pop_front();
        }
        for (const uint32_t token : stale) flying.erase(token);
    }

    void next() {
        const auto expected =
            std::find_if(waiting.begin(), waiting.end(), [&](uint64_t id) { return !handed.count(id); });
        Reading reading;
        uint32_t token = 0;
        REQUIRE(outbox.next(reading, token) == (flying.size() < Outbox::WINDOW && expected != waiting.end()));
        if (token == 0) return;
        REQUIRE(is_as_put(reading));
        REQUIRE(reading.measurement_id == *expected);
        handed.insert(*expected);
        flying[token] = *expected;
    }

    /// One in flight is acknowledged, or was not taken by the link.
    void land(bool acknowledged) {
        if (flying.empty()) return;
        const auto flown = std::next(flying.begin(), below(random, static_cast<uint32_t>(flying.size())));
        if (acknowledged) {
            REQUIRE(outbox.acknowledge(flown->first));
            waiting.erase(std::find(waiting.begin(), waiting.end(), flown->second));
            stale.push_back(flown->first);
        } else {
            outbox.give_back(flown->first);
            handed.erase(flown->second);
        }
        flying.erase(flown);
    }

    /// The connection is lost, or the device restarts.
    void interrupt() {
        if (below(random, 2)) outbox.rewind();
        else REQUIRE(outbox.mount());
        handed.clear();
        flying.clear();
    }

    void check() {
        REQUIRE(outbox.waiting() == waiting.size());
        REQUIRE(outbox.in_flight() == flying.size());
        const uint32_t token = stale[below(random, static_cast<uint32_t>(stale.size()))];
        if (!flying.count(token)) REQUIRE_FALSE(outbox.acknowledge(token));
    }
};

}  // namespace

TEST_CASE("readings come in the order they were put, each once") {
    RamFlash flash(4, 4096);
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    CHECK(outbox.newest() == nullptr);
    REQUIRE(put_range(outbox, 0, 100));
    CHECK(outbox.waiting() == 100);
    CHECK(outbox.newest()->measurement_id == 99);
    CHECK(drain(outbox) == range(0, 100));
    CHECK(outbox.waiting() == 0);
    CHECK(outbox.torn() + outbox.dropped() + outbox.failures() == 0);
}

TEST_CASE("what was not acknowledged is there after a restart, and the newest even if it was") {
    RamFlash flash(4, 4096);
    Outbox before(flash);
    REQUIRE(before.mount());
    REQUIRE(put_range(before, 0, 60));
    for (uint64_t id = 0; id < 10; ++id) CHECK(before.acknowledge(take(before, id)));

    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    CHECK(outbox.waiting() == 50);
    CHECK(drain(outbox) == range(10, 60));

    Outbox again(flash);
    REQUIRE(again.mount());
    CHECK(again.waiting() == 0);
    REQUIRE(again.newest() != nullptr);
    CHECK(is_as_put(*again.newest()));
    CHECK(again.newest()->measurement_id == 59);
}

TEST_CASE("sixteen readings fly at once, and acknowledgements come in any order") {
    RamFlash flash(4, 4096);
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    REQUIRE(put_range(outbox, 0, 40));
    std::vector<uint32_t> tokens;
    for (uint64_t id = 0; id < Outbox::WINDOW; ++id) tokens.push_back(take(outbox, id));
    CHECK(gives_none(outbox));
    CHECK(std::set<uint32_t>(tokens.begin(), tokens.end()).size() == Outbox::WINDOW);
    for (const size_t place : {15u, 3u, 7u}) CHECK(outbox.acknowledge(tokens[place]));
    CHECK(outbox.waiting() == 37);
    for (uint64_t id = 16; id < 19; ++id) take(outbox, id);
    CHECK(gives_none(outbox));

    outbox.rewind();
    std::vector<uint64_t> left = range(0, 40);
    for (const uint64_t id : {15u, 7u, 3u}) left.erase(left.begin() + static_cast<std::ptrdiff_t>(id));
    CHECK(drain(outbox) == left);
}

TEST_CASE("a token counts once, and not after the connection it was sent on") {
    RamFlash flash(2, 4096);
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    REQUIRE(put_range(outbox, 0, 2));
    const uint32_t token = take(outbox, 0);
    CHECK(outbox.acknowledge(token));
    CHECK_FALSE(outbox.acknowledge(token));
    const uint32_t lost = take(outbox, 1);
    outbox.rewind();
    CHECK_FALSE(outbox.acknowledge(lost));
    CHECK_FALSE(outbox.acknowledge(0));
    CHECK(drain(outbox) == range(1, 2));
}

TEST_CASE("a reading that the link did not take comes next again, and those in flight do not") {
    RamFlash flash(2, 4096);
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    REQUIRE(put_range(outbox, 0, 5));
    take(outbox, 0);
    const uint32_t refused = take(outbox, 1);
    take(outbox, 2);
    outbox.give_back(refused);
    outbox.give_back(12345);
    CHECK(outbox.in_flight() == 2);
    take(outbox, 1);
    take(outbox, 3);
}

TEST_CASE("a full ring drops the oldest unsent readings, a sector at a time, and counts them") {
    RamFlash flash(2, 4096);
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    REQUIRE(put_range(outbox, 0, 83));
    CHECK(outbox.dropped() == 0);
    REQUIRE(put_range(outbox, 83, 84));
    CHECK(outbox.dropped() == 42);
    CHECK(outbox.waiting() == 42);
    REQUIRE(put_range(outbox, 84, 200));
    CHECK(outbox.dropped() + outbox.waiting() == 200);
    CHECK(outbox.dropped() == 126);
    CHECK(drain_remounted(flash) == range(126, 200));
}

TEST_CASE("the token of a dropped reading acknowledges no other") {
    RamFlash flash(2, sector_of_slots(3));
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    REQUIRE(put_range(outbox, 0, 3));
    const uint32_t first = take(outbox, 0);
    const uint32_t second = take(outbox, 1);
    REQUIRE(put_range(outbox, 3, 6));
    CHECK(outbox.dropped() == 3);
    CHECK(outbox.in_flight() == 0);
    REQUIRE(put_range(outbox, 6, 8));  // over the slots of the first two
    CHECK_FALSE(outbox.acknowledge(first));
    outbox.give_back(second);
    CHECK(outbox.waiting() == 5);
    CHECK(drain(outbox) == range(3, 8));
}

TEST_CASE("a long life of puts, sends, losses of connection and restarts agrees with a simple queue") {
    for (uint32_t seed = 0; seed < 30; ++seed) {
        std::mt19937 random(seed);
        const uint32_t sectors = 2 + below(random, 4);
        const uint32_t slots = 1 + below(random, 9);
        RamFlash flash(sectors, sector_of_slots(slots) + below(random, 96));
        Outbox outbox(flash);
        REQUIRE(outbox.mount());
        Queue queue{outbox, random, (sectors - 1) * slots};
        const uint32_t puts_of_10 = 2 + below(random, 5);
        for (int i = 0; i < 4000; ++i) {
            const uint32_t what = below(random, 10);
            if (what < puts_of_10) queue.put();
            else if (what < 8) queue.next();
            else queue.land(what == 8);
            if (below(random, 200) == 0) queue.interrupt();
            queue.check();
        }
        CHECK(outbox.newest()->measurement_id == queue.next_id - 1);
        outbox.rewind();
        CHECK(drain(outbox) == std::vector<uint64_t>(queue.waiting.begin(), queue.waiting.end()));
        CHECK(flash.writes_without_erase == 0);
        CHECK(outbox.torn() + outbox.failures() == 0);
        const auto [least, most] = std::minmax_element(flash.erases.begin(), flash.erases.end());
        CHECK(*most - *least <= 1);
    }
}

TEST_CASE("writing through costs one erase for 42 readings, spread evenly") {
    RamFlash flash(4, 4096);
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    for (uint64_t id = 0; id < 42 * 400; ++id) {
        REQUIRE(outbox.put(reading_of(id)));
        REQUIRE(outbox.acknowledge(take(outbox, id)));
    }
    CHECK(flash.erases == std::vector<uint32_t>{101, 100, 100, 100});
    CHECK(outbox.dropped() == 0);
}

TEST_CASE("after a long connection rewind() does not read the whole ring again") {
    RamFlash flash(64, 4096);
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    for (uint64_t id = 0; id < 2000; ++id) {
        REQUIRE(outbox.put(reading_of(id)));
        REQUIRE(outbox.acknowledge(take(outbox, id)));
    }
    REQUIRE(outbox.put(reading_of(2000)));
    flash.reads = 0;
    outbox.rewind();
    take(outbox, 2000);
    CHECK(flash.reads == 1);
}

TEST_CASE("the outbox takes little memory, however many readings wait") {
    CHECK(sizeof(Outbox) <= 320);
}

TEST_CASE("an area too small for a ring is refused") {
    RamFlash one_sector(1, 4096);
    RamFlash no_slot(2, sector_of_slots(1) - 1);
    for (RamFlash* flash : {&one_sector, &no_slot}) {
        Outbox outbox(*flash);
        CHECK_FALSE(outbox.mount());
        CHECK_FALSE(outbox.put(reading_of(0)));
        CHECK(gives_none(outbox));
        CHECK(flash->erases[0] == 0);
    }
}
