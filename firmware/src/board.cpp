#include "board.hpp"

#include <sys/time.h>

#include <esp_random.h>
#include <esp_system.h>
#include <esp_task_wdt.h>
#include <esp_timer.h>

#include "arduino.hpp"

#include <WiFi.h>

namespace pdm::board {

const char* const FIRMWARE = "0.1.0 " CONFIG_IDF_TARGET;

namespace {

constexpr uint32_t WATCHDOG_MS = 30000;
constexpr uint64_t SAVE_EVERY_MS = 10000;  // settings lie in flash, which each save wears
constexpr uint64_t LOOK_EVERY_MS = 100;
constexpr uint32_t FIRST_READING_WITHIN_MS = 1000;  // not all boards of a plant at once when its power comes back
constexpr uint32_t GOODBYE_MS = 300;

void watch() {
    esp_task_wdt_config_t config = {};
    config.timeout_ms = WATCHDOG_MS;
    config.idle_core_mask = 1;  // and whether the tasks of the first core leave anything to the others
    config.trigger_panic = true;
    esp_task_wdt_reconfigure(&config);
    esp_task_wdt_add(nullptr);
}

/// The chip's own clock goes on through a restart, though not through a loss of power.
void resume_clock(Device& device) {
    timeval now = {};
    gettimeofday(&now, nullptr);
    device.time_told(int64_t{now.tv_sec} * 1000 + now.tv_usec / 1000, uptime_ms());
}

}  // namespace

uint64_t uptime_ms() { return static_cast<uint64_t>(esp_timer_get_time() / 1000); }

Board::Board()
    : device({provision.device_id, provision.root, FIRMWARE}, is_real() ? static_cast<Sensors&>(real) : twin_,
             is_real() ? nullptr : &twin_, outbox_, link_) {}

void Board::start() {
    watch();
    led_.begin();
    console_.begin();
    Serial.printf("\npump twin, firmware %s, reset reason %d; `help` tells more\n", FIRMWARE, esp_reset_reason());
    if (provision_found == Store::Found::BAD) {
        Serial.println("the stored provisioning is not valid and is ignored");
    }
    char missing[ERROR_ROOM];
    if (!complete(provision, missing)) {
        Serial.printf("not provisioned: %s missing\n", missing);
        return;
    }
    start_device();
}

void Board::start_device() {
    flash_trouble_ = flash.begin();
    if (flash_trouble_ != nullptr) {
        Serial.printf("readings cannot be stored: %s\n", flash_trouble_);
    }
    if (is_real()) {
        const char* const wrong = real.begin(wiring);
        if (wiring_found == Store::Found::BAD) {
            Serial.println("the stored wiring is of another firmware and is ignored");
        }
        if (wrong != nullptr) {
            Serial.printf("sensors: %s\n", wrong);
        }
    }
    Settings settings = usual_settings();
    settings.number = number_of(provision.device_id);
    if (store.load(settings) == Store::Found::BAD) {
        Serial.println("the stored settings are not valid: the usual ones are used");
    }
    link_.begin(device);
    const uint64_t now_ms = uptime_ms();
    is_running_ = device.start(settings, now_ms);
    device.sample_from(now_ms + esp_random() % FIRST_READING_WITHIN_MS);
    if (!is_running_) {
        Serial.println("the device cannot start: device_id or topic_root is not valid");
        return;
    }
    resume_clock(device);
    network.begin(provision);
    Serial.printf("%s with %s sensors, %lu readings wait\n", provision.device_id,
                  SOURCE_NAMES[static_cast<int>(provision.sensors)],
                  static_cast<unsigned long>(device.status(now_ms).waiting));
}

void Board::turn() {
    esp_task_wdt_reset();
    console_.work();
    const uint64_t now_ms = uptime_ms();
    if (is_running_) {
        int64_t epoch_ms;
        uint64_t at_ms;
        if (network.take_time(epoch_ms, at_ms) && !device.time_told(epoch_ms, at_ms)) {
            Serial.println("the time server tells a time that cannot be");
        }
        network.work(now_ms);
        link_.work();
        device.step(uptime_ms(), esp_random());
        keep_settings(now_ms);
    }
    if (now_ms >= look_at_ms_) {
        look_at_ms_ = now_ms + LOOK_EVERY_MS;
        condition_ = condition(now_ms);
        tell_news();
    }
    led_.show(condition_, now_ms);
}

void Board::keep_settings(uint64_t now_ms) {
    unsaved_ = device.settings_changed() || unsaved_;
    if (!unsaved_ || now_ms < save_at_ms_) {
        return;
    }
    unsaved_ = false;
    save_at_ms_ = now_ms + SAVE_EVERY_MS;
    if (!store.save(device.settings())) {
        Serial.println("the settings cannot be stored: they last until the power goes");
    }
}

Condition Board::condition(uint64_t now_ms) const {
    if (!is_running_) {
        return Condition::NOT_PROVISIONED;
    }
    if (!network.is_up()) {
        return Condition::NO_WIFI;
    }
    if (!device.is_connected()) {
        return link_.is_refused() ? Condition::REFUSED : Condition::NO_BROKER;
    }
    if (flash_trouble_ != nullptr || outbox_.failures() > 0) {
        return Condition::FLASH_FAILED;
    }
    return device.status(now_ms).time_ms == UNKNOWN_MS ? Condition::CLOCK_NOT_SET : Condition::FINE;
}

/// What no status tells, on the serial line.
void Board::tell_news() {
    if (network.is_up() != was_up_) {
        was_up_ = !was_up_;
        if (was_up_) {
            device.network_returned();
            Serial.printf("Wi-Fi: %s\n", WiFi.localIP().toString().c_str());
        } else {
            Serial.printf("Wi-Fi: down, %s\n", network.why_down());
        }
    }
    if (link_.hears_no_commands() && !was_deaf_) {
        Serial.println("the broker does not let this device read its command topic");
    }
    was_deaf_ = link_.hears_no_commands();
    if (link_.commands_lost() != commands_lost_) {
        commands_lost_ = link_.commands_lost();
        Serial.printf("commands came too fast: %lu lost since the start\n", static_cast<unsigned long>(commands_lost_));
    }
}

void Board::restart() {
    if (is_running_ && device.is_connected()) {
        device.say_goodbye(uptime_ms());
    }
    Serial.flush();
    delay(GOODBYE_MS);
    esp_restart();
}

}  // namespace pdm::board
