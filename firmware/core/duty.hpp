// What is asked of a pump: its load, its speed, stops and the weather, each constant over segments of its life.
#pragma once

#include <stdint.h>

#include "draws.hpp"
#include "fixed.hpp"
#include "settings.hpp"

namespace pdm {

/// start: first reading. speed: relative. resistance: of the system. rise_c: steady rise of temperature of the unworn
/// pump. rise_deviation_c: how far the rise is off it at the start; warm_deviation: the same for the share of warmth, 1 in
/// a pump that runs.
struct Segment {
    uint32_t start;
    Number speed, resistance, rise_c, rise_deviation_c, warm_deviation;
    bool running;
};

/// All segments of a life, laid out with the heat at the start of each, so that any reading follows without the ones
/// before it.
class Duty {
  public:
    struct Moment {
        const Segment* segment;
        Share decay;        ///< share that is left of the deviations since the segment's start
        Share sine_of_day;
    };

    /// Lay out a life of so many readings.
    void draw_segments(const Who& who, Speed speed, uint32_t readings);

    Moment at(uint32_t step) const;

  private:
    static constexpr int MAX_SLOTS = 600, MAX_SEGMENTS = 82;

    void draw_lengths(const Who& who, uint32_t readings);
    void draw_demand(const Who& who);
    void warm_up();

    uint8_t slot_[MAX_SLOTS];  // the segment in which each slot lies
    Segment segment_[MAX_SEGMENTS];
    Speed speed_;
    uint32_t segments_, slots_;
    uint32_t decay_;                   // what a reading leaves of a deviation, in 2^-32
    uint32_t day_begin_, day_stride_;  // place in the day at the start; how far a reading goes, in 1/65536 of a place
};

}  // namespace pdm
