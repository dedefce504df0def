// Wi-Fi and the time of day. Nothing here waits: what happens comes as events, in other tasks.
#pragma once

#include <atomic>
#include <stdint.h>

#include "provision.hpp"

namespace pdm::board {

class Network {
  public:
    /// Begin to connect and to ask for the time. The provision outlives it. Once.
    void begin(const Provision& provision);
    /// Try again where Wi-Fi has given up. To be called often.
    void work(uint64_t uptime_ms);

    const std::atomic<bool>& is_up() const { return up_; }
    /// Why Wi-Fi went down last, in the words of its driver.
    const char* why_down() const;
    /// What the time server told since the last call, and the uptime at which it did. Returns false where nothing came.
    bool take_time(int64_t& epoch_ms, uint64_t& uptime_ms);

  private:
    static constexpr uint64_t AGAIN_MS = 30000;

    std::atomic<bool> up_{false};
    std::atomic<uint8_t> reason_{0};
    uint64_t again_ms_ = AGAIN_MS;
};

}  // namespace pdm::board
