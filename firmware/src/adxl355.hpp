// Accelerometer ADXL355 (or ADXL357) on SPI: 4,000 samples a second through its FIFO.
#pragma once

#include "adxl355_fifo.hpp"
#include "spi_device.hpp"

namespace pdm::board {

/// Range of 8 g (ADXL357: 40 g). Registers and figures: data sheet of ADXL354 and ADXL355, revision B.
///
/// A chip that does not answer, or stops to deliver, is set up anew once a second.
class Adxl355 {
  public:
    static constexpr float RATE_HZ = 4000.0f;
    static constexpr float M_S2_PER_COUNT = 9.80665f / 64000.0f;
    static constexpr int32_t FULL_SCALE = 1 << 19;

    Adxl355();

    void begin() { spi_.begin(); }
    /// To be called every 5 ms: the FIFO holds 8 ms. Hands each sample to `take(x, y, z)`, in counts. Returns false
    /// where samples before them were lost.
    template <class Take>
    bool work(Take&& take) {
        const int entries = wait_or_read();
        bool whole = !overran_;
        for (int index = 0; index < entries; ++index) {
            if (fifo_.take(bytes_ + 1 + index * Adxl355Fifo::ENTRY_BYTES)) {
                const int32_t(&counts)[Adxl355Fifo::AXES] = fifo_.counts();
                take(counts[0], counts[1], counts[2]);
            }
        }
        whole = !fifo_.slipped() && whole;
        return whole;
    }
    bool is_running() const { return state_ == State::RUNNING; }

  private:
    enum class State : uint8_t { ABSENT, RESET, RUNNING };
    static constexpr int TICKS_A_SECOND = 200;

    int wait_or_read();
    int read();
    bool set_up();
    void write(uint8_t address, uint8_t value);

    SpiDevice spi_;
    Adxl355Fifo fifo_;
    State state_ = State::ABSENT;
    int ticks_ = TICKS_A_SECOND;  // since something was tried, or came
    bool overran_ = false;
    uint8_t bytes_[1 + Adxl355Fifo::MOST_ENTRIES * Adxl355Fifo::ENTRY_BYTES] = {};
};

}  // namespace pdm::board
