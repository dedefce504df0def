#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <map>

#include "outbox_support.hpp"
#include "ram_flash.hpp"

using pdm::Outbox;
using pdm::Reading;
using Tear = RamFlash::Tear;

namespace {

constexpr int64_t NO_ID = -1;

/// What a caller knows of its readings across power-ups, without a look into the outbox.
struct Ledger {
    std::deque<uint64_t> unsent;  // put() returned true, acknowledge() did not
    uint64_t next_id = 0;
    int64_t in_put = NO_ID;       // the power went within: it may be there or not
    int64_t in_acknowledge = NO_ID;
    uint64_t dropped = 0;         // counted by outboxes that have lost their power since

    void forget(uint64_t id) { unsent.erase(std::remove(unsent.begin(), unsent.end(), id), unsent.end()); }
};

/// Take up to `sends` readings and acknowledge up to as many, in any order. Returns false when the power goes.
bool send(Outbox& outbox, RamFlash& flash, Ledger& ledger, std::map<uint32_t, uint64_t>& flying, std::mt19937& random,
          uint32_t sends) {
    Reading reading;
    uint32_t token = 0;
    for (uint32_t n = below(random, sends + 1); n > 0 && outbox.next(reading, token); --n) {
        REQUIRE(is_as_put(reading));
        flying[token] = reading.measurement_id;
    }
    for (uint32_t n = below(random, sends + 1); n > 0 && !flying.empty(); --n) {
        const auto flown = std::next(flying.begin(), below(random, static_cast<uint32_t>(flying.size())));
        const uint64_t id = flown->second;
        ledger.in_acknowledge = static_cast<int64_t>(id);
        const bool marked = outbox.acknowledge(flown->first);
        if (!flash.powered) return false;
        ledger.in_acknowledge = NO_ID;
        if (marked) ledger.forget(id);
        flying.erase(flown);
    }
    return true;
}

/// A caller's work until so many readings are put or the power goes.
void work(Outbox& outbox, RamFlash& flash, Ledger& ledger, uint32_t puts, std::mt19937& random, uint32_t sends) {
    std::map<uint32_t, uint64_t> flying;
    for (uint32_t i = 0; i < puts; ++i) {
        ledger.in_put = static_cast<int64_t>(ledger.next_id);
        const bool stored = outbox.put(reading_of(ledger.next_id));
        if (!flash.powered) return;
        REQUIRE(stored);
        ledger.unsent.push_back(ledger.next_id++);
        ledger.in_put = NO_ID;
        if (!send(outbox, flash, ledger, flying, random, sends)) return;
    }
}

/// The newest reading is the last one that was put, or the one that was being put.
void check_newest(const Outbox& outbox, Ledger& ledger) {
    if (outbox.newest() == nullptr) {
        REQUIRE(ledger.next_id == 0);
        return;
    }
    REQUIRE(is_as_put(*outbox.newest()));
    const uint64_t newest = outbox.newest()->measurement_id;
    if (ledger.in_put != NO_ID && newest == ledger.next_id) ledger.unsent.push_back(ledger.next_id++);
    REQUIRE(newest + 1 == ledger.next_id);
}

/// After a power loss: all that the ledger knows as unsent comes, but for the oldest that were dropped and counted.
void check_recovery(Outbox& outbox, Ledger& ledger) {
    REQUIRE(outbox.torn() <= (ledger.in_put != NO_ID ? 1 : 0));
    check_newest(outbox, ledger);
    const uint32_t waiting = outbox.waiting();
    std::vector<uint64_t> ids = drain(outbox);
    REQUIRE(ids.size() == waiting);
    REQUIRE(outbox.waiting() == 0);
    if (ledger.in_acknowledge != NO_ID) {  // sent again, or not
        const auto id = static_cast<uint64_t>(ledger.in_acknowledge);
        ledger.forget(id);
        ids.erase(std::remove(ids.begin(), ids.end(), id), ids.end());
    }
    REQUIRE(ids.size() <= ledger.unsent.size());
    const size_t missing = ledger.unsent.size() - ids.size();
    REQUIRE(missing <= ledger.dropped + outbox.dropped());
    REQUIRE(std::equal(ids.begin(), ids.end(), ledger.unsent.begin() + static_cast<std::ptrdiff_t>(missing)));
    ledger.unsent.clear();
    ledger.dropped = 0;
    ledger.in_put = ledger.in_acknowledge = NO_ID;
}

/// Returns how many places there were to cut.
uint64_t cut_everywhere(uint32_t sectors, uint32_t slots, uint32_t sends, Tear tear) {
    for (uint64_t cut = 0;; ++cut) {
        RamFlash flash(sectors, sector_of_slots(slots));
        Ledger ledger;
        std::mt19937 random(5);
        flash.cut_after(cut, tear, static_cast<uint32_t>(cut));
        Outbox before(flash);
        before.mount();
        if (flash.powered) work(before, flash, ledger, sectors * slots * 2 + 3, random, sends);
        ledger.dropped = before.dropped();
        if (flash.powered) return cut;
        CAPTURE(cut);
        flash.power_up();
        Outbox outbox(flash);
        REQUIRE(outbox.mount());
        check_recovery(outbox, ledger);
        const uint32_t dropped = outbox.dropped();
        work(outbox, flash, ledger, sectors * slots + 1, random, sends);
        ledger.dropped = outbox.dropped() - dropped;
        Outbox again(flash);
        REQUIRE(again.mount());
        check_recovery(again, ledger);
        REQUIRE(flash.writes_without_erase == 0);
        REQUIRE(outbox.failures() + again.failures() == 0);
    }
}

}  // namespace

