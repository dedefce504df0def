// Converter MAX31865 for the Pt1000, on SPI.
#pragma once

#include "spi_device.hpp"

namespace pdm::board {

/// Converts all the time, with its filter against 50 Hz, for two or four wires. Registers: data sheet of the MAX31865,
/// revision 3. A chip that has lost its settings is set up anew.
class Max31865 {
  public:
    Max31865();

    void begin() { spi_.begin(); }
    /// The resistance in counts of 1/32768 of the reference resistor; NaN where there is none. A conversion takes
    /// 21 ms, the first one 66 ms: to be called no sooner than 100 ms after the call before.
    float read();

  private:
    void set_up(bool clear_fault);

    SpiDevice spi_;
};

}  // namespace pdm::board
