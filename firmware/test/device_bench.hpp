// A device on the bench: its edges are fakes, time is a number, and flash outlives it.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "device.hpp"
#include "ram_flash.hpp"

using namespace pdm;

constexpr int64_t NOW_MS = 1'790'000'000'000;
inline const Device::Identity WHO = {"pump-007", "factory", "1.2.3"};

struct Message {
    std::string topic, payload;
    bool retained;
    int32_t id;
};

class FakeLink final : public Link {
  public:
    void connect(const char* topic, const char* payload, size_t bytes) override {
        ++attempts;
        will = {topic, std::string(payload, bytes), true, 0};
    }
    int32_t publish(const char* topic, const char* payload, size_t bytes, bool retained) override {
        if (!takes) {
            return REFUSED;
        }
        sent.push_back({topic, std::string(payload, bytes), retained, ++last_id});
        return last_id;
    }
    void subscribe(const char* topic) override {
        subscribed = topic;
    }

    std::vector<Message> of(const std::string& ending) const {
        std::vector<Message> found;
        for (const Message& message : sent) {
            if (message.topic.size() >= ending.size() &&
                message.topic.compare(message.topic.size() - ending.size(), ending.size(), ending) == 0) {
                found.push_back(message);
            }
        }
        return found;
    }

    Message will;
    std::vector<Message> sent;
    std::string subscribed;
    int attempts = 0;
    int32_t last_id = 0;
    bool takes = true;
};

inline Settings stress() {
    Settings settings = usual_settings();
    settings.speed = Speed::STRESS;
    return settings;
}

/// A device with its edges; `again` is what is left of it after a loss of power.
struct Bench {
    explicit Bench(RamFlash& memory, Settings settings = stress(), bool clock_set = true)
        : flash(memory), outbox(memory), device(WHO, twin, &twin, outbox, link) {
        REQUIRE(device.start(settings, 0));
        device.sample_from(0);
        if (clock_set) {
            REQUIRE(device.time_told(NOW_MS, 0));
        }
    }

    void run_until(uint64_t uptime_ms) {
        for (; now_ms <= uptime_ms; now_ms += 50) {
            device.step(now_ms, 1u << 31);
            if (answers) {
                while (answered < link.sent.size()) {
                    device.acknowledged(link.sent[answered++].id);
                }
            }
        }
    }
    void connect() {
        device.step(now_ms, 0);
        device.connected();
    }
    void tell(const std::string& text, bool retained = false) { device.obey(text.data(), text.size(), retained); }
    std::string last_status() {
        const auto statuses = link.of("/status");
        return statuses.empty() ? "" : statuses.back().payload;
    }

    RamFlash& flash;
    Outbox outbox;
    Twin twin;
    FakeLink link;
    Device device;
    uint64_t now_ms = 0;
    size_t answered = 0;
    bool answers = true;
};

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// measurement_id of each payload, in the order they were sent.
inline std::vector<uint64_t> ids_of(const std::vector<Message>& messages) {
    std::vector<uint64_t> ids;
    for (const Message& message : messages) {
        const size_t at = message.payload.find("\"measurement_id\":");
        REQUIRE(at != std::string::npos);
        ids.push_back(std::stoull(message.payload.substr(at + 17)));
    }
    return ids;
}

inline std::vector<uint64_t> from_to(uint64_t first, uint64_t last) {
    std::vector<uint64_t> ids;
    for (; first <= last; ++first) {
        ids.push_back(first);
    }
    return ids;
}

/// Real sensors that always tell the same, but for the temperature, which they do not.
class Steady final : public Sensors {
  public:
    bool measure(Reading& reading) override {
        for (float& channel : reading.channels) {
            channel = 1.0f;
        }
        reading.channels[TEMPERATURE] = NAN;
        return true;
    }
};