TEST_CASE("wherever the power is cut, what was put comes back whole, in order and once") {
    for (const Tear tear : {Tear::IN_ORDER, Tear::BYTES, Tear::BLOCKS}) {
        CHECK(cut_everywhere(2, 1, 2, tear) > 1000);
        CHECK(cut_everywhere(2, 3, 2, tear) > 1000);
        CHECK(cut_everywhere(3, 2, 3, tear) > 1000);
    }
}

TEST_CASE("wherever the power is cut while the ring is full of unsent readings, only counted ones are lost") {
    for (const Tear tear : {Tear::IN_ORDER, Tear::BYTES, Tear::BLOCKS}) {
        CHECK(cut_everywhere(2, 2, 0, tear) > 1000);
        CHECK(cut_everywhere(3, 3, 0, tear) > 1000);
    }
}

TEST_CASE("power losses one after the other, within mount() too, lose nothing but what is counted") {
    std::mt19937 random(11);
    int cut_mounts = 0;
    int cut_work = 0;
    for (int chain = 0; chain < 60; ++chain) {
        RamFlash flash(2 + below(random, 3), sector_of_slots(1 + below(random, 4)));
        Ledger ledger;
        for (int loss = 0; loss < 40; ++loss) {
            const Tear tear = static_cast<Tear>(loss % 3);
            for (;; ++cut_mounts) {
                flash.cut_after(below(random, 1200), tear, below(random, UINT32_MAX));
                Outbox outbox(flash);
                outbox.mount();
                ledger.dropped += outbox.dropped();
                if (flash.powered) break;
                flash.power_up();
            }
            flash.power_up();
            Outbox outbox(flash);
            REQUIRE(outbox.mount());
            check_recovery(outbox, ledger);
            const uint32_t dropped = outbox.dropped();
            flash.cut_after(below(random, 3000), tear, below(random, UINT32_MAX));
            work(outbox, flash, ledger, 30, random, below(random, 4));
            ledger.dropped = outbox.dropped() - dropped;
            cut_work += flash.powered ? 0 : 1;
            flash.power_up();
        }
        REQUIRE(flash.writes_without_erase == 0);
    }
    CHECK(cut_mounts > 100);
    CHECK(cut_work > 1000);
}

TEST_CASE("a supply that fails with every write costs neither the newest reading nor the next one that is put") {
    RamFlash flash(2, sector_of_slots(2));
    {
        Outbox outbox(flash);
        REQUIRE(outbox.mount());
        REQUIRE(put_range(outbox, 0, 2));
        REQUIRE(drain(outbox) == range(0, 2));
    }
    for (int i = 0; i < 20; ++i) {
        flash.power_up();
        Outbox outbox(flash);
        REQUIRE(outbox.mount());
        REQUIRE(outbox.newest()->measurement_id == 1);
        flash.cut_after(50, Tear::IN_ORDER, 1);
        CHECK_FALSE(outbox.put(reading_of(2)));
    }
    flash.power_up();
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    REQUIRE(outbox.put(reading_of(2)));
    CHECK(outbox.waiting() == 1);
    CHECK(drain(outbox) == range(2, 3));
    REQUIRE(put_range(outbox, 3, 5));
    outbox.rewind();
    CHECK(drain(outbox) == range(3, 5));
}
