#include "mqtt_link.hpp"

#include <algorithm>
#include <string.h>

#include <esp_tls_errors.h>
#include <freertos/task.h>
#include <mbedtls/x509.h>

namespace pdm::board {
namespace {

constexpr int AT_LEAST_ONCE = 1;
constexpr int KEEPALIVE_S = 30;
// name look-up, TCP, TLS and the broker's answer together stay below the 45 s that the device waits
constexpr int NETWORK_TIMEOUT_MS = 10000;
// that of the Arduino loop: agreeing on TLS takes the processor for a second or two, and readings go on meanwhile
constexpr int LOW_PRIORITY = 1;
// a command of the greatest length with its topic is one event
constexpr int IN_BUFFER_BYTES = MAX_COMMAND_BYTES + TOPIC_ROOM + 16;
// the greatest message is the one that connects: will, client id, name, password
constexpr int OUT_BUFFER_BYTES = STATUS_ROOM + TOPIC_ROOM + CLIENT_ID_ROOM + sizeof Provision::username +
                                 sizeof Provision::password + 32;

esp_mqtt_client_config_t config_of(const Provision& provision, const char* client_id) {
    esp_mqtt_client_config_t config = {};
    config.broker.address.hostname = provision.broker_host;
    config.broker.address.port = provision.broker_port;
    config.broker.address.transport = provision.tls ? MQTT_TRANSPORT_OVER_SSL : MQTT_TRANSPORT_OVER_TCP;
    config.broker.verification.certificate = provision.tls ? provision.ca_pem : nullptr;
    config.credentials.client_id = client_id;
    if (provision.username[0] != '\0') {
        config.credentials.username = provision.username;
        config.credentials.authentication.password = provision.password;
    }
    config.session.keepalive = KEEPALIVE_S;
    // the device itself sends again what is not acknowledged, over a new connection and nowhere else
    config.session.message_retransmit_timeout = 3600 * 1000;
    config.task.priority = LOW_PRIORITY;
    config.network.disable_auto_reconnect = true;
    config.network.timeout_ms = NETWORK_TIMEOUT_MS;
    config.network.reconnect_timeout_ms = 100;  // its task looks twice in that time whether it shall end
    config.buffer.size = IN_BUFFER_BYTES;
    config.buffer.out_size = OUT_BUFFER_BYTES;
    return config;
}

}  // namespace

void MqttLink::begin(Device& device) {
    device_ = &device;
    events_ = xQueueCreateStatic(EVENTS, sizeof(Event), events_storage_, &events_memory_);
    commands_ = xMessageBufferCreateStatic(sizeof commands_storage_, commands_storage_, &commands_memory_);
}

void MqttLink::connect(const char* will_topic, const char* will_payload, size_t will_bytes) {
    if (phase_ == Phase::CONNECTED) {
        // the broker has stopped to answer: the connection ends first, and the device is told when it has
        phase_ = Phase::CLOSING;
        esp_mqtt_client_disconnect(client_);
        return;
    }
    discard();
    failure_ = {"unreachable: no answer", false};
    if (!has_wifi_) {
        not_begun_ = "no Wi-Fi";
        return;
    }
    char client_id[CLIENT_ID_ROOM];
    client_id_of(provision_.device_id, client_id);
    esp_mqtt_client_config_t config = config_of(provision_, client_id);
    config.session.last_will.topic = will_topic;
    config.session.last_will.msg = will_payload;
    config.session.last_will.msg_len = static_cast<int>(will_bytes);
    config.session.last_will.qos = AT_LEAST_ONCE;
    config.session.last_will.retain = 1;
    client_ = esp_mqtt_client_init(&config);
    if (client_ == nullptr || esp_mqtt_client_register_event(client_, MQTT_EVENT_ANY, on_event, this) != ESP_OK ||
        esp_mqtt_client_start(client_) != ESP_OK) {
        not_begun_ = "no memory for a connection";
        return;
    }
    phase_ = Phase::CONNECTING;
}

/// Do away with what the last attempt has left, its events included.
void MqttLink::discard() {
    if (client_ != nullptr) {
        esp_mqtt_client_stop(client_);
        // its task tells that it ends a moment before it does, and touches the client once more
        vTaskDelay(pdMS_TO_TICKS(10));
        esp_mqtt_client_destroy(client_);
        client_ = nullptr;
    }
    phase_ = Phase::IDLE;
    xQueueReset(events_);
    memset(messages_, 0, sizeof messages_);
}

MqttLink::Message* MqttLink::place_for(uint32_t bytes, bool retained) {
    Message* free = nullptr;
    uint32_t in_flight = 0;
    for (Message& message : messages_) {
        in_flight += message.bytes;
        if (message.id == 0) {
            free = &message;
        }
    }
    const uint32_t limit = retained ? IN_FLIGHT_BYTES : IN_FLIGHT_BYTES - FOR_STATUS_BYTES;
    return in_flight + bytes <= limit ? free : nullptr;
}

int32_t MqttLink::publish(const char* topic, const char* payload, size_t bytes, bool retained) {
    const uint32_t on_wire = static_cast<uint32_t>(bytes + strlen(topic)) + OVERHEAD_BYTES;
    Message* const place = place_for(on_wire, retained);
    if (phase_ != Phase::CONNECTED || place == nullptr) {
        return REFUSED;
    }
    const int id = esp_mqtt_client_publish(client_, topic, payload, static_cast<int>(bytes), AT_LEAST_ONCE, retained);
    if (id <= 0) {
        return REFUSED;
    }
    // esp-mqtt draws its ids by chance. Of two messages under one id nobody can tell which was acknowledged, so the
    // second counts as not sent; it is sent again, and the platform knows it for the same reading.
    for (const Message& message : messages_) {
        if (message.id == id) {
            return REFUSED;
        }
    }
    *place = {id, on_wire};
    return id;
}

void MqttLink::subscribe(const char* topic) {
    if (phase_ != Phase::CONNECTED) {
        return;
    }
    hears_no_commands_ = false;
    if (esp_mqtt_client_subscribe_single(client_, topic, AT_LEAST_ONCE) < 0) {
        esp_mqtt_client_disconnect(client_);  // a device that hears no commands is to try again
    }
}

void MqttLink::work() {
    if (not_begun_ != nullptr) {
        const char* const why = not_begun_;
        not_begun_ = nullptr;
        is_refused_ = false;
        device_->disconnected(why);
    }
    Event event;
    while (xQueueReceive(events_, &event, 0) == pdTRUE) {
        take(event);
    }
    while (xMessageBufferReceive(commands_, &taken_, sizeof taken_, 0) > 0) {
        device_->obey(taken_.text, taken_.bytes, taken_.retained);
    }
}

void MqttLink::take(const Event& event) {
    switch (event.kind) {
        case Event::Kind::CONNECTED:
            phase_ = Phase::CONNECTED;
            is_refused_ = false;
            device_->connected();
            break;
        case Event::Kind::ACKNOWLEDGED: acknowledged(event.message_id); break;
        case Event::Kind::CLOSED:
            discard();
            is_refused_ = event.failure.refused;
            if (is_refused_) {
                device_->refused(event.failure.why);
            } else {
                device_->disconnected(event.failure.why);
            }
            break;
    }
}

void MqttLink::acknowledged(int32_t message_id) {
    for (Message& message : messages_) {
        if (message.id == message_id) {
            message = {};
            device_->acknowledged(message_id);
            return;
        }
    }
}

void MqttLink::on_event(void* self, esp_event_base_t, int32_t id, void* data) {
    auto& link = *static_cast<MqttLink*>(self);
    const auto& event = *static_cast<esp_mqtt_event_handle_t>(data);
    switch (id) {
        case MQTT_EVENT_CONNECTED:
            link.failure_ = {"connection lost", false};
            link.post(Event::Kind::CONNECTED);
            break;
        case MQTT_EVENT_DISCONNECTED: link.post(Event::Kind::CLOSED); break;
        case MQTT_EVENT_PUBLISHED: link.post(Event::Kind::ACKNOWLEDGED, event.msg_id); break;
        case MQTT_EVENT_DATA: link.take_command(event); break;
        case MQTT_EVENT_ERROR:
            if (event.error_handle->error_type == MQTT_ERROR_TYPE_SUBSCRIBE_FAILED) {
                link.hears_no_commands_ = true;
            } else {
                link.failure_ = failure_of(*event.error_handle);
            }
            break;
        default: break;
    }
}

MqttLink::Failure MqttLink::failure_of(const esp_mqtt_error_codes_t& error) {
    if (error.error_type == MQTT_ERROR_TYPE_CONNECTION_REFUSED) {
        switch (error.connect_return_code) {
            case MQTT_CONNECTION_REFUSE_BAD_USERNAME: return {"refused: bad user name or password", true};
            case MQTT_CONNECTION_REFUSE_NOT_AUTHORIZED: return {"refused: not authorised", true};
            case MQTT_CONNECTION_REFUSE_ID_REJECTED: return {"refused: client id", true};
            case MQTT_CONNECTION_REFUSE_PROTOCOL: return {"refused: protocol", true};
            default: return {"refused: server unavailable", false};
        }
    }
    // -1: it did not come to a look at the certificate
    const int flags = error.esp_tls_cert_verify_flags == -1 ? 0 : error.esp_tls_cert_verify_flags;
    if ((flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) != 0) {
        return {"TLS failed: the certificate is not for broker_host", false};
    }
    if (flags != 0) {
        return {"TLS failed: ca_pem has not signed the certificate", false};
    }
    switch (error.esp_tls_last_esp_err) {
        case ESP_ERR_ESP_TLS_CANNOT_RESOLVE_HOSTNAME: return {"unreachable: no such name as broker_host", false};
        case ESP_ERR_MBEDTLS_X509_CRT_PARSE_FAILED: return {"TLS failed: ca_pem is no certificate", false};
        case ESP_ERR_MBEDTLS_SSL_HANDSHAKE_FAILED: return {"TLS failed", false};
        case ESP_ERR_MBEDTLS_SSL_SETUP_FAILED: return {"TLS failed: no memory", false};
        case ESP_ERR_ESP_TLS_TCP_CLOSED_FIN: return {"closed by the broker", false};
        default: return {"unreachable", false};
    }
}

// The queue has room for all that one connection can tell. Were it full, an acknowledgement would be missing, and the
// device would connect again after 45 s.
void MqttLink::post(Event::Kind kind, int32_t message_id) {
    const Event event = {kind, message_id, failure_};
    xQueueSend(events_, &event, 0);
}

void MqttLink::take_command(const esp_mqtt_event_t& event) {
    if (event.current_data_offset > 0) {
        return;  // the rest of a message that was too long when it began
    }
    came_.bytes = static_cast<uint32_t>(event.total_data_len);
    came_.retained = event.retain;
    size_t kept = 0;
    if (event.data_len == event.total_data_len && came_.bytes <= sizeof came_.text) {
        kept = came_.bytes;
        std::copy_n(event.data, kept, came_.text);
    } else {
        // the device refuses it for its length, without a look at its text
        came_.bytes = std::max<uint32_t>(came_.bytes, MAX_COMMAND_BYTES + 1);
    }
    const size_t whole = offsetof(Command, text) + kept;
    if (xMessageBufferSend(commands_, &came_, whole, 0) != whole) {
        ++commands_lost_;
    }
}

}  // namespace pdm::board
