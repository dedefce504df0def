#include "outbox.hpp"

#include <string.h>

#include "outbox_format.hpp"

namespace pdm {

using outbox_format::Header;
using outbox_format::MARK_SENT;
using outbox_format::SLOTS_AT;
using outbox_format::Slot;
using outbox_format::is_blank;

namespace {

/// Unlike those of the 4,294,967,294 slots before it, and never 0.
uint32_t token_of(uint64_t serial) {
    return static_cast<uint32_t>(serial % UINT32_MAX) + 1;
}

}  // namespace

uint32_t Outbox::offset_of(uint64_t serial) const {
    const uint32_t slot = static_cast<uint32_t>(serial % slots_);
    return sector_of(serial) * flash_.sector_bytes() + SLOTS_AT + slot * static_cast<uint32_t>(sizeof(Slot));
}

bool Outbox::read(uint32_t offset, void* into, size_t bytes) {
    const bool done = flash_.read(offset, into, bytes);
    if (!done) ++failures_;
    return done;
}

/// What reads back decides: worn cells take a write without a word.
bool Outbox::write(uint32_t offset, const void* from, size_t bytes) {
    uint8_t back[sizeof(Slot)];
    const bool written = flash_.write(offset, from, bytes);
    const bool same = flash_.read(offset, back, bytes) && memcmp(back, from, bytes) == 0;
    if (!written || !same) ++failures_;
    return same;
}

bool Outbox::mark_sent(uint64_t serial) {
    return write(offset_of(serial) + static_cast<uint32_t>(offsetof(Slot, mark)), &MARK_SENT, sizeof MARK_SENT);
}

Outbox::State Outbox::look(uint64_t serial, Slot& slot) {
    if (!read(offset_of(serial), &slot, sizeof slot)) return State::UNREADABLE;
    if (slot.mark == MARK_SENT) return State::SENT;  // half cleared, as power loss leaves it, is none: sent again
    if (slot.is_sound(ring_, serial)) return State::WAITING;
    // without its header a sector was never opened in this round: it holds what others left, and no torn record
    if (is_blank(slot) || !is_opened(serial)) return State::NOTHING;
    return State::TORN;
}

/// As look(), of a record that mount() saw: one that went bad since is not waiting any more.
Outbox::State Outbox::look_again(uint64_t serial, Slot& slot) {
    const State state = look(serial, slot);
    if (state != State::TORN) return state;
    lose(serial);
    retire();
    return State::NOTHING;
}

bool Outbox::is_opened(uint64_t serial) {
    Header header;
    return read(sector_of(serial) * flash_.sector_bytes(), &header, sizeof header) &&
           header.is_of(ring_) && header.sequence == serial / slots_;
}

/// The first serial number that is still there once the sector of next_ is erased.
uint64_t Outbox::kept_from() const {
    return (next_ / slots_ + 1 - sectors_) * slots_;
}

/// Make the sector of next_ ready to take readings.
bool Outbox::prepare_sector() {
    if (newest_serial_ < kept_from()) {
        // since then nothing but torn records, of a supply that fails with each write, or sectors that cannot be erased
        next_ -= slots_;
        if (oldest_ > next_) oldest_ = next_;
        if (cursor_ > next_) cursor_ = next_;
    }
    if (!drop_before(kept_from())) return false;
    ready_ = open_sector();
    if (ready_) return true;
    settle();
    if (oldest_ >= kept_from() + slots_) next_ += slots_;
    return false;
}

bool Outbox::open_sector() {
    const uint32_t sector = sector_of(next_);
    const uint32_t start = sector * flash_.sector_bytes();
    const uint32_t closed = 0;
    write(start, &closed, sizeof closed);  // so that power loss within the erase leaves no header over what is left
    if (!flash_.erase(sector)) {
        ++failures_;
        return false;
    }
    const Header header = Header::of(ring_, static_cast<uint32_t>(next_ / slots_));
    return write(start, &header, sizeof header);
}

bool Outbox::drop_before(uint64_t serial) {
    Slot slot;
    for (; oldest_ < serial; ++oldest_) {
        const State state = look_again(oldest_, slot);
        if (state == State::UNREADABLE) return false;
        if (state != State::WAITING) continue;
        ++dropped_;
        retire();
    }
    if (cursor_ < oldest_) cursor_ = oldest_;
    for (uint32_t i = in_flight_; i-- > 0;) {
        if (flight_[i] < oldest_) flight_[i] = flight_[--in_flight_];
    }
    return true;
}

bool Outbox::put(const Reading& reading) {
    for (int attempt = 0; mounted_ && attempt < 2; ++attempt) {
        if (!ready_ && !prepare_sector()) continue;
        if (!store(reading)) continue;
        if (!ready_) prepare_sector();
        return true;
    }
    return false;
}

/// Into the slot at next_, which is given up where it takes the reading badly.
bool Outbox::store(const Reading& reading) {
    const uint64_t serial = next_;
    const Slot slot = {reading, outbox_format::record_crc(ring_, serial, reading), 0};
    const bool stored = write(offset_of(serial), &slot, offsetof(Slot, mark));
    Slot left;
    if (!stored && read(offset_of(serial), &left, sizeof left) && is_blank(left)) return false;
    if (!stored) mark_sent(serial);
    ++next_;
    ready_ = next_ % slots_ != 0;
    if (!stored) return false;
    newest_ = reading;
    newest_serial_ = serial;
    ++waiting_;
    return true;
}

bool Outbox::next(Reading& reading, uint32_t& token) {
    for (; in_flight_ < WINDOW && cursor_ < next_; ++cursor_) {
        if (is_in_flight(cursor_)) continue;
        Slot slot;
        const State state = look_again(cursor_, slot);
        if (state == State::UNREADABLE) return false;
        if (state != State::WAITING) continue;
        reading = slot.reading;
        token = token_of(cursor_);
        flight_[in_flight_++] = cursor_++;
        return true;
    }
    return false;
}

void Outbox::give_back(uint32_t token) {
    const uint32_t place = place_in_flight(token);
    if (place == in_flight_) return;
    if (flight_[place] < cursor_) cursor_ = flight_[place];
    flight_[place] = flight_[--in_flight_];
}

bool Outbox::acknowledge(uint32_t token) {
    const uint32_t place = place_in_flight(token);
    if (place == in_flight_) return false;
    const uint64_t serial = flight_[place];
    flight_[place] = flight_[--in_flight_];
    if (!mark_sent(serial)) return false;
    retire();
    settle();
    return true;
}

void Outbox::rewind() {
    in_flight_ = 0;
    cursor_ = oldest_;
}

/// A record that cannot be delivered; marked, so that it is counted once.
void Outbox::lose(uint64_t serial) {
    ++torn_;
    mark_sent(serial);
}

/// Move oldest_ on to what really waits.
void Outbox::settle() {
    Slot slot;
    for (; oldest_ < next_; ++oldest_) {
        const State state = look_again(oldest_, slot);
        if (state == State::WAITING || state == State::UNREADABLE) return;
    }
    waiting_ = 0;
}

void Outbox::retire() {
    if (waiting_ > 0) --waiting_;  // a failed mark can have left a record that was counted out already
}

/// in_flight_ where the token is not in flight.
uint32_t Outbox::place_in_flight(uint32_t token) const {
    uint32_t place = 0;
    while (place < in_flight_ && token_of(flight_[place]) != token) ++place;
    return place;
}

bool Outbox::is_in_flight(uint64_t serial) const {
    for (uint32_t i = 0; i < in_flight_; ++i) {
        if (flight_[i] == serial) return true;
    }
    return false;
}

}  // namespace pdm
