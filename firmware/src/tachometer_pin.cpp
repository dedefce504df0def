#include "tachometer_pin.hpp"

#include <driver/gpio.h>
#include <esp_attr.h>
#include <esp_intr_alloc.h>
#include <esp_timer.h>

#include "pins.hpp"

namespace pdm::board {

bool TachometerPin::begin() {
    constexpr auto PIN = static_cast<gpio_num_t>(pins::TACHOMETER);
    gpio_config_t config = {};
    config.pin_bit_mask = uint64_t{1} << pins::TACHOMETER;
    config.mode = GPIO_MODE_INPUT;
    config.intr_type = GPIO_INTR_NEGEDGE;
    return gpio_config(&config) == ESP_OK && gpio_install_isr_service(ESP_INTR_FLAG_IRAM) == ESP_OK &&
           gpio_isr_handler_add(PIN, on_edge, &pulses_) == ESP_OK;
}

void IRAM_ATTR TachometerPin::on_edge(void* pulses) {
    static_cast<PulseLog*>(pulses)->note(static_cast<uint32_t>(esp_timer_get_time()));
}

}  // namespace pdm::board
