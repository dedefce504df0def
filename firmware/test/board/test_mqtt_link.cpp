// The board's link with the device behind it, over an esp-mqtt that does what the test says.
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "../../src/mqtt_link.hpp"
#include "../ram_flash.hpp"
#include "esp_tls_errors.h"
#include "mbedtls/x509.h"

using namespace pdm;

struct esp_mqtt_client {
    struct Message {
        std::string topic, payload;
        int id;
        bool retained;
    };

    std::string host, certificate, client_id, username, password, will_topic, will;
    uint32_t port = 0;
    bool tls = false, started = false, asked_to_close = false;
    esp_event_handler_t handler = nullptr;
    void* self = nullptr;
    std::vector<Message> messages;
    std::string subscribed;

    void tell(esp_mqtt_event_id_t what, esp_mqtt_event_t event = {}) { handler(self, "", what, &event); }
    void connect() { tell(MQTT_EVENT_CONNECTED); }
    void close() { tell(MQTT_EVENT_DISCONNECTED); }
    void fail(esp_mqtt_error_codes_t error) {
        esp_mqtt_event_t event = {};
        event.error_handle = &error;
        tell(MQTT_EVENT_ERROR, event);
        close();
    }
    void acknowledge(int id) {
        esp_mqtt_event_t event = {};
        event.msg_id = id;
        tell(MQTT_EVENT_PUBLISHED, event);
    }
    /// A command, in pieces of so many bytes.
    void command(std::string text, bool retained = false, size_t piece = SIZE_MAX) {
        for (size_t at = 0; at == 0 || at < text.size(); at += piece) {
            esp_mqtt_event_t event = {};
            event.data = text.empty() ? nullptr : text.data() + at;
            event.data_len = static_cast<int>(std::min(piece, text.size() - at));
            event.total_data_len = static_cast<int>(text.size());
            event.current_data_offset = static_cast<int>(at);
            event.retain = retained;
            tell(MQTT_EVENT_DATA, event);
            if (piece == SIZE_MAX) {
                break;
            }
        }
    }
};

namespace {

using Client = esp_mqtt_client;
Client* client = nullptr;  // the one there is
int clients_made = 0, next_id = 1;
bool is_out_of_memory = false, takes_subscriptions = true;

std::string text_of(const char* text) { return text == nullptr ? "" : text; }

}  // namespace

esp_mqtt_client_handle_t esp_mqtt_client_init(const esp_mqtt_client_config_t* config) {
    REQUIRE(client == nullptr);
    if (is_out_of_memory) {
        return nullptr;
    }
    ++clients_made;
    client = new Client;
    client->host = text_of(config->broker.address.hostname);
    client->port = config->broker.address.port;
    client->tls = config->broker.address.transport == MQTT_TRANSPORT_OVER_SSL;
    client->certificate = text_of(config->broker.verification.certificate);
    client->client_id = text_of(config->credentials.client_id);
    client->username = text_of(config->credentials.username);
    client->password = text_of(config->credentials.authentication.password);
    const auto& will = config->session.last_will;
    client->will_topic = text_of(will.topic);
    client->will.assign(will.msg, static_cast<size_t>(will.msg_len));
    CHECK(will.qos == 1);
    CHECK(will.retain == 1);
    CHECK(config->network.disable_auto_reconnect);
    return client;
}

esp_err_t esp_mqtt_client_register_event(Client* of, esp_mqtt_event_id_t, esp_event_handler_t handler, void* self) {
    of->handler = handler;
    of->self = self;
    return ESP_OK;
}

esp_err_t esp_mqtt_client_start(Client* of) {
    of->started = true;
    return ESP_OK;
}

esp_err_t esp_mqtt_client_disconnect(Client* of) {
    of->asked_to_close = true;
    return ESP_OK;
}

esp_err_t esp_mqtt_client_stop(Client* of) {
    of->started = false;
    return ESP_OK;
}

esp_err_t esp_mqtt_client_destroy(Client* of) {
    CHECK_FALSE(of->started);
    CHECK(of == client);
    delete of;
    client = nullptr;
    return ESP_OK;
}

int esp_mqtt_client_subscribe_single(Client* of, const char* topic, int qos) {
    CHECK(qos == 1);
    of->subscribed = topic;
    return takes_subscriptions ? 1 : -1;
}

