// The SPI bus that the sensors share.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pdm::board {

/// One chip on it. All chips are used by one task.
class SpiDevice {
  public:
    SpiDevice(uint8_t select_pin, uint32_t clock_hz, uint8_t mode)
        : select_pin_(select_pin), clock_hz_(clock_hz), mode_(mode) {}

    /// Let go of the chip's select line. For every chip of the bus before the first transfer.
    void begin();
    /// Send bytes; what came in their place stands there afterwards.
    void transfer(uint8_t* bytes, size_t count);

  private:
    uint8_t select_pin_;
    uint32_t clock_hz_;
    uint8_t mode_;
};

void begin_spi();

}  // namespace pdm::board
