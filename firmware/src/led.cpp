#include "led.hpp"

#include "arduino.hpp"
#include "pins.hpp"

namespace pdm::board {

void Led::begin() {
    if (!pins::LED_IS_RGB) {
        pinMode(pins::LED, OUTPUT);
    }
    set(false);
}

void Led::show(Condition condition, uint64_t uptime_ms) {
    const bool lit = is_lit(condition, uptime_ms);
    if (lit != lit_) {
        set(lit);
    }
}

void Led::set(bool lit) {
    constexpr uint8_t BRIGHTNESS = 16;  // of 255: enough to be seen
    lit_ = lit;
    if (pins::LED_IS_RGB) {
        const uint8_t level = lit ? BRIGHTNESS : 0;
        rgbLedWrite(pins::LED, level, level, level);
    } else {
        digitalWrite(pins::LED, lit ? HIGH : LOW);
    }
}

}  // namespace pdm::board
