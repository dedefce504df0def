// What the LED tells.
#pragma once

#include <stdint.h>

namespace pdm::board {

/// The worst comes first: of several at once the LED tells the first.
enum class Condition : uint8_t {
    NOT_PROVISIONED, NO_WIFI, REFUSED, NO_BROKER, FLASH_FAILED, CLOCK_NOT_SET, FINE
};

/// Whether the LED is on at this time. Patterns are told apart by the number of blinks in three seconds.
constexpr bool is_lit(Condition condition, uint64_t uptime_ms) {
    constexpr uint32_t CYCLE_MS = 3000, BLINK_MS = 300, LIT_MS = 150, HEARTBEAT_MS = 40;
    const uint32_t at_ms = static_cast<uint32_t>(uptime_ms % CYCLE_MS);
    uint32_t blinks = 0;
    switch (condition) {
        case Condition::NOT_PROVISIONED: return true;
        case Condition::FLASH_FAILED: return uptime_ms / 100 % 2 == 0;
        case Condition::FINE: return at_ms < HEARTBEAT_MS;
        case Condition::NO_WIFI: blinks = 2; break;
        case Condition::NO_BROKER: blinks = 3; break;
        case Condition::REFUSED: blinks = 4; break;
        case Condition::CLOCK_NOT_SET: blinks = 5; break;
    }
    return at_ms / BLINK_MS < blinks && at_ms % BLINK_MS < LIT_MS;
}

class Led {
  public:
    void begin();
    void show(Condition condition, uint64_t uptime_ms);

  private:
    void set(bool lit);

    bool lit_ = false;
};

}  // namespace pdm::board
