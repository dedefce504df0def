// From the device's uptime to the time of day, which it learns late, may be told wrongly, and may be told again.
#pragma once

#include <stdint.h>

#include "reading.hpp"

namespace pdm {

/// Times of readings never repeat and never run back, because two readings of one time are one point to the platform.
/// Uptime is in ms since power-up and never runs back; epoch times are in ms since 1970.
class WallClock {
  public:
    static constexpr int64_t EARLIEST_MS = 1704067200000;  ///< 2024-01-01: before the firmware was written
    static constexpr int64_t LATEST_MS = 4102444800000;    ///< 2100-01-01, exclusive
    static constexpr int64_t MAX_AHEAD_MS = 300000;        ///< the platform refuses what lies further in its future

    /// The last reading of an earlier power-up has this time: the times of this one come after it. To be told before
    /// set(). Not obeyed where set() shows it to lie more than MAX_AHEAD_MS after this power-up: that clock was wrong.
    void resume_after(int64_t epoch_ms);

    /// It is `epoch_ms` at `uptime_ms`. Returns false, and changes nothing, for a time before EARLIEST_MS or from
    /// LATEST_MS on. Stamps given that turn out to lie more than MAX_AHEAD_MS ahead do not hold back those to come: the
    /// platform refuses them. (Where they are not sent before their time comes, it takes them, and a later reading of the
    /// very same millisecond in their place.)
    bool set(int64_t epoch_ms, uint64_t uptime_ms);

    bool is_set() const { return set_; }

    /// The time of day as it was told last; UNKNOWN_MS while it is not set. It may step: not for readings.
    int64_t at(uint64_t uptime_ms) const { return set_ ? sum(offset_ms_, uptime_ms) : UNKNOWN_MS; }

    /// Epoch time for the reading due then; to be asked once for each reading, in their order. After a step back times
    /// go on 1 ms apart until the clock has caught up. UNKNOWN_MS while it is not set: the reading is then
    /// Dated::SINCE_POWER_UP, its time `due_uptime_ms`.
    int64_t stamp(uint64_t due_uptime_ms);

    /// Epoch time of a reading of this power-up that stamp() could not date; UNKNOWN_MS while the clock is not set.
    /// Goes by what set() was told first, so that a reading that is sent again has the same time; in the order of the
    /// readings, and before all stamps. A reading of an earlier power-up cannot be dated.
    int64_t date(uint64_t ms_since_power_up) const;

  private:
    static int64_t sum(uint64_t a, uint64_t b) { return static_cast<int64_t>(a + b); }

    // epoch ms at power-up, modulo 2^64: as told last, and as told first
    uint64_t offset_ms_ = 0;
    uint64_t first_offset_ms_ = 0;
    int64_t earlier_ms_ = UNKNOWN_MS;
    int64_t last_stamp_ms_ = UNKNOWN_MS;
    uint64_t last_undated_ms_ = 0;
    bool undated_ = false;
    bool set_ = false;
};

}  // namespace pdm
