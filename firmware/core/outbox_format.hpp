// How the offline buffer lies in flash. Any change here, or of Reading, raises FORMAT.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "reading.hpp"

namespace pdm {
namespace outbox_format {

constexpr uint32_t FORMAT = 0x50444D01;  ///< "PDM", version 1
constexpr uint32_t SLOTS_AT = 64;        ///< bytes for the header; 42 slots then fill a sector of 4096 bytes
constexpr uint32_t MARK_SENT = 0;

/// Tells rings of another format or geometry apart.
uint32_t ring_id(uint32_t sectors, uint32_t sector_bytes);

/// CRC-32 of a reading and its serial number, begun with its ring's id: what another ring or an earlier round left in a
/// slot does not pass.
uint32_t record_crc(uint32_t ring, uint64_t serial, const Reading& reading);

struct Slot {
    Reading reading;
    uint32_t crc;
    uint32_t mark;  ///< erased until the broker has the reading

    bool is_sound(uint32_t ring, uint64_t serial) const { return crc == record_crc(ring, serial, reading); }
};
static_assert(sizeof(Slot) == 96, "no padding: all of it is programmed or erased");

bool is_blank(const Slot& slot);

constexpr uint32_t slots_in(uint32_t sector_bytes) {
    return sector_bytes < SLOTS_AT ? 0 : (sector_bytes - SLOTS_AT) / static_cast<uint32_t>(sizeof(Slot));
}
static_assert(slots_in(4096) == 42, "the figures in outbox.hpp");

/// What begins a sector.
struct Header {
    uint32_t ring, sequence, crc;

    static Header of(uint32_t ring, uint32_t sequence);
    bool is_of(uint32_t of_ring) const;  ///< and whole
};
static_assert(sizeof(Header) <= SLOTS_AT, "the header lies before the slots");

}  // namespace outbox_format
}  // namespace pdm
