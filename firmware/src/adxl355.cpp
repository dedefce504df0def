#include "adxl355.hpp"

#include <string.h>

#include "arduino.hpp"

#include <SPI.h>

#include "pins.hpp"

namespace pdm::board {
namespace {

constexpr uint32_t CLOCK_HZ = 8000000;
constexpr uint8_t READ = 1;  // bit 0 of the first byte; the address stands above it
constexpr uint8_t DEVICE_IDS = 0x00, STATUS = 0x04, FIFO_DATA = 0x11, FILTER = 0x28, RANGE = 0x2C, POWER = 0x2D,
                  RESET = 0x2F;
constexpr uint8_t FIFO_OVERRUN = 1 << 2;   // in STATUS
constexpr uint8_t FILTER_4000_HZ = 0x00;   // no high-pass; low-pass at a quarter of the rate
constexpr uint8_t RANGE_8_G = 0x83;        // the other bits as after power-up
constexpr uint8_t MEASURE = 0x00;
constexpr uint8_t DO_RESET = 0x52;

}  // namespace

Adxl355::Adxl355() : spi_(pins::ACCELEROMETER_SELECT, CLOCK_HZ, SPI_MODE0) {}

void Adxl355::write(uint8_t address, uint8_t value) {
    uint8_t bytes[] = {static_cast<uint8_t>(address << 1), value};
    spi_.transfer(bytes, sizeof bytes);
}

int Adxl355::wait_or_read() {
    overran_ = false;
    ++ticks_;
    if (state_ == State::RUNNING) {
        return read();
    }
    if (state_ == State::RESET) {
        // the next tick: the chip needs less than 5 ms
        state_ = set_up() ? State::RUNNING : State::ABSENT;
        ticks_ = 0;
        overran_ = state_ == State::RUNNING;
    } else if (ticks_ >= TICKS_A_SECOND) {
        write(RESET, DO_RESET);
        state_ = State::RESET;
    }
    return 0;
}

bool Adxl355::set_up() {
    constexpr uint8_t IDS[] = {0xAD, 0x1D, 0xED};
    uint8_t ids[1 + sizeof IDS] = {DEVICE_IDS << 1 | READ};
    spi_.transfer(ids, sizeof ids);
    if (memcmp(ids + 1, IDS, sizeof IDS) != 0) {
        return false;
    }
    write(FILTER, FILTER_4000_HZ);
    write(RANGE, RANGE_8_G);
    write(POWER, MEASURE);
    return true;
}

/// Read what the FIFO holds. Returns the entries.
int Adxl355::read() {
    uint8_t head[] = {STATUS << 1 | READ, 0, 0};
    spi_.transfer(head, sizeof head);
    const int entries = head[2];
    if (entries > Adxl355Fifo::MOST_ENTRIES || (entries == 0 && ticks_ >= TICKS_A_SECOND)) {
        state_ = State::ABSENT;  // no chip says this, or one that has lost its power in between
        return 0;
    }
    if (entries == 0) {
        return 0;
    }
    ticks_ = 0;
    overran_ = (head[1] & FIFO_OVERRUN) != 0;
    memset(bytes_, 0, sizeof bytes_);
    bytes_[0] = FIFO_DATA << 1 | READ;
    spi_.transfer(bytes_, static_cast<size_t>(1 + entries * Adxl355Fifo::ENTRY_BYTES));
    return entries;
}

}  // namespace pdm::board
