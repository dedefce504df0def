// What a device does when the broker, the clock, the power or the flash lets it down.
#include "device_bench.hpp"

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
    Steady sensors;
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
        device.obey(bad, std::string(bad).size(), false);
        CHECK(std::string(device.status(0).command).find("twin") != std::string::npos);
    }
    device.obey("{\"interval_s\":1}", 16, false);
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

TEST_CASE("real sensors do not keep a twin's mode, in which nothing of theirs could be sent") {
    RamFlash flash(8, 4096);
    Outbox outbox(flash);
    FakeLink link;
    Steady sensors;
    Settings of_a_twin = usual_settings();
    of_a_twin.mode = Mode::DATA_COLLECTION;
    Device device(WHO, sensors, nullptr, outbox, link);
    REQUIRE(device.start(of_a_twin, 0));
    device.sample_from(0);
    device.time_told(NOW_MS, 0);
    device.step(0, 0);
    device.connected();
    device.step(50, 0);
    CHECK(link.of("/telemetry").size() == 1);
    CHECK(device.status(50).dropped == 0);
}

TEST_CASE("one step does a bounded amount of work, however many readings cannot be dated") {
    RamFlash flash(128, 4096);
    Settings fast = stress();
    fast.wearing = false;
    fast.interval_ms = 50;
    {
        Bench before(flash, fast, false);
        before.run_until(50 * 5000);
        REQUIRE(before.outbox.waiting() > 4900);
    }
    Bench after(flash, fast);
    after.connect();
    const uint32_t waiting = after.outbox.waiting();
    after.device.step(50, 0);
    CHECK(waiting - after.outbox.waiting() <= Outbox::WINDOW);
    CHECK(waiting > after.outbox.waiting());
}

TEST_CASE("readings of before the clock was set go by the right time, although a wrong one was told first") {
    RamFlash flash(8, 4096);
    Bench bench(flash, stress(), false);
    bench.run_until(9'500);
    CHECK(bench.device.time_told(NOW_MS + 9'500 + 31'536'000'000, 9'500));  // a year ahead
    bench.run_until(10'500);
    CHECK(bench.device.time_told(NOW_MS + 10'500, 10'500));
    bench.connect();
    bench.run_until(12'500);
    const auto sent = bench.link.of("/telemetry");
    REQUIRE(sent.size() == 13);
    CHECK(has(sent[2].payload, "\"timestamp\":1790000002000"));
    CHECK(has(sent[12].payload, "\"timestamp\":1790000012000"));
}

TEST_CASE("a reading that flash did not take and the broker did not acknowledge is counted as lost") {
    RamFlash flash(8, 4096);
    Bench bench(flash);
    bench.connect();
    bench.answers = false;
    flash.writes_fail = true;
    bench.run_until(2'500);
    CHECK(bench.link.of("/telemetry").size() == 3);
    bench.device.disconnected("unreachable");
    CHECK(bench.outbox.waiting() == 1);  // the first, of before flash failed
    CHECK(bench.device.status(2'500).dropped == 2);
    CHECK(bench.device.status(2'500).measurement_id == 2);
}

TEST_CASE("a repair while the clock was not set is dated by no later reading") {
    RamFlash flash(8, 4096);
    Bench bench(flash, stress(), false);
    bench.run_until(4'500);
    bench.tell("{\"repair\":true}");
    bench.run_until(99'500);
    bench.device.time_told(NOW_MS + 99'500, 99'500);
    bench.run_until(101'500);
    CHECK(bench.outbox.newest()->generation == 1);
    CHECK(bench.outbox.newest()->last_maintenance_ms == UNKNOWN_MS);
}

TEST_CASE("a device that stood still while its pump did leaves no gap in the numbering") {
    RamFlash flash(8, 4096);
    Settings repaired = stress();
    repaired.repair_after_ms = 20'000;
    Bench bench(flash, repaired);
    bench.run_until(100'000);
    while (bench.outbox.newest()->rul_ms != 0) {
        bench.run_until(bench.now_ms + 500);
    }
    const uint64_t last = bench.outbox.newest()->measurement_id;
    bench.run_until(bench.now_ms + 2'000);
    bench.now_ms += 8'000;
    bench.run_until(bench.now_ms + 30'000);
    CHECK(bench.outbox.newest()->generation == 1);
    CHECK(bench.outbox.newest()->measurement_id == last + 1 + bench.outbox.newest()->life_step);
}
