// The device: samples on its schedule, keeps every reading until the broker has it, and does what it is told. All of it
// runs in one thread, which calls step() more often than readings are due and hands over what happens in between.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "backoff.hpp"
#include "clock.hpp"
#include "commands.hpp"
#include "outbox.hpp"
#include "payload.hpp"
#include "schedule.hpp"
#include "seams.hpp"
#include "settings.hpp"
#include "status.hpp"
#include "topics.hpp"
#include "twin.hpp"

namespace pdm {

class Device {
  public:
    /// Who the device is; the texts outlive it.
    struct Identity {
        const char* device_id;
        const char* root;
        const char* firmware;  ///< version
    };

    /// twin: the sensors themselves where they are a twin, else null: then no command can ask for what only a twin has.
    Device(const Identity& who, Sensors& sensors, Twin* twin, Outbox& outbox, Link& link)
        : who_(who), sensors_(sensors), twin_(twin), outbox_(outbox), link_(link) {}

    /// Go on where the newest stored reading left off. Returns false where identity or settings are not valid. Flash that
    /// cannot be used does not stop the device: see Status; but then nobody knows how far the numbering had come.
    bool start(const Settings& settings, uint64_t uptime_ms);
    /// The first reading is due at first_ms of uptime.
    void sample_from(uint64_t first_ms) { schedule_.start(first_ms, interval_ms()); }

    /// Do what is due: take a reading, connect, send. Never waits. random: uniform over its range.
    void step(uint64_t uptime_ms, uint32_t random);

    // what happens between the steps
    void connected();
    void disconnected(const char* why);  ///< the connection ended, or could not be made; a text that lasts
    void refused(const char* why);       ///< the broker does not let the device in: only a person can change that
    void network_returned();             ///< what kept the broker away is gone: do not wait the whole delay
    void acknowledged(int32_t message_id);
    /// A command, on its topic or on the serial line: done at once or refused, as the status then tells.
    void obey(const char* text, size_t bytes, bool retained = false);
    bool time_told(int64_t epoch_ms, uint64_t uptime_ms) { return clock_.set(epoch_ms, uptime_ms); }

    const Settings& settings() const { return settings_; }
    /// Whether the settings have changed since the last call: they are to be kept over a loss of power.
    bool settings_changed();
    Status status(uint64_t uptime_ms) const;
    bool is_connected() const { return state_ == State::CONNECTED; }
    uint64_t published() const { return published_; }  ///< readings that the broker has acknowledged since power-up
    /// Before a planned stop: send what waits, take no more readings; then tell that the device goes offline.
    void send_rest(uint64_t uptime_ms);
    void say_goodbye(uint64_t uptime_ms);

  private:
    enum class State : uint8_t { WAITING, CONNECTING, CONNECTED };
    static constexpr uint64_t STATUS_EVERY_MS = 60000;
    // of a connection attempt, and of the broker's answer to a reading
    static constexpr uint64_t PATIENCE_MS = 45000;
    static constexpr uint32_t REAL_INTERVAL_MS = 10000;

    struct Sent {
        int32_t message_id;
        uint32_t token;  // 0: of a reading that flash did not take
        uint64_t at_ms;
        bool in_flight;
    };

    uint32_t interval_ms() const;
    void resume();
    void sample();
    void reach_broker(uint32_t random);
    void lost(const char* why, bool refused);
    void send_waiting();
    bool send(Reading& reading, uint32_t token);
    bool date(Reading& reading) const;
    void send_status();
    const char* what_forbids(const ParseResult& told, bool retained) const;
    Sent* free_place();

    const Identity who_;
    Sensors& sensors_;
    Twin* const twin_;
    Outbox& outbox_;
    Link& link_;
    WallClock clock_;
    Schedule schedule_;
    Backoff backoff_;
    Settings settings_;
    Sent sent_[Outbox::WINDOW] = {};
    State state_ = State::WAITING;
    uint64_t now_ms_ = 0;           // uptime of the last step
    uint64_t try_at_ms_ = 0;        // when to connect, or to give the attempt up
    uint64_t status_at_ms_ = 0;
    uint64_t next_id_ = 0;
    uint64_t published_ = 0;
    uint32_t power_up_ = 1;
    uint32_t undated_ = 0;
    uint32_t lost_ = 0;             // readings that neither flash nor the broker took
    uint32_t connections_ = 0;
    bool settings_changed_ = false;
    bool is_refused_ = false;
    bool needs_delay_ = false;
    const char* link_text_ = "not connected yet";
    char command_text_[ERROR_ROOM] = "ok";
    char telemetry_topic_[TOPIC_ROOM], training_topic_[TOPIC_ROOM], status_topic_[TOPIC_ROOM], command_topic_[TOPIC_ROOM];
    char buffer_[STATUS_ROOM];      // of the payload that is being handed over
};

}  // namespace pdm
