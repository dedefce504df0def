// The tachometer's pin.
#pragma once

#include "pulse_log.hpp"

namespace pdm::board {

/// Notes the time of each falling edge, in an interrupt that also works while flash is erased and all else stands.
class TachometerPin {
  public:
    /// Returns false where the pin's interrupt cannot be had.
    bool begin();
    PulseLog& pulses() { return pulses_; }

  private:
    static void on_edge(void* pulses);

    PulseLog pulses_;
};

}  // namespace pdm::board
