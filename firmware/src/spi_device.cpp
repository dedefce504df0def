#include "spi_device.hpp"

#include "arduino.hpp"

#include <SPI.h>

#include "pins.hpp"

namespace pdm::board {

void begin_spi() { SPI.begin(pins::SPI_CLOCK, pins::SPI_MISO, pins::SPI_MOSI, -1); }

void SpiDevice::begin() {
    digitalWrite(select_pin_, HIGH);
    pinMode(select_pin_, OUTPUT);
    digitalWrite(select_pin_, HIGH);
}

void SpiDevice::transfer(uint8_t* bytes, size_t count) {
    SPI.beginTransaction(SPISettings(clock_hz_, MSBFIRST, mode_));
    digitalWrite(select_pin_, LOW);
    SPI.transfer(bytes, count);
    digitalWrite(select_pin_, HIGH);
    SPI.endTransaction();
}

}  // namespace pdm::board
