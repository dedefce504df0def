// The link over esp-mqtt, which has a task of its own: its events come through a queue, and every call of the device is
// made in the task that calls work().
#pragma once

#include <atomic>

#include <freertos/FreeRTOS.h>
#include <freertos/message_buffer.h>
#include <freertos/queue.h>
#include <mqtt_client.h>

#include "commands.hpp"
#include "device.hpp"
#include "provision.hpp"
#include "seams.hpp"

namespace pdm::board {

/// How long a call may take: work() 0.1 s where a connection has ended, to do away with what it left; connect() as long
/// as an attempt goes on that has told nothing in the 45 s that the device waits, which its time-outs prevent.
/// publish() and subscribe() write into TCP's buffer, in which there is room: see IN_FLIGHT_BYTES.
class MqttLink final : public Link {
  public:
    /// has_wifi: without it no attempt is made. Both outlive the link.
    MqttLink(const Provision& provision, const std::atomic<bool>& has_wifi)
        : provision_(provision), has_wifi_(has_wifi) {}

    /// Before anything else: who is told what happens.
    void begin(Device& device);

    void connect(const char* will_topic, const char* will_payload, size_t will_bytes) override;
    int32_t publish(const char* topic, const char* payload, size_t bytes, bool retained) override;
    void subscribe(const char* topic) override;

    /// Tell the device what has happened since the last call.
    void work();

    /// Whether the broker refused the last attempt.
    bool is_refused() const { return is_refused_; }
    /// Commands that came faster than they could be obeyed, and were lost.
    uint32_t commands_lost() const { return commands_lost_; }
    /// The broker accepts what the device publishes, but lets it read no commands.
    bool hears_no_commands() const { return hears_no_commands_; }

  private:
    enum class Phase : uint8_t { IDLE, CONNECTING, CONNECTED, CLOSING };

    struct Failure {
        const char* why;  // up to 64 characters, as the status has room for
        bool refused;
    };
    struct Event {
        enum class Kind : uint8_t { CONNECTED, CLOSED, ACKNOWLEDGED } kind;
        int32_t message_id;
        Failure failure;
    };
    struct Command {
        uint32_t bytes;  // as it was sent; only MAX_COMMAND_BYTES of it, or nothing of a longer one, are in `text`
        bool retained;
        char text[MAX_COMMAND_BYTES];
    };
    struct Message {
        int32_t id;  // 0: the place is free
        uint32_t bytes;
    };

    // What the broker has not acknowledged. The socket takes data while TCP's buffer of 5,760 bytes is half empty; with
    // no more than this in it, a write never waits for a network that has stopped. What a status needs stays free.
    static constexpr uint32_t IN_FLIGHT_BYTES = 2700, FOR_STATUS_BYTES = 900, OVERHEAD_BYTES = 40;
    static constexpr int MESSAGES = 12;
    // Each connection makes two events beside acknowledgements, and no other begins before they were taken out.
    static constexpr int EVENTS = MESSAGES + 4;
    static constexpr size_t COMMAND_QUEUE_BYTES = 4096;

    void discard();
    Message* place_for(uint32_t bytes, bool retained);
    void acknowledged(int32_t message_id);
    void take(const Event& event);

    // in the task of esp-mqtt, or in the caller's within publish()
    static void on_event(void* self, esp_event_base_t, int32_t id, void* data);
    static Failure failure_of(const esp_mqtt_error_codes_t& error);
    void post(Event::Kind kind, int32_t message_id = 0);
    void take_command(const esp_mqtt_event_t& event);

    const Provision& provision_;
    const std::atomic<bool>& has_wifi_;
    Device* device_ = nullptr;
    esp_mqtt_client_handle_t client_ = nullptr;
    Phase phase_ = Phase::IDLE;
    const char* not_begun_ = nullptr;  // why the attempt did not even begin; told by the next work()
    bool is_refused_ = false;
    Message messages_[MESSAGES] = {};
    Failure failure_ = {};  // what the next CLOSED tells
    std::atomic<uint32_t> commands_lost_{0};
    std::atomic<bool> hears_no_commands_{false};
    Command came_, taken_;  // one is written by esp-mqtt's task, the other read by the device's
    QueueHandle_t events_ = nullptr;
    MessageBufferHandle_t commands_ = nullptr;
    StaticQueue_t events_memory_;
    uint8_t events_storage_[EVENTS * sizeof(Event)];
    StaticMessageBuffer_t commands_memory_;
    uint8_t commands_storage_[COMMAND_QUEUE_BYTES];
};

}  // namespace pdm::board