int esp_mqtt_client_publish(Client* of, const char* topic, const char* data, int bytes, int qos, int retain) {
    CHECK(qos == 1);
    of->messages.push_back({topic, std::string(data, static_cast<size_t>(bytes)), next_id, retain != 0});
    return next_id++;
}

namespace {

constexpr int64_t NOON_MS = 1767268800000;

Provision provision() {
    Provision of;
    std::strcpy(of.device_id, "pump-a");
    std::strcpy(of.broker_host, "broker.example");
    std::strcpy(of.username, "pump-a");
    std::strcpy(of.password, "secret");
    std::strcpy(of.ca_pem, "-----BEGIN CERTIFICATE-----");
    return of;
}

/// A board without its board.
struct Rig {
    const Provision told = provision();
    std::atomic<bool> has_wifi{true};
    RamFlash flash{8, 4096};
    Outbox outbox{flash};
    Twin twin;
    pdm::board::MqttLink link{told, has_wifi};
    Device device{{told.device_id, told.root, "test"}, twin, &twin, outbox, link};
    uint64_t now_ms = 1000;

    Rig() {
        is_out_of_memory = false;
        takes_subscriptions = true;
        link.begin(device);
        REQUIRE(device.start(Settings(), now_ms));
        device.sample_from(now_ms + 1000);
        device.time_told(NOON_MS, now_ms);
    }
    ~Rig() {
        delete client;
        client = nullptr;
    }

    void run(uint64_t ms) {
        for (const uint64_t until_ms = now_ms + ms; now_ms < until_ms; now_ms += 100) {
            link.work();
            device.step(now_ms, UINT32_MAX);
        }
        link.work();
    }
    void connect() {
        run(100);
        REQUIRE(client != nullptr);
        client->connect();
        run(100);
        REQUIRE(device.is_connected());
    }
    Status status() const { return device.status(now_ms); }
    std::string said() const { return status().link; }
};

std::vector<Client::Message> readings() {
    std::vector<Client::Message> found;
    for (const Client::Message& message : client->messages) {
        if (message.topic == "factory/pumps/pump-a/telemetry") {
            found.push_back(message);
        }
    }
    return found;
}

std::string failed_with(esp_mqtt_error_codes_t error, bool& refused) {
    Rig rig;
    rig.run(100);
    client->fail(error);
    rig.run(100);
    CHECK_FALSE(rig.device.is_connected());
    refused = rig.link.is_refused();
    CHECK(rig.said().size() <= 64);
    return rig.said();
}

}  // namespace

TEST_CASE("the link connects as it was provisioned, with a retained last will, and subscribes to commands") {
    Rig rig;
    rig.connect();
    CHECK(client->host == "broker.example");
    CHECK(client->port == 8883);
    CHECK(client->tls);
    CHECK(client->certificate == "-----BEGIN CERTIFICATE-----");
    CHECK(client->client_id == "device-pump-a");
    CHECK(client->username == "pump-a");
    CHECK(client->password == "secret");
    CHECK(client->will_topic == "factory/pumps/pump-a/status");
    CHECK(client->will.find("\"online\":false") != std::string::npos);
    CHECK(client->subscribed == "factory/pumps/pump-a/command");
    CHECK(rig.said() == "ok");
}

TEST_CASE("without Wi-Fi no attempt is made, and the device says so and goes on trying") {
    Rig rig;
    rig.has_wifi = false;
    rig.run(5000);
    CHECK(client == nullptr);
    CHECK(rig.said() == "no Wi-Fi");
    rig.has_wifi = true;
    rig.run(60000);
    CHECK(client != nullptr);
}

TEST_CASE("a reading that the broker acknowledges waits no more") {
    Rig rig;
    rig.connect();
    rig.run(2000);
    REQUIRE(readings().size() == 1);
    CHECK(rig.outbox.waiting() == 1);
    client->acknowledge(readings()[0].id);
    rig.run(100);
    CHECK(rig.outbox.waiting() == 0);
    CHECK(rig.device.published() == 1);
}

