#include "schedule.hpp"

namespace pdm {

bool Schedule::start(uint64_t first_ms, uint32_t interval_ms) {
    if (interval_ms == 0) return false;
    next_ms_ = first_ms;
    interval_ms_ = interval_ms;
    missed_ = skipped_ = 0;
    taken_ = false;
    return true;
}

bool Schedule::take(uint64_t now_ms, Due& due) {
    if (interval_ms_ == 0 || now_ms < next_ms_) return false;
    const uint64_t missed = (now_ms - next_ms_) / interval_ms_;
    due.uptime_ms = next_ms_ + missed * interval_ms_;
    due.missed = missed_ + missed;
    missed_ = 0;
    next_ms_ = due.uptime_ms + interval_ms_;
    skipped_ += due.missed;
    taken_ = true;
    return true;
}

bool Schedule::change_interval(uint32_t interval_ms, uint64_t now_ms) {
    if (interval_ms == 0 || interval_ms_ == 0) return false;
    if (interval_ms == interval_ms_) return true;
    if (now_ms >= next_ms_) {
        missed_ += (now_ms - next_ms_) / interval_ms_;
        next_ms_ = now_ms;
    } else if (taken_) {
        const uint64_t after_last_ms = next_ms_ - interval_ms_ + interval_ms;
        next_ms_ = after_last_ms > now_ms ? after_last_ms : now_ms;
    }
    interval_ms_ = interval_ms;
    return true;
}

}  // namespace pdm
