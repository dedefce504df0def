// The pins of both boards. Why these and no others stands in README.md, "Pins".
#pragma once

#include <sdkconfig.h>

namespace pdm::board::pins {

#if CONFIG_IDF_TARGET_ESP32
constexpr int SPI_CLOCK = 18, SPI_MISO = 19, SPI_MOSI = 23;
constexpr int ACCELEROMETER_SELECT = 22, RTD_SELECT = 21;
constexpr int CURRENT = 34, PRESSURE = 35;  // ADC1
constexpr int TACHOMETER = 27;
constexpr int LED = 2;
constexpr bool LED_IS_RGB = false;
#elif CONFIG_IDF_TARGET_ESP32C3
constexpr int SPI_CLOCK = 6, SPI_MISO = 5, SPI_MOSI = 7;
constexpr int ACCELEROMETER_SELECT = 10, RTD_SELECT = 3;
constexpr int CURRENT = 0, PRESSURE = 1;  // ADC1
constexpr int TACHOMETER = 4;
constexpr int LED = 8;
constexpr bool LED_IS_RGB = true;  // a WS2812, as on Espressif's DevKitM-1
#else
#error "pins.hpp knows the ESP32 and the ESP32-C3"
#endif

}  // namespace pdm::board::pins
