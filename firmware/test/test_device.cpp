// The device between fake edges: what it samples, keeps, sends, and answers to whatever goes wrong around it.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "device.hpp"
#include "ram_flash.hpp"

using namespace pdm;

namespace {

constexpr int64_t NOW_MS = 1'790'000'000'000;
const Device::Identity WHO = {"pump-007", "factory", "1.2.3"};

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
    bool subscribe(const char* topic) override {
        subscribed = topic;
        return true;
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

Settings stress() {
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
    void tell(const std::string& text, bool retained = false) { device.received(text.data(), text.size(), retained); }
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

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// measurement_id of each payload, in the order they were sent.
std::vector<uint64_t> ids_of(const std::vector<Message>& messages) {
    std::vector<uint64_t> ids;
    for (const Message& message : messages) {
        const size_t at = message.payload.find("\"measurement_id\":");
        REQUIRE(at != std::string::npos);
        ids.push_back(std::stoull(message.payload.substr(at + 17)));
    }
    return ids;
}

std::vector<uint64_t> from_to(uint64_t first, uint64_t last) {
    std::vector<uint64_t> ids;
    for (; first <= last; ++first) {
        ids.push_back(first);
    }
    return ids;
}

}  // namespace

TEST_CASE("readings are sent as they are taken, on the telemetry topic, and nothing waits") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.connect();
    bench.run_until(9'500);
    const auto readings = bench.link.of("/telemetry");
    CHECK(ids_of(readings) == from_to(0, 9));
    CHECK(readings[0].topic == "factory/pumps/pump-007/telemetry");
    CHECK(has(readings[3].payload, "\"timestamp\":1790000003000"));
    CHECK_FALSE(readings[0].retained);
    CHECK_FALSE(has(readings[0].payload, "health_percent"));
    CHECK(bench.outbox.waiting() == 0);
    CHECK(bench.device.published() == 10);
}

TEST_CASE("the last will is the status of a device that is offline, the first word that it is online") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.connect();
    bench.run_until(100);
    CHECK(bench.link.will.topic == "factory/pumps/pump-007/status");
    CHECK(has(bench.link.will.payload, "\"online\":false"));
    CHECK(bench.link.subscribed == "factory/pumps/pump-007/command");
    const auto statuses = bench.link.of("/status");
    REQUIRE(statuses.size() == 1);
    CHECK(statuses[0].retained);
    CHECK(has(statuses[0].payload, "\"online\":true"));
    CHECK(has(statuses[0].payload, "\"firmware\":\"1.2.3\""));
}

TEST_CASE("sampling goes on while the broker is away, and all of it is sent afterwards, in order") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.run_until(99'500);
    CHECK(bench.link.sent.empty());
    CHECK(bench.outbox.waiting() == 100);
    bench.device.connected();
    bench.run_until(100'500);
    CHECK(ids_of(bench.link.of("/telemetry")) == from_to(0, 100));
    CHECK(bench.outbox.waiting() == 0);
}

TEST_CASE("what was sent and not acknowledged before the connection broke is sent again, the same bytes") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.connect();
    bench.answers = false;
    bench.run_until(4'500);
    const auto before = bench.link.of("/telemetry");
    REQUIRE(before.size() == 5);
    bench.device.acknowledged(before[1].id);
    bench.device.disconnected("unreachable");
    bench.link.sent.clear();
    bench.run_until(4'800);
    bench.device.connected();
    bench.run_until(4'900);
    const auto again = bench.link.of("/telemetry");
    REQUIRE(ids_of(again) == std::vector<uint64_t>{0, 2, 3, 4});
    CHECK(again[0].payload == before[0].payload);
    CHECK(again[3].payload == before[4].payload);
    CHECK(has(bench.last_status(), "\"reconnects\":1"));
}

TEST_CASE("no more readings are under way than the window holds, and a broker that never answers is left") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.connect();
    bench.answers = false;
    bench.run_until(40'000);
    CHECK(bench.link.of("/telemetry").size() == Outbox::WINDOW);
    CHECK(bench.device.is_connected());
    bench.run_until(46'000);
    CHECK_FALSE(bench.device.is_connected());
    CHECK(std::string(bench.device.status(46'000).link) == "no answer");
    CHECK(bench.outbox.waiting() == 47);
}

TEST_CASE("after a loss of power the unsent readings are sent, numbering and the pump's life go on") {
    RamFlash flash(8, 4096);
    {
        Bench before(flash);
        before.run_until(19'500);
        CHECK(before.outbox.waiting() == 20);
    }
    Bench after(flash);
    after.connect();
    after.run_until(4'500);
    CHECK(ids_of(after.link.of("/telemetry")) == from_to(0, 24));
    CHECK(after.device.status(0).power_ups == 2);
    CHECK(after.outbox.newest()->life_step == 24);

    RamFlash whole_flash(8, 4096);
    Bench whole(whole_flash);
    whole.run_until(24'500);
    for (int channel = 0; channel < CHANNELS; ++channel) {
        CHECK(after.outbox.newest()->channels[channel] == whole.outbox.newest()->channels[channel]);
    }
}

TEST_CASE("another pump than before the loss of power begins its own life") {
    RamFlash flash(8, 4096);
    { Bench(flash).run_until(9'500); }
    Settings other = stress();
    other.seed = 8;
    Bench after(flash, other);
    after.run_until(100);
    CHECK(after.outbox.newest()->life_step == 0);
    CHECK(after.outbox.newest()->measurement_id == 10);
}

TEST_CASE("while the clock is not set readings wait, and get the time they were taken at once it is") {
    RamFlash flash(8, 4096);
    Bench bench(flash, stress(), false);
    bench.connect();
    bench.run_until(9'500);
    CHECK(bench.link.of("/telemetry").empty());
    CHECK(has(bench.last_status(), "\"clock_set\":false"));
    CHECK(bench.device.time_told(NOW_MS + 9'500, 9'500));
    bench.run_until(10'500);
    const auto readings = bench.link.of("/telemetry");
    REQUIRE(ids_of(readings) == from_to(0, 10));
    CHECK(has(readings[2].payload, "\"timestamp\":1790000002000"));
    CHECK(has(readings[10].payload, "\"timestamp\":1790000010000"));
}

TEST_CASE("a reading of before the loss of power that was never dated is not sent under a made-up time") {
    RamFlash flash(8, 4096);
    { Bench(flash, stress(), false).run_until(4'500); }
    Bench after(flash);
    after.connect();
    after.run_until(2'500);
    CHECK(ids_of(after.link.of("/telemetry")) == from_to(5, 7));
    CHECK(after.device.status(0).undated == 5);
    CHECK(after.outbox.waiting() == 0);
}

TEST_CASE("an absurd time is no time") {
    RamFlash flash(8, 4096);
    Bench bench(flash, stress(), false);
    CHECK_FALSE(bench.device.time_told(0, 0));
    CHECK_FALSE(bench.device.time_told(9'000'000'000'000, 0));
    CHECK(bench.device.status(0).time_ms == UNKNOWN_MS);
}

TEST_CASE("a broker that refuses is asked again, less and less often, and sampling does not stop") {
    RamFlash flash(256, 4096);
    Settings unworn = stress();
    unworn.wearing = false;  // else it would stand still before the hours are over
    Bench bench(flash, unworn);
    for (int minute = 0; minute < 120; ++minute) {
        bench.run_until(60'000u * static_cast<uint64_t>(minute + 1));
        bench.device.refused("refused: not authorised");
    }
    // about one attempt in the 150 s that the delay lasts on average
    CHECK(bench.link.attempts > 20);
    CHECK(bench.link.attempts < 80);
    CHECK(std::string(bench.device.status(0).link) == "refused: not authorised");
    CHECK(bench.outbox.waiting() == bench.outbox.newest()->measurement_id + 1);
}

TEST_CASE("once the network is back a device does not wait out the delay it had come to, unless the broker refused it") {
    RamFlash flash(64, 4096);
    for (const bool refused : {false, true}) {
        Bench bench(flash);
        for (int attempt = 1; attempt <= 12; ++attempt) {
            while (bench.link.attempts < attempt) {
                bench.run_until(bench.now_ms);
            }
            refused ? bench.device.refused("refused: not authorised") : bench.device.disconnected("unreachable");
        }
        bench.run_until(bench.now_ms + 1'000);  // of half the longest delay
        bench.device.network_returned();
        bench.run_until(bench.now_ms + 2'000);
        CHECK(bench.link.attempts == (refused ? 12 : 13));
    }
}

TEST_CASE("a link that takes nothing loses nothing") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.connect();
    bench.link.takes = false;
    bench.run_until(9'500);
    CHECK(bench.link.sent.empty());
    bench.link.takes = true;
    bench.run_until(10'500);
    CHECK(ids_of(bench.link.of("/telemetry")) == from_to(0, 10));
}

TEST_CASE("the mode is switched by command, and each reading goes where its mode belongs") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.connect();
    bench.run_until(2'500);
    bench.tell("{\"mode\":\"data_collection\"}", true);
    bench.run_until(4'500);
    const auto labelled = bench.link.of("/training_data");
    CHECK(ids_of(labelled) == from_to(3, 4));
    CHECK(labelled[0].topic == "factory/training/pump-007/training_data");
    CHECK(has(labelled[0].payload, "\"ground_truth\":\"HEALTHY\""));
    CHECK(has(labelled[0].payload, "\"rul_hours\":"));
    CHECK(bench.device.settings_changed());
    CHECK_FALSE(bench.device.settings_changed());
    bench.tell("{\"mode\":\"data_collection\"}", true);
    CHECK_FALSE(bench.device.settings_changed());
    CHECK(has(bench.last_status(), "\"command\":\"ok\""));
}

TEST_CASE("a command that cannot be is refused as a whole, said so in the status, and changes nothing") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.connect();
    bench.run_until(500);
    for (const char* const bad : {
             "{\"speed\":\"accelerated\",\"interval_s\":1e9}", "{\"chaos\":[{\"name\":\"earthquake\"}]}", "{\"seed\":-1}",
             "nonsense", "{\"mode\":\"inference\"", "\xff\xfe", "{\"interval_s\":NaN}", "{}",
         }) {
        CAPTURE(bad);
        const Settings before = bench.device.settings();
        bench.tell("{\"report\":true}");
        bench.run_until(bench.now_ms + 100);
        REQUIRE(has(bench.last_status(), "\"command\":\"ok\""));
        bench.tell(bad);
        bench.run_until(bench.now_ms + 100);
        CHECK_FALSE(has(bench.last_status(), "\"command\":\"ok\""));
        CHECK(bench.device.settings() == before);
    }
    const uint64_t from_ms = bench.now_ms;
    bench.run_until(from_ms + 5'000);
    CHECK(bench.link.of("/telemetry").size() >= 5);
}

TEST_CASE("a new interval holds from the next reading on") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.run_until(2'500);
    bench.tell("{\"interval_s\":0.1}");
    bench.run_until(3'000);
    const uint64_t id = bench.outbox.newest()->measurement_id;
    bench.run_until(4'000);
    CHECK(bench.outbox.newest()->measurement_id == id + 10);
}

TEST_CASE("a repair is done once, and not asked for by a retained command") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.connect();
    bench.run_until(4'500);
    bench.tell("{\"repair\":true}", true);
    bench.run_until(5'500);
    CHECK(bench.outbox.newest()->generation == 0);
    CHECK(has(bench.last_status(), "retained"));
    bench.tell("{\"repair\":true}");
    bench.run_until(8'500);
    CHECK(bench.outbox.newest()->generation == 1);
    CHECK(bench.outbox.newest()->life_step == 2);
    CHECK(bench.outbox.newest()->last_maintenance_ms == NOW_MS + 6'000);
}

TEST_CASE("intervals that nobody took are skipped, counted, and show as a gap in the numbering") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.connect();
    bench.run_until(1'500);
    bench.now_ms = 7'300;
    bench.run_until(8'500);
    CHECK(ids_of(bench.link.of("/telemetry")) == std::vector<uint64_t>{0, 1, 7, 8});
    CHECK(bench.device.status(0).skipped == 5);
}

TEST_CASE("real sensors: no truth, and what only a twin has is refused") {
    class Fixed final : public Sensors {
      public:
        bool measure(Reading& reading) override {
            for (float& channel : reading.channels) {
                channel = 1.0f;
            }
            reading.channels[TEMPERATURE] = NAN;
            return true;
        }
    } sensors;
    RamFlash flash(8, 4096);
    Outbox outbox(flash);
    FakeLink link;
    Device device(WHO, sensors, nullptr, outbox, link);
    REQUIRE(device.start(usual_settings(), 0));
    device.sample_from(0);
    device.time_told(NOW_MS, 0);
    device.step(0, 0);
    device.connected();
    device.step(50, 0);
    REQUIRE(link.of("/telemetry").size() == 1);
    CHECK(has(link.of("/telemetry")[0].payload, "\"temperature\":null"));
    CHECK(has(link.of("/status")[0].payload, "\"sensors\":\"real\""));
    for (const char* const bad : {"{\"mode\":\"data_collection\"}", "{\"seed\":1}", "{\"chaos\":[]}", "{\"repair\":true}"}) {
        device.received(bad, std::string(bad).size(), false);
        CHECK(std::string(device.status(0).command).find("twin") != std::string::npos);
    }
    device.received("{\"interval_s\":1}", 16, false);
    CHECK(std::string(device.status(0).command) == "ok");
}

TEST_CASE("flash that fails stops neither sampling nor sending, and what is lost is counted") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.connect();
    bench.run_until(2'500);
    flash.writes_fail = true;
    bench.run_until(5'500);
    CHECK(ids_of(bench.link.of("/telemetry")).size() == 6);
    bench.device.disconnected("unreachable");
    bench.link.takes = false;
    bench.run_until(7'500);
    CHECK(bench.device.status(0).dropped == 2);
    flash.writes_fail = false;
    bench.run_until(9'500);
    CHECK(bench.outbox.waiting() > 0);
}

TEST_CASE("identity and settings that cannot be do not start") {
    RamFlash flash(8, 4096);
    Outbox outbox(flash);
    FakeLink link;
    Twin twin;
    CHECK_FALSE(Device({"pump 7", "factory", ""}, twin, &twin, outbox, link).start(stress(), 0));
    CHECK_FALSE(Device({"pump-7", "fac+tory", ""}, twin, &twin, outbox, link).start(stress(), 0));
    Settings absurd = stress();
    absurd.interval_ms = 1;
    CHECK_FALSE(Device(WHO, twin, &twin, outbox, link).start(absurd, 0));
}
