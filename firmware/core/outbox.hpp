// Store and forward: readings that the broker has not acknowledged outlive a power loss in flash.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "reading.hpp"
#include "seams.hpp"

namespace pdm {

namespace outbox_format {
struct Slot;
}

/// A ring of readings in NOR flash. Each reading is written before it is sent, and marked once the broker has it, by
/// clearing a word of its slot: no rewrite. Not for an area under flash encryption, where bits cannot be cleared.
///
/// Sector: a header (format and geometry, sequence number, CRC-32) in 64 bytes, then slots of 96 bytes: the reading,
/// its CRC-32 (over its place in the ring too, so that what an earlier round left cannot pass), the mark. A sector of
/// 4096 bytes holds 42. Sequence number n lies in sector n modulo the number of sectors; the highest is the newest.
/// Filling a sector erases the next one, so put() always finds room; what was unsent there is dropped and counted. At
/// least the newest (sectors - 1) * 42 readings are kept, sent or not: among them always the newest one.
///
/// What writing through costs: 96.4 bytes programmed a reading (92, mark 4, header 16/42), one erase for 42, hence
/// 23,810 erases for a million readings, spread evenly. 512 KB (128 sectors) at 100,000 erases each take 538 million
/// readings: 17 years at one a second, and hold 5,334 readings: 89 minutes at one a second, 15 hours at one in 10 s.
///
/// Flash that fails (false, or reads back otherwise than written) is counted and never stops the device:
/// - put() gives up a slot that took the reading badly and tries the next one. A sector that cannot be erased is passed
///   over as soon as that costs no unsent reading; in a ring of two sectors it cannot be. After two attempts put()
///   returns false: the reading is not stored, what is stored stays, and the next put() tries again.
/// - A reading whose mark fails keeps waiting: it is sent again after rewind() or the next mount().
/// Not for use from two threads at once.
class Outbox {
  public:
    static constexpr uint32_t WINDOW = 16;  ///< readings handed out and not acknowledged, at most

    explicit Outbox(Flash& flash) : flash_(flash) {}

    /// Find where the ring stood, whenever the power went. Reads the whole area. An area without a sector of this
    /// format, number and size of sectors is formatted. Returns false where the area has less than two sectors, its
    /// sectors hold no reading, or flash cannot be read: then nothing was erased, and the outbox takes and gives
    /// nothing until a later mount() succeeds.
    bool mount();

    /// Store a reading. Returns false where it is not stored. Takes as long as an erase when it fills a sector.
    bool put(const Reading& reading);

    /// The oldest reading that is neither acknowledged nor handed out since rewind(), to be sent under this token.
    /// Returns false where there is none now, WINDOW readings are in flight, or flash cannot be read.
    bool next(Reading& reading, uint32_t& token);

    /// The link did not take the reading of this token: next() gives it again.
    void give_back(uint32_t token);

    /// The broker has the reading of this token; in any order. Returns false, and does nothing, for a token that is not
    /// in flight (dropped meanwhile, acknowledged before, handed out before rewind()), and where the mark fails.
    bool acknowledge(uint32_t token);

    /// The connection was lost: next() gives all that is not acknowledged again, from the oldest on.
    void rewind();

    /// The reading stored last, acknowledged or not; null where there is none.
    const Reading* newest() const { return newest_serial_ == NO_SERIAL ? nullptr : &newest_; }

    // counted since power-up, but for the first two
    uint32_t waiting() const { return waiting_; }    ///< readings in flash that the broker has not acknowledged
    uint32_t in_flight() const { return in_flight_; }
    uint32_t dropped() const { return dropped_; }    ///< unsent readings that made room
    uint32_t torn() const { return torn_; }          ///< records found unfinished or corrupt; each once
    uint32_t failures() const { return failures_; }  ///< calls of flash that failed

  private:
    using Slot = outbox_format::Slot;
    enum class State : uint8_t { NOTHING, SENT, WAITING, TORN, UNREADABLE };
    static constexpr uint64_t NO_SERIAL = UINT64_MAX;

    // a serial number counts the slots ever used: sequence number of the sector * slots in a sector + slot
    uint32_t offset_of(uint64_t serial) const;
    uint32_t sector_of(uint64_t serial) const { return static_cast<uint32_t>(serial / slots_ % sectors_); }
    bool read(uint32_t offset, void* into, size_t bytes);
    bool write(uint32_t offset, const void* from, size_t bytes);
    bool mark_sent(uint64_t serial);
    State look(uint64_t serial, Slot& slot);
    State look_again(uint64_t serial, Slot& slot);
    bool is_opened(uint64_t serial);
    bool holds_records(uint64_t sequence);
    bool find_end();
    bool scan();
    uint64_t kept_from() const;
    bool prepare_sector();
    bool open_sector();
    bool drop_before(uint64_t serial);
    bool store(const Reading& reading);
    void lose(uint64_t serial);
    void settle();
    void retire();
    uint32_t place_in_flight(uint32_t token) const;
    bool is_in_flight(uint64_t serial) const;

    Flash& flash_;
    uint32_t sectors_ = 0;
    uint32_t slots_ = 0;              // in a sector
    uint32_t ring_ = 0;               // which ring: its format and geometry
    uint64_t next_ = 0;               // where the next reading goes
    uint64_t oldest_ = 0;             // nothing before it waits
    uint64_t cursor_ = 0;             // what next() looks at first
    uint64_t newest_serial_ = NO_SERIAL;
    uint64_t flight_[WINDOW] = {};
    uint32_t in_flight_ = 0;
    uint32_t waiting_ = 0;
    uint32_t dropped_ = 0;
    uint32_t torn_ = 0;
    uint32_t failures_ = 0;
    bool mounted_ = false;
    bool ready_ = false;              // the sector of next_ is erased and has its header
    Reading newest_;
};

}  // namespace pdm