TEST_CASE("each failure has words of its own, and only a refusal counts as one") {
    bool refused = false;
    const auto said = [&](esp_mqtt_error_codes_t error) { return failed_with(error, refused); };
    constexpr auto TCP = MQTT_ERROR_TYPE_TCP_TRANSPORT;
    constexpr auto REFUSED = MQTT_ERROR_TYPE_CONNECTION_REFUSED;
    CHECK(said({0, 0, REFUSED, MQTT_CONNECTION_REFUSE_BAD_USERNAME}) == "refused: bad user name or password");
    CHECK(refused);
    CHECK(said({0, 0, REFUSED, MQTT_CONNECTION_REFUSE_NOT_AUTHORIZED}) == "refused: not authorised");
    CHECK(refused);
    CHECK(said({0, 0, REFUSED, MQTT_CONNECTION_REFUSE_SERVER_UNAVAILABLE}) == "refused: server unavailable");
    CHECK_FALSE(refused);
    CHECK(said({ESP_ERR_ESP_TLS_FAILED_CONNECT_TO_HOST, 0, TCP, {}}) == "unreachable");
    CHECK(said({ESP_ERR_ESP_TLS_CANNOT_RESOLVE_HOSTNAME, 0, TCP, {}}) == "unreachable: no such name as broker_host");
    CHECK(said({ESP_ERR_MBEDTLS_SSL_HANDSHAKE_FAILED, MBEDTLS_X509_BADCERT_NOT_TRUSTED, TCP, {}}) ==
          "TLS failed: ca_pem has not signed the certificate");
    CHECK(said({ESP_ERR_MBEDTLS_SSL_HANDSHAKE_FAILED, MBEDTLS_X509_BADCERT_CN_MISMATCH, TCP, {}}) ==
          "TLS failed: the certificate is not for broker_host");
    CHECK(said({ESP_ERR_MBEDTLS_SSL_HANDSHAKE_FAILED, -1, TCP, {}}) == "TLS failed");
    CHECK_FALSE(refused);
}

TEST_CASE("a connection that ends without an error is lost, and an attempt that does had no answer") {
    Rig rig;
    rig.run(100);
    client->close();
    rig.run(100);
    CHECK(rig.said() == "unreachable: no answer");
    rig.run(60000);
    client->connect();
    rig.run(100);
    client->close();
    rig.run(100);
    CHECK(rig.said() == "connection lost");
    CHECK(client == nullptr);
}

TEST_CASE("after the connection was lost all that is not acknowledged is sent again, by another client") {
    Rig rig;
    rig.connect();
    rig.run(2000);
    const auto before = readings();
    client->close();
    rig.run(2000);
    REQUIRE(client != nullptr);
    CHECK(clients_made >= 2);
    client->connect();
    rig.run(100);
    REQUIRE(readings().size() >= 1);
    CHECK(readings()[0].payload == before[0].payload);
}

TEST_CASE("what waits for an acknowledgement fills TCP's buffer only half, and leaves room for the status") {
    Rig rig;
    rig.run(30000);
    rig.device.obey(R"({"interval_s": 0.1})", 19);
    rig.run(5000);
    REQUIRE(rig.outbox.waiting() > 20);
    client->connect();
    rig.run(3000);
    size_t bytes = 0;
    int statuses = 0;
    for (const Client::Message& message : client->messages) {
        bytes += message.topic.size() + message.payload.size();
        statuses += message.retained;
    }
    CHECK(bytes < 2880);
    CHECK(readings().size() >= 3);
    CHECK(statuses >= 1);
    const size_t before = readings().size();
    for (const Client::Message& message : std::vector<Client::Message>(client->messages)) {
        client->acknowledge(message.id);
    }
    rig.run(100);
    CHECK(readings().size() > before);
}

TEST_CASE("of two messages under one id the second counts as not sent, and is sent again under another") {
    Rig rig;
    rig.connect();
    rig.device.obey(R"({"interval_s": 0.5})", 19);
    rig.run(3000);
    REQUIRE(readings().size() >= 2);
    const auto first = readings()[0];
    for (const Client::Message& message : client->messages) {
        if (message.id != first.id) {
            client->acknowledge(message.id);
        }
    }
    next_id = first.id;
    const size_t before = readings().size();
    rig.run(500);
    REQUIRE(readings().size() > before + 1);
    const auto doubled = readings()[before], again = readings()[before + 1];
    REQUIRE(doubled.id == first.id);
    CHECK(again.payload == doubled.payload);
    CHECK(again.id != doubled.id);
    const uint32_t waiting = rig.outbox.waiting();
    client->acknowledge(first.id);
    client->acknowledge(first.id);
    rig.run(100);
    CHECK(rig.outbox.waiting() == waiting - 1);
}

