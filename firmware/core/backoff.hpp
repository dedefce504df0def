// How long to wait before connecting again.
#pragma once

#include <stdint.h>

namespace pdm {

/// Exponential with full jitter: uniform from 0 to a ceiling that doubles with each attempt, so that a fleet does not
/// come back at once after the broker's restart.
/// Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
class Backoff {
  public:
    static constexpr uint32_t FIRST_MS = 1000;              ///< ceiling of the first delay
    static constexpr uint32_t LONGEST_MS = 60000;           ///< ceiling while the broker is out of reach
    static constexpr uint32_t LONGEST_REFUSED_MS = 300000;  ///< and while it refuses: that takes a person to mend
    static constexpr uint64_t LASTING_MS = 60000;           ///< a connection that held so long starts over at FIRST_MS

    /// The broker has accepted the connection.
    void connected(uint64_t now_ms);

    /// The connection ended, or none came about; `refused`: by the broker, as for bad credentials. Returns the delay in
    /// ms. `random` is uniform over its range.
    uint32_t disconnected(bool refused, uint64_t now_ms, uint32_t random);

  private:
    uint64_t connected_ms_ = 0;
    bool connected_ = false;
    uint8_t doublings_ = 0;
};

}  // namespace pdm
