// When readings are due.
#pragma once

#include <stdint.h>

namespace pdm {

/// A reading that is due.
struct Due {
    uint64_t uptime_ms;  ///< when it was due: less than one interval ago
    uint64_t missed;     ///< readings before it that nobody took: its measurement_id skips as many
};

/// An absolute schedule, so that delays do not add up: reading k is due at start + k * interval.
///
/// What was missed is skipped and counted, never made up for: a sensor cannot be read for the past, and the twin that
/// stands in its place shall look like one. So no burst follows a standstill, and the gap shows in measurement_id. A
/// reading less than one interval late is taken, under the time at which it was due.
class Schedule {
  public:
    /// The first reading is due at `first_ms` of uptime. Returns false, and changes nothing, for an interval of 0.
    bool start(uint64_t first_ms, uint32_t interval_ms);

    /// Whether a reading is due; it counts as taken. Returns false before start() too.
    bool take(uint64_t now_ms, Due& due);

    /// From now on readings are `interval_ms` apart. The next is due so long after the one before it, or now where that
    /// time has passed, or where it is due already: a change of interval misses nothing, nor hides what was missed
    /// before it. Returns false, and changes nothing, for 0 and before start().
    bool change_interval(uint32_t interval_ms, uint64_t now_ms);

    uint64_t next_ms() const { return next_ms_; }  ///< uptime at which the next reading is due
    uint64_t skipped() const { return skipped_; }  ///< readings missed since start()

  private:
    uint64_t next_ms_ = UINT64_MAX;
    uint64_t skipped_ = 0;
    uint64_t missed_ = 0;  // not told yet: at an interval that was changed since
    uint32_t interval_ms_ = 0;
    bool taken_ = false;
};

}  // namespace pdm
