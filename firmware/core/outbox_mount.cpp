// How the outbox finds where its ring stood.
#include "outbox.hpp"
#include "outbox_format.hpp"

namespace pdm {

using outbox_format::Header;
using outbox_format::Slot;
using outbox_format::is_blank;

bool Outbox::holds_records(uint64_t sequence) {
    Slot slot;
    for (uint64_t serial = sequence * slots_; serial < (sequence + 1) * slots_; ++serial) {
        if (look(serial, slot) != State::UNREADABLE && slot.is_sound(ring_, serial)) return true;
    }
    return false;
}

/// Set next_ and ready_.
bool Outbox::find_end() {
    uint64_t sequence = sectors_ - 1;  // the first to be opened is `sectors_`, so that a whole round lies before it
    for (uint32_t sector = 0; sector < sectors_; ++sector) {
        Header header;
        if (!read(sector * flash_.sector_bytes(), &header, sizeof header)) return false;
        const bool belongs = header.is_of(ring_) && header.sequence % sectors_ == sector;
        if (belongs && header.sequence > sequence) sequence = header.sequence;
    }
    while (holds_records(sequence + 1)) ++sequence;  // a corrupt header does not cost its records

    next_ = (sequence + 1) * slots_;
    ready_ = false;
    if (sequence < sectors_) return true;
    for (; next_ > sequence * slots_; --next_) {
        Slot slot;
        if (!read(offset_of(next_ - 1), &slot, sizeof slot)) return false;
        if (!is_blank(slot)) break;
        ready_ = true;
    }
    return true;
}

/// Count what waits in the ring and find the newest. Of a ring whose next sector is not opened yet, that sector still
/// holds the oldest readings.
bool Outbox::scan() {
    Slot slot;
    oldest_ = next_;
    for (uint64_t serial = (next_ / slots_ - sectors_ + (ready_ ? 1 : 0)) * slots_; serial < next_; ++serial) {
        const State state = look(serial, slot);
        if (state == State::UNREADABLE) return false;
        if (state != State::NOTHING && slot.is_sound(ring_, serial)) {
            newest_ = slot.reading;
            newest_serial_ = serial;
        }
        if (state == State::TORN) lose(serial);
        if (state == State::WAITING && waiting_++ == 0) oldest_ = serial;
    }
    return true;
}

bool Outbox::mount() {
    sectors_ = flash_.sectors();
    slots_ = outbox_format::slots_in(flash_.sector_bytes());
    ring_ = outbox_format::ring_id(sectors_, flash_.sector_bytes());
    in_flight_ = waiting_ = 0;
    newest_serial_ = NO_SERIAL;
    mounted_ = sectors_ >= 2 && slots_ >= 1 && find_end() && scan();
    if (!mounted_) {
        next_ = oldest_ = cursor_ = 0;
        waiting_ = 0;
        newest_serial_ = NO_SERIAL;
        return false;
    }
    cursor_ = oldest_;
    if (!ready_) prepare_sector();
    return true;
}

}  // namespace pdm
