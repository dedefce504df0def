// Times of pulses on their way from an interrupt to a task.
#pragma once

#include <atomic>
#include <stdint.h>

namespace pdm::board {

/// One writer, one reader.
class PulseLog {
  public:
    // erasing a sector of flash takes up to 0.4 s, in which nobody reads: enough for 2,500 pulses a second
    static constexpr uint32_t ROOM = 1024;

    /// A pulse came; at_us: the lower half of the time since power-up. Inlined, because an interrupt that works while
    /// flash is erased cannot call what lies there.
    __attribute__((always_inline)) void note(uint32_t at_us) {
        const uint32_t place = noted_.load(std::memory_order_relaxed);
        at_us_[place % ROOM] = at_us;
        noted_.store(place + 1, std::memory_order_release);
    }

    /// Hands the times of the pulses since the last call to `pulse(at_us)`, whole again: microseconds since power-up,
    /// as now_us() tells them. A pulse must not be older than 71 minutes. Returns false where there were more than
    /// there is room for: then their number is not to be believed.
    template <class Pulse>
    bool take(int64_t (*now_us)(), Pulse&& pulse) {
        const uint32_t oldest = taken_;
        taken_ = noted_;
        const int64_t now = now_us();  // after the look at what was noted, so that nothing lies in the future
        if (taken_ - oldest > ROOM) {
            return false;
        }
        for (uint32_t place = oldest; place != taken_; ++place) {
            const uint32_t ago_us = static_cast<uint32_t>(now) - at_us_[place % ROOM];
            pulse(now - ago_us);
        }
        return noted_ - oldest <= ROOM;  // else one that came meanwhile has overwritten what was to be read
    }

  private:
    std::atomic<uint32_t> noted_{0};
    uint32_t taken_ = 0;
    uint32_t at_us_[ROOM] = {};
};

}  // namespace pdm::board
