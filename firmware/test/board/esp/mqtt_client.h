// As much of esp-mqtt as the link uses. What a client does is up to the test.
#pragma once

#include <cstdint>

using esp_err_t = int;
constexpr esp_err_t ESP_OK = 0, ESP_FAIL = -1;
using esp_event_base_t = const char*;
using esp_mqtt_client_handle_t = struct esp_mqtt_client*;
using esp_event_handler_t = void (*)(void*, esp_event_base_t, int32_t, void*);

enum esp_mqtt_event_id_t {
    MQTT_EVENT_ANY = -1, MQTT_EVENT_ERROR = 0, MQTT_EVENT_CONNECTED, MQTT_EVENT_DISCONNECTED, MQTT_EVENT_SUBSCRIBED,
    MQTT_EVENT_UNSUBSCRIBED, MQTT_EVENT_PUBLISHED, MQTT_EVENT_DATA, MQTT_EVENT_BEFORE_CONNECT
};
enum esp_mqtt_connect_return_code_t {
    MQTT_CONNECTION_ACCEPTED, MQTT_CONNECTION_REFUSE_PROTOCOL, MQTT_CONNECTION_REFUSE_ID_REJECTED,
    MQTT_CONNECTION_REFUSE_SERVER_UNAVAILABLE, MQTT_CONNECTION_REFUSE_BAD_USERNAME,
    MQTT_CONNECTION_REFUSE_NOT_AUTHORIZED
};
enum esp_mqtt_error_type_t {
    MQTT_ERROR_TYPE_NONE, MQTT_ERROR_TYPE_TCP_TRANSPORT, MQTT_ERROR_TYPE_CONNECTION_REFUSED,
    MQTT_ERROR_TYPE_SUBSCRIBE_FAILED
};
enum esp_mqtt_transport_t { MQTT_TRANSPORT_UNKNOWN, MQTT_TRANSPORT_OVER_TCP, MQTT_TRANSPORT_OVER_SSL };

struct esp_mqtt_error_codes_t {
    esp_err_t esp_tls_last_esp_err;
    int esp_tls_cert_verify_flags;
    esp_mqtt_error_type_t error_type;
    esp_mqtt_connect_return_code_t connect_return_code;
};

struct esp_mqtt_event_t {
    char* data;
    int data_len, total_data_len, current_data_offset, msg_id;
    esp_mqtt_error_codes_t* error_handle;
    bool retain;
};
using esp_mqtt_event_handle_t = esp_mqtt_event_t*;

struct esp_mqtt_client_config_t {
    struct {
        struct {
            const char* hostname;
            esp_mqtt_transport_t transport;
            uint32_t port;
        } address;
        struct {
            const char* certificate;
        } verification;
    } broker;
    struct {
        const char *username, *client_id;
        struct {
            const char* password;
        } authentication;
    } credentials;
    struct {
        struct {
            const char *topic, *msg;
            int msg_len, qos, retain;
        } last_will;
        int keepalive, message_retransmit_timeout;
    } session;
    struct {
        int reconnect_timeout_ms, timeout_ms;
        bool disable_auto_reconnect;
    } network;
    struct {
        int priority;
    } task;
    struct {
        int size, out_size;
    } buffer;
};

esp_mqtt_client_handle_t esp_mqtt_client_init(const esp_mqtt_client_config_t* config);
esp_err_t esp_mqtt_client_register_event(esp_mqtt_client_handle_t, esp_mqtt_event_id_t, esp_event_handler_t, void*);
esp_err_t esp_mqtt_client_start(esp_mqtt_client_handle_t client);
esp_err_t esp_mqtt_client_disconnect(esp_mqtt_client_handle_t client);
esp_err_t esp_mqtt_client_stop(esp_mqtt_client_handle_t client);
esp_err_t esp_mqtt_client_destroy(esp_mqtt_client_handle_t client);
int esp_mqtt_client_subscribe_single(esp_mqtt_client_handle_t client, const char* topic, int qos);
int esp_mqtt_client_publish(esp_mqtt_client_handle_t, const char* topic, const char*, int bytes, int qos, int retain);
