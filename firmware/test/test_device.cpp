// What a device samples, keeps and sends, and how it obeys.
#include "device_bench.hpp"

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

TEST_CASE("a command that changes nothing does not move the schedule") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.device.step(0, 0);
    for (uint64_t now_ms = 990; now_ms < 20'000; now_ms += 30) {
        bench.tell("{\"report\":true}");
        bench.device.step(now_ms, 0);
    }
    CHECK(bench.outbox.newest()->time_ms == NOW_MS + 19'000);
    CHECK(bench.outbox.newest()->measurement_id == 19);
}
