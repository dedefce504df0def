#include <doctest/doctest.h>

#include <algorithm>

#include "outbox_support.hpp"
#include "ram_flash.hpp"

using pdm::Outbox;

namespace {

std::vector<uint64_t> drain_remounted(RamFlash& flash) {
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    return drain(outbox);
}

/// From the definition, bit by bit.
uint32_t crc32(uint32_t crc, const void* data, size_t bytes) {
    crc = ~crc;
    for (size_t i = 0; i < bytes; ++i) {
        crc ^= static_cast<const uint8_t*>(data)[i];
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0u);
    }
    return ~crc;
}

}  // namespace

TEST_CASE("an area full of other bytes is formatted, and nothing of it is taken for a reading") {
    for (uint32_t seed = 0; seed < 60; ++seed) {
        RamFlash flash(3, sector_of_slots(4));
        std::mt19937 random(seed);
        for (uint8_t& byte : flash.bytes) {
            byte = seed == 0 ? uint8_t{0} : static_cast<uint8_t>(seed % 2 ? random() : random() & random());
        }
        Outbox outbox(flash);
        REQUIRE(outbox.mount());
        CHECK(outbox.newest() == nullptr);
        CHECK(outbox.waiting() + outbox.torn() + outbox.failures() == 0);
        REQUIRE(put_range(outbox, 7, 30));
        CHECK(outbox.torn() == 0);
        Outbox again(flash);
        REQUIRE(again.mount());
        CHECK(again.torn() == 0);
        CHECK(again.waiting() + outbox.dropped() == 23);
        CHECK(drain(again).back() == 29);
    }
}

TEST_CASE("the ring of another geometry is formatted") {
    RamFlash flash(4, 1024);
    Outbox before(flash);
    REQUIRE(before.mount());
    REQUIRE(put_range(before, 0, 25));
    RamFlash fewer(3, 1024);
    RamFlash larger(2, 2048);
    for (RamFlash* other : {&fewer, &larger}) {
        std::copy_n(flash.bytes.begin(), other->bytes.size(), other->bytes.begin());
        Outbox outbox(*other);
        REQUIRE(outbox.mount());
        CHECK(outbox.newest() == nullptr);
        CHECK(outbox.waiting() == 0);
        REQUIRE(put_range(outbox, 100, 103));
        CHECK(drain_remounted(*other) == range(100, 103));
    }
}

TEST_CASE("the ring of another format is formatted, although its records are whole") {
    RamFlash flash(2, sector_of_slots(4));
    Outbox before(flash);
    REQUIRE(before.mount());
    REQUIRE(put_range(before, 0, 3));
    REQUIRE(crc32(0, "123456789", 9) == 0xCBF43926);
    const uint32_t format[] = {0x50444D01, 2, sector_of_slots(4)};
    const uint32_t other_format[] = {0x50444D02, 2, sector_of_slots(4)};
    const uint32_t ring = crc32(0, format, sizeof format);
    const uint32_t other_ring = crc32(0, other_format, sizeof other_format);

    uint32_t header[3];
    std::memcpy(header, flash.bytes.data(), sizeof header);
    REQUIRE(header[0] == ring);
    REQUIRE(header[2] == crc32(0, header, 8));
    header[0] = other_ring;
    header[2] = crc32(0, header, 8);
    std::memcpy(flash.bytes.data(), header, sizeof header);
    for (uint32_t slot = 0; slot < 3; ++slot) {
        const uint64_t serial = 2 * 4 + slot;
        uint8_t* record = &flash.bytes[64 + slot * 96];
        uint32_t crc;
        std::memcpy(&crc, record + 88, sizeof crc);
        REQUIRE(crc == crc32(crc32(ring, &serial, 8), record, 88));
        crc = crc32(crc32(other_ring, &serial, 8), record, 88);
        std::memcpy(record + 88, &crc, sizeof crc);
    }
    Outbox outbox(flash);
    REQUIRE(outbox.mount());
    CHECK(outbox.newest() == nullptr);
    CHECK(outbox.waiting() + outbox.torn() == 0);
}
