#include "clock.hpp"

namespace pdm {

namespace {

bool is_plausible(int64_t epoch_ms) {
    return epoch_ms >= WallClock::EARLIEST_MS && epoch_ms < WallClock::LATEST_MS;
}

}  // namespace

void WallClock::resume_after(int64_t epoch_ms) {
    if (is_plausible(epoch_ms)) earlier_ms_ = epoch_ms;
}

bool WallClock::set(int64_t epoch_ms, uint64_t uptime_ms) {
    if (!is_plausible(epoch_ms)) return false;
    offset_ms_ = static_cast<uint64_t>(epoch_ms) - uptime_ms;
    if (last_stamp_ms_ > epoch_ms && last_stamp_ms_ - epoch_ms > MAX_AHEAD_MS) last_stamp_ms_ = UNKNOWN_MS;
    // what was told first lay far ahead: under it the platform takes no reading, sent or not. Twice as far, because
    // first_offset_ms_ itself may lie up to MAX_AHEAD_MS ahead, after the times of the power-up before
    if (set_ && sum(first_offset_ms_ - offset_ms_, 0) > 2 * MAX_AHEAD_MS) first_offset_ms_ = offset_ms_;
    if (set_) return true;
    set_ = true;
    first_offset_ms_ = offset_ms_;
    if (earlier_ms_ != UNKNOWN_MS && earlier_ms_ - at(0) <= MAX_AHEAD_MS) {
        last_stamp_ms_ = earlier_ms_;
        // this power-up came after that reading, whatever the clock says
        if (at(0) <= earlier_ms_) first_offset_ms_ = static_cast<uint64_t>(earlier_ms_) + 1;
    }
    if (undated_) last_stamp_ms_ = date(last_undated_ms_);
    return true;
}

int64_t WallClock::stamp(uint64_t due_uptime_ms) {
    if (!set_) {
        undated_ = true;
        last_undated_ms_ = due_uptime_ms;
        return UNKNOWN_MS;
    }
    const int64_t told_ms = at(due_uptime_ms);
    last_stamp_ms_ = told_ms > last_stamp_ms_ ? told_ms : last_stamp_ms_ + 1;
    return last_stamp_ms_;
}

int64_t WallClock::date(uint64_t ms_since_power_up) const {
    return set_ ? sum(first_offset_ms_, ms_since_power_up) : UNKNOWN_MS;
}

}  // namespace pdm
