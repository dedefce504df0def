#include "max31865.hpp"

#include <math.h>

#include "arduino.hpp"

#include <SPI.h>

#include "pins.hpp"

namespace pdm::board {
namespace {

constexpr uint32_t CLOCK_HZ = 4000000;
constexpr uint8_t CONFIGURATION = 0x00, WRITE = 0x80;
constexpr uint8_t BIAS = 0x80, CONVERT = 0x40, CLEAR_FAULT = 0x02, FILTER_50_HZ = 0x01;
constexpr uint8_t SETTINGS = BIAS | CONVERT | FILTER_50_HZ;

}  // namespace

Max31865::Max31865() : spi_(pins::RTD_SELECT, CLOCK_HZ, SPI_MODE1) {}

void Max31865::set_up(bool clear_fault) {
    uint8_t bytes[] = {CONFIGURATION | WRITE, static_cast<uint8_t>(SETTINGS | (clear_fault ? CLEAR_FAULT : 0))};
    spi_.transfer(bytes, sizeof bytes);
}

float Max31865::read() {
    uint8_t bytes[4] = {CONFIGURATION};  // and the two registers of the resistance behind it
    spi_.transfer(bytes, sizeof bytes);
    const unsigned resistance = static_cast<unsigned>(bytes[2]) << 8 | bytes[3];
    const bool is_set_up = bytes[1] == SETTINGS;
    const bool has_fault = (resistance & 1) != 0;
    if (!is_set_up || has_fault) {
        set_up(has_fault);
        return NAN;
    }
    return static_cast<float>(resistance >> 1);
}

}  // namespace pdm::board
