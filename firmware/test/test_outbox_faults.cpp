#include <doctest/doctest.h>

#include <algorithm>

#include "outbox_support.hpp"
#include "ram_flash.hpp"

using pdm::Outbox;
using pdm::Reading;

namespace {

constexpr uint32_t SLOTS = 3;
constexpr uint32_t RECORD_BYTES = 92;

uint32_t slot_at(uint32_t sector, uint32_t slot) {
    return sector * sector_of_slots(SLOTS) + 64 + slot * 96;
}

/// 10 readings in 4 sectors of 3, of which the first 5 are acknowledged: sectors 0 to 2 full, one reading in the last.
RamFlash half_sent() {
    RamFlash flash(4, sector_of_slots(SLOTS));
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    REQUIRE(put_range(outbox, 0, 10));
    Reading reading;
    uint32_t token = 0;
    for (int i = 0; i < 5; ++i) {
        REQUIRE(outbox.next(reading, token));
        REQUIRE(outbox.acknowledge(token));
    }
    return flash;
}

}  // namespace

TEST_CASE("a corrupt byte costs at most the record it lies in, and that is counted") {
    const RamFlash whole = half_sent();
    int lost_records = 0;
    for (size_t place = 0; place < whole.bytes.size(); ++place) {
        for (const uint8_t flip : {uint8_t{0x01}, uint8_t{0x80}, uint8_t{0xFF}}) {
            CAPTURE(place);
            RamFlash flash = whole;
            flash.bytes[place] = static_cast<uint8_t>(flash.bytes[place] ^ flip);
            Outbox outbox(flash);
            REQUIRE(outbox.mount());
            const uint64_t newest = outbox.newest()->measurement_id;
            const uint32_t torn = outbox.torn();
            std::vector<uint64_t> ids = drain(outbox);
            REQUIRE(outbox.waiting() == 0);
            REQUIRE(std::is_sorted(ids.begin(), ids.end()));
            if (!ids.empty() && ids.front() < 5) ids.erase(ids.begin());  // its mark was hit: sent again
            REQUIRE(ids.size() + torn >= 5);
            REQUIRE(ids.size() >= 4);
            REQUIRE(torn <= 1);
            REQUIRE(newest >= 8);
            lost_records += static_cast<int>(5 - ids.size());
            REQUIRE(put_range(outbox, 10, 20));
            const size_t kept = 10 - outbox.dropped();
            ids = drain(outbox);
            REQUIRE(ids == range(20 - kept, 20));
        }
    }
    CHECK(lost_records == 5 * 3 * static_cast<int>(RECORD_BYTES));
}

TEST_CASE("however many bytes are corrupt, nothing torn is delivered and the ring goes on") {
    const RamFlash whole = half_sent();
    std::mt19937 random(3);
    for (int round = 0; round < 3000; ++round) {
        RamFlash flash = whole;
        const uint32_t hits = 1 + below(random, 60);
        for (uint32_t i = 0; i < hits; ++i) {
            flash.bytes[below(random, static_cast<uint32_t>(flash.bytes.size()))] = static_cast<uint8_t>(random());
        }
        Outbox outbox(flash);
        REQUIRE(outbox.mount());
        const uint32_t waiting = outbox.waiting();
        std::vector<uint64_t> ids = drain(outbox);
        REQUIRE(ids.size() == waiting);
        REQUIRE(std::is_sorted(ids.begin(), ids.end()));
        REQUIRE((ids.empty() || ids.back() < 10));
        for (uint64_t id = 100; id < 120; ++id) outbox.put(reading_of(id));
        ids = drain(outbox);
        REQUIRE_FALSE(ids.empty());
        REQUIRE(ids.back() == 119);
        REQUIRE(ids.front() >= 100);
    }
}

TEST_CASE("a torn record is counted once, not at every restart") {
    RamFlash flash = half_sent();
    flash.bytes[slot_at(2, 1) + 20] ^= 0x04;
    Outbox first(flash);
    REQUIRE(first.mount());
    CHECK(first.torn() == 1);
    Outbox second(flash);
    REQUIRE(second.mount());
    CHECK(second.torn() == 0);
    CHECK(drain(second) == std::vector<uint64_t>{5, 6, 8, 9});
}

TEST_CASE("a record that goes bad while the device runs is counted and not delivered") {
    RamFlash flash = half_sent();
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    flash.bytes[slot_at(2, 1) + 20] ^= 0x04;
    CHECK(drain(outbox) == std::vector<uint64_t>{5, 6, 8, 9});
    CHECK(outbox.torn() == 1);
    CHECK(outbox.waiting() == 0);
}

TEST_CASE("a write that fails without effect loses its reading and nothing else") {
    RamFlash flash(2, sector_of_slots(SLOTS));
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    REQUIRE(put_range(outbox, 0, 2));
    flash.writes_fail = true;
    for (uint64_t id = 2; id < 50; ++id) CHECK_FALSE(outbox.put(reading_of(id)));
    CHECK(outbox.failures() == 96);
    CHECK(outbox.newest()->measurement_id == 1);
    flash.writes_fail = false;
    REQUIRE(put_range(outbox, 50, 51));
    CHECK(outbox.dropped() == 0);
    CHECK(drain(outbox) == std::vector<uint64_t>{0, 1, 50});
}