TEST_CASE("a command is obeyed, and one that is cleared does nothing") {
    Rig rig;
    rig.connect();
    client->command(R"({"mode": "data_collection"})");
    rig.run(100);
    CHECK(rig.status().mode == Mode::DATA_COLLECTION);
    client->command("", true);
    rig.run(100);
    CHECK(std::string(rig.status().command) == "ok");
}

TEST_CASE("a command of the greatest length is read, and one byte more is refused, in one piece or in many") {
    Rig rig;
    rig.connect();
    const std::string longest = R"({"seed": 9)" + std::string(MAX_COMMAND_BYTES - 11, ' ') + "}";
    REQUIRE(longest.size() == MAX_COMMAND_BYTES);
    client->command(longest);
    rig.run(100);
    CHECK(rig.device.settings().seed == 9);
    for (const size_t piece : {SIZE_MAX, size_t{500}}) {
        client->command(longest + " ", false, piece);
        rig.run(100);
        CHECK(std::string(rig.status().command) == "a command of 1025 bytes is over 1024");
        client->command(R"({"report": true})");
        rig.run(100);
        CHECK(std::string(rig.status().command) == "ok");
    }
}

TEST_CASE("a short command that comes in pieces is refused, and nothing else is taken for its text") {
    Rig rig;
    rig.connect();
    client->command(R"({"seed": 9})");
    rig.run(100);
    client->command(R"({"seed": 8})", false, 4);
    rig.run(100);
    CHECK(rig.device.settings().seed == 9);
    CHECK(std::string(rig.status().command) != "ok");
}

TEST_CASE("a retained command is known as such") {
    Rig rig;
    rig.connect();
    client->command(R"({"repair": true})", true);
    rig.run(100);
    CHECK(std::string(rig.status().command).find("retained") != std::string::npos);
}

TEST_CASE("commands that come faster than they are obeyed are counted, and the device lives") {
    Rig rig;
    rig.connect();
    for (int index = 0; index < 100; ++index) {
        client->command(R"({"seed": )" + std::to_string(index) + std::string(200, ' ') + "}");
    }
    rig.run(100);
    CHECK(rig.link.commands_lost() > 0);
    CHECK(rig.link.commands_lost() < 100);
    CHECK(rig.device.settings().seed < 100);
}

TEST_CASE("a broker that answers no more is left and asked anew") {
    Rig rig;
    rig.connect();
    const int before = clients_made;
    rig.run(60000);
    REQUIRE(client->asked_to_close);
    CHECK_FALSE(rig.device.is_connected());
    client->close();
    rig.run(5000);
    CHECK(clients_made == before + 1);
    client->connect();
    rig.run(100);
    CHECK(rig.device.is_connected());
}

TEST_CASE("a connection that does not even end is done away with") {
    Rig rig;
    rig.connect();
    const int before = clients_made;
    rig.run(60000);
    REQUIRE(client->asked_to_close);
    rig.run(120000);
    CHECK(clients_made > before);
}

TEST_CASE("an attempt that tells nothing at all is given up, and what it tells later is not believed") {
    Rig rig;
    rig.run(100);
    const int before = clients_made;
    rig.run(50000);
    CHECK(clients_made == before + 1);
    client->connect();
    rig.run(100);
    CHECK(rig.device.is_connected());
}

TEST_CASE("without memory for a connection the device says so and goes on trying") {
    Rig rig;
    is_out_of_memory = true;
    rig.run(5000);
    CHECK(rig.said() == "no memory for a connection");
    is_out_of_memory = false;
    rig.run(60000);
    CHECK(client != nullptr);
}

TEST_CASE("a subscription that cannot be sent ends the connection, and one that is refused is told") {
    Rig rig;
    takes_subscriptions = false;
    rig.run(100);
    client->connect();
    rig.run(100);
    CHECK(client->asked_to_close);
    takes_subscriptions = true;
    client->close();
    rig.run(60000);
    client->connect();
    rig.run(100);
    CHECK_FALSE(rig.link.hears_no_commands());
    esp_mqtt_error_codes_t error = {0, 0, MQTT_ERROR_TYPE_SUBSCRIBE_FAILED, {}};
    esp_mqtt_event_t event = {};
    event.error_handle = &error;
    client->tell(MQTT_EVENT_ERROR, event);
    CHECK(rig.link.hears_no_commands());
    CHECK(rig.device.is_connected());
}
