#include "network.hpp"

#include "arduino.hpp"

#include <WiFi.h>
#include <esp_sntp.h>
#include <esp_timer.h>
#include <freertos/queue.h>

namespace pdm::board {
namespace {

struct Told {
    int64_t epoch_ms;
    uint64_t uptime_ms;
};

StaticQueue_t queue_memory;
uint8_t queue_storage[sizeof(Told)];
QueueHandle_t told_times;  // holds the newest only

// in lwIP's task
void on_time(timeval* now) {
    const Told told = {int64_t{now->tv_sec} * 1000 + now->tv_usec / 1000,
                       static_cast<uint64_t>(esp_timer_get_time() / 1000)};
    xQueueOverwrite(told_times, &told);
}

}  // namespace

void Network::begin(const Provision& provision) {
    told_times = xQueueCreateStatic(1, sizeof(Told), queue_storage, &queue_memory);
    // in a task of the Arduino core
    WiFi.onEvent([this](arduino_event_id_t event, arduino_event_info_t info) {
        if (event == ARDUINO_EVENT_WIFI_STA_GOT_IP) {
            up_ = true;
        } else if (event == ARDUINO_EVENT_WIFI_STA_DISCONNECTED || event == ARDUINO_EVENT_WIFI_STA_LOST_IP) {
            if (event == ARDUINO_EVENT_WIFI_STA_DISCONNECTED) {
                reason_ = info.wifi_sta_disconnected.reason;
            }
            up_ = false;
        }
    });
    WiFi.persistent(false);  // the library would keep the password in NVS a second time
    WiFi.mode(WIFI_STA);
    WiFi.setAutoReconnect(true);
    WiFi.begin(provision.wifi_ssid, provision.wifi_password[0] != '\0' ? provision.wifi_password : nullptr);
    sntp_set_time_sync_notification_cb(on_time);
    configTime(0, 0, provision.ntp_server);
}

// the library tries again by itself, but not after every reason: not after a refused password
void Network::work(uint64_t uptime_ms) {
    if (up_) {
        again_ms_ = uptime_ms + AGAIN_MS;
    } else if (uptime_ms >= again_ms_) {
        again_ms_ = uptime_ms + AGAIN_MS;
        WiFi.reconnect();
    }
}

const char* Network::why_down() const {
    const uint8_t reason = reason_;
    return reason == 0 ? "not connected yet" : WiFi.disconnectReasonName(static_cast<wifi_err_reason_t>(reason));
}

bool Network::take_time(int64_t& epoch_ms, uint64_t& uptime_ms) {
    Told told;
    if (xQueueReceive(told_times, &told, 0) != pdTRUE) {
        return false;
    }
    epoch_ms = told.epoch_ms;
    uptime_ms = told.uptime_ms;
    return true;
}

}  // namespace pdm::board