TEST_CASE("a slot that takes a reading badly is given up for the next, and is no torn record") {
    RamFlash flash(4, sector_of_slots(SLOTS));
    flash.worn = {slot_at(0, 1) + 30, slot_at(1, 2) + 91, slot_at(2, 1)};
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    REQUIRE(put_range(outbox, 0, 6));
    CHECK(outbox.failures() == 3);
    Outbox again(flash);
    REQUIRE(again.mount());
    CHECK(again.torn() == 0);
    CHECK(drain(again) == range(0, 6));
}

TEST_CASE("a sector that cannot be written any more does not stop the ring") {
    RamFlash flash(3, sector_of_slots(SLOTS));
    for (uint32_t slot = 0; slot < SLOTS; ++slot) flash.worn.insert(slot_at(1, slot) + 5);
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    uint64_t stored = 0;
    for (uint64_t id = 0; id < 90; ++id) {
        const bool put = outbox.put(reading_of(id));
        stored += put;
        CHECK(drain(outbox) == (put ? std::vector<uint64_t>{id} : std::vector<uint64_t>{}));
    }
    CHECK(stored >= 70);
    CHECK(outbox.dropped() + outbox.torn() == 0);
}

TEST_CASE("a sector that cannot be erased is passed over where that costs no unsent reading") {
    RamFlash flash(4, sector_of_slots(SLOTS));
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    REQUIRE(put_range(outbox, 0, 9));  // sector 3 is open
    flash.bad_sectors = {0};
    REQUIRE(put_range(outbox, 9, 12));  // no room in sector 0: its three are dropped, the others wait and are not
    CHECK(outbox.dropped() == 3);
    CHECK_FALSE(outbox.put(reading_of(12)));
    CHECK(outbox.dropped() == 3);
    CHECK(drain(outbox) == range(3, 12));
    for (uint64_t id = 13; id < 100; ++id) {  // and each time the ring comes round
        REQUIRE(outbox.put(reading_of(id)));
        REQUIRE(drain(outbox) == std::vector<uint64_t>{id});
    }
    CHECK(outbox.dropped() == 3);
    CHECK(outbox.newest()->measurement_id == 99);

    Outbox again(flash);
    REQUIRE(again.mount());
    CHECK(again.torn() == 0);
    CHECK(again.waiting() == 0);
    CHECK(again.newest()->measurement_id == 99);
}

TEST_CASE("in a ring of two sectors, one that cannot be erased costs new readings but never the newest stored") {
    RamFlash flash(2, sector_of_slots(SLOTS));
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    flash.bad_sectors = {1};
    REQUIRE(put_range(outbox, 0, 3));
    CHECK(drain(outbox) == range(0, 3));
    for (uint64_t id = 3; id < 9; ++id) CHECK_FALSE(outbox.put(reading_of(id)));
    Outbox again(flash);
    REQUIRE(again.mount());
    CHECK(again.newest()->measurement_id == 2);
    flash.bad_sectors = {};
    REQUIRE(put_range(again, 9, 11));
    CHECK(drain(again) == range(9, 11));
}

TEST_CASE("flash that fails for good is counted, and what it holds is still sent") {
    RamFlash flash = half_sent();
    flash.bad_sectors = {0, 1, 2, 3};
    flash.writes_fail = true;
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    for (uint64_t id = 10; id < 40; ++id) CHECK_FALSE(outbox.put(reading_of(id)));
    Reading reading;
    uint32_t token = 0;
    for (uint64_t id = 5; id < 10; ++id) {
        REQUIRE(outbox.next(reading, token));
        CHECK(reading.measurement_id == id);
        CHECK_FALSE(outbox.acknowledge(token));  // cannot be marked
    }
    CHECK(outbox.waiting() == 5);
    CHECK(outbox.failures() > 30);
    CHECK_FALSE(outbox.next(reading, token));
    flash.writes_fail = false;
    outbox.rewind();
    CHECK(drain(outbox) == range(5, 10));
}

TEST_CASE("flash that cannot be read at mount is not formatted") {
    RamFlash flash = half_sent();
    const std::vector<uint8_t> before = flash.bytes;
    flash.reads_fail = true;
    Outbox outbox(flash);
    CHECK_FALSE(outbox.mount());
    CHECK_FALSE(outbox.put(reading_of(10)));
    Reading reading;
    uint32_t token = 0;
    CHECK_FALSE(outbox.next(reading, token));
    CHECK(outbox.newest() == nullptr);
    CHECK(outbox.waiting() == 0);
    CHECK(flash.bytes == before);
    flash.reads_fail = false;
    REQUIRE(outbox.mount());
    CHECK(drain(outbox) == range(5, 10));
}

TEST_CASE("a read that fails while the device runs loses nothing") {
    RamFlash flash = half_sent();
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    flash.reads_fail = true;
    Reading reading;
    uint32_t token = 0;
    CHECK_FALSE(outbox.next(reading, token));
    CHECK_FALSE(outbox.next(reading, token));
    CHECK(outbox.failures() == 2);
    flash.reads_fail = false;
    CHECK(drain(outbox) == range(5, 10));
}
