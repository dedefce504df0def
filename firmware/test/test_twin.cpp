// That a twin is the pump of simulators/ is shown in tests/parity; here is what it does beside that.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "draws.hpp"
#include "lifetimes.hpp"
#include "parameters.hpp"
#include "physics.hpp"
#include "twin.hpp"
#include "wear.hpp"

using namespace pdm;

namespace {

Settings stress() {
    Settings settings;
    settings.speed = Speed::STRESS;
    settings.chaos_rules = 0;
    return settings;
}

std::vector<Reading> life_of(Twin& twin, int most = 20000) {
    std::vector<Reading> readings;
    Reading reading;
    while (static_cast<int>(readings.size()) < most && twin.measure(reading)) {
        readings.push_back(reading);
    }
    return readings;
}

bool same(const Reading& one, const Reading& other) {
    return std::memcmp(one.channels, other.channels, sizeof one.channels) == 0 && one.life_step == other.life_step &&
           one.health_percent == other.health_percent && one.rul_ms == other.rul_ms;
}

Settings with(Settings settings, std::vector<ChaosRule> rules) {
    settings.chaos_rules = static_cast<uint8_t>(rules.size());
    std::copy(rules.begin(), rules.end(), settings.chaos);
    return settings;
}

enum { HEATWAVE, MECHANICAL_SPIKE, CAVITATION, VOLTAGE_DROP, SENSOR_FREEZE };

}  // namespace

TEST_CASE("Philox gives the known answer of its authors for counter and key zero") {
    const Levels drawn = draw({0, 0, 0}, Stream::NOISE, 0);
    const uint16_t known[] = {0x6627, 0xe8d5, 0xe169, 0xc58d, 0xbc57, 0xac4c, 0x9b00, 0xdbd8};
    CHECK(std::memcmp(drawn.level, known, sizeof known) == 0);
}

TEST_CASE("a normal quantile is odd around the middle and as far off as the normal law says") {
    for (int level = 0; level < 32768; ++level) {
        const float quantile = normal_quantile(static_cast<uint16_t>(level)).to_float();
        REQUIRE(quantile == -normal_quantile(static_cast<uint16_t>(65535 - level)).to_float());
        const double share = std::erfc(static_cast<double>(-quantile) / std::sqrt(2.0)) / 2.0;
        REQUIRE(share == doctest::Approx((level + 0.5) / 65536.0).epsilon(1e-6));
    }
}

TEST_CASE("a gamma quantile rises from level to level and leaves its probability below it") {
    double before = 0.0;
    for (int level = 0; level < 65536; level += 5) {
        const double probability = (level + 0.5) / 65536.0, x = gamma_quantile(probability);
        REQUIRE(x > before);
        before = x;
        // the incomplete gamma function by the midpoint rule, over y = x ** 0.75, where it is smooth
        double below = 0.0;
        const double top = std::pow(x, 0.75);
        constexpr int STEPS = 2000;
        for (int step = 0; step < STEPS; ++step) {
            below += std::exp(-std::pow(top * (step + 0.5) / STEPS, 4.0 / 3.0));
        }
        REQUIRE(below * top / STEPS / std::tgamma(1.75) == doctest::Approx(probability).epsilon(1e-7));
    }
}

/// Length of a life and what ends it, from the densities of all lengths one by one.
std::pair<uint32_t, int> drawn_one_by_one(const Who& who, Speed speed, int8_t given_mode) {
    const Pace& pace = PACES[static_cast<int>(speed)];
    std::vector<double> below = {0.0};
    std::vector<std::pair<uint32_t, int>> places;
    for (uint32_t readings = pace.min_readings; readings <= pace.max_readings; ++readings) {
        const double hours = (readings - 0.5) * pace.hours_per_reading;
        double hazard = 0.0;
        for (const Weibull& life : LIVES) hazard += std::pow(hours / life.scale_hours, life.shape);
        for (int mode = 0; mode < FAILURE_MODES; ++mode) {
            if (given_mode >= 0 && mode != given_mode) continue;
            const double cumulative = std::pow(hours / LIVES[mode].scale_hours, LIVES[mode].shape);
            below.push_back(below.back() + LIVES[mode].shape / hours * cumulative * std::exp(-hazard));
            places.push_back({readings, mode});
        }
    }
    const Levels drawn = draw(who, Stream::LIFE, 0);
    const double exact = drawn.uniform(0) + (drawn.uniform(1) - 0.5) / DRAW_LEVELS;
    const auto above = std::upper_bound(below.begin(), below.end(), exact * below.back());
    return places.at(static_cast<size_t>(above - below.begin()) - 1);
}

TEST_CASE("a lifetime is drawn from the densities of all lengths, as if they were added up one by one") {
    for (const Speed speed : {Speed::STRESS, Speed::ACCELERATED, Speed::NOMINAL}) {
        for (int8_t mode = DRAWN; mode < FAILURE_MODES; ++mode) {
            for (uint32_t number = 0; number < (speed == Speed::NOMINAL ? 10u : 100u); ++number) {
                const Lifetime life = draw_lifetime({17, number, 0}, speed, mode);
                REQUIRE(std::pair<uint32_t, int>(life.readings, life.mode) == drawn_one_by_one({17, number, 0}, speed, mode));
            }
        }
    }
}

TEST_CASE("what the sensors read stays within reach of their numbers, however worn and at whatever duty") {
    const Unit unit = build_unit(3, 1);
    Number normal[DRAWS], channels[CHANNELS];
    for (const double worn : {0.0, 0.5, 1.49}) {
        Share seen[FAILURE_MODES];
        for (Share& one : seen) one = Share(worn);
        for (const double noise : {-4.4, 0.0, 4.4}) {
            for (Number& one : normal) one = Number(noise);
            for (const double speed : {0.88, 1.0}) {
                for (const double resistance : {0.3, 0.9, 2.5}) {
                    Segment segment = {0, Number(speed), Number(resistance), Number(16.0), Number(-16.0), Number(-1.0), true};
                    read_channels(seen, unit, {&segment, Share(0.5), Share(1.0)}, normal, channels);
                    for (int axis = 0; axis < 3; ++axis) {
                        CHECK(channels[axis].to_float() > 0.0f);
                        CHECK(channels[axis].to_float() < 30.0f);
                    }
                    CHECK(channels[TEMPERATURE].to_float() > 15.0f);
                    CHECK(channels[TEMPERATURE].to_float() < 130.0f);
                    CHECK(channels[PRESSURE].to_float() > -1.0f);
                    CHECK(channels[PRESSURE].to_float() < 7.0f);
                    CHECK(channels[CURRENT].to_float() > 3.0f);
                    CHECK(channels[CURRENT].to_float() < 20.0f);
                    CHECK(channels[RPM].to_float() > 0.7f);
                    CHECK(channels[RPM].to_float() < 1.0f);
                }
            }
        }
    }
}

TEST_CASE("a life has the length of its speed and ends when the mode that was asked for is worn out") {
    for (int8_t mode = 0; mode < FAILURE_MODES; ++mode) {
        Settings settings = stress();
        settings.failure_mode = mode;
        Twin twin;
        twin.start(settings);
        const auto life = life_of(twin);
        CHECK(life.size() >= 120);
        CHECK(life.size() <= 200);
        CHECK(life.size() == twin.readings_of_life());
        CHECK(life.back().failure_mode == mode);
        CHECK(life.back().health_percent == 0.0f);
        CHECK(life.back().rul_ms == 0);
        for (size_t step = 1; step < life.size(); ++step) {
            CHECK(life[step].health_percent <= life[step - 1].health_percent);
            CHECK(life[step].rul_ms == life[step - 1].rul_ms - 1000);
        }
    }
}

TEST_CASE("a failed pump stands still until it is repaired, and then lives another life") {
    Settings settings = stress();
    settings.repair_after_ms = 3000;
    Twin twin;
    twin.start(settings);
    const auto life = life_of(twin);
    Reading reading;
    reading.time_ms = 1'800'000'000'000;
    CHECK_FALSE(twin.measure(reading));  // the second of three intervals: life_of took the first
    REQUIRE(twin.measure(reading));
    CHECK(reading.generation == 1);
    CHECK(reading.life_step == 0);
    CHECK(reading.last_maintenance_ms == 1'800'000'000'000);
    CHECK_FALSE(same(reading, life.front()));
}

TEST_CASE("a pump that is never repaired stands still for good") {
    Twin twin;
    twin.start(stress());
    life_of(twin);
    Reading reading;
    for (int interval = 0; interval < 10000; ++interval) {
        REQUIRE_FALSE(twin.measure(reading));
    }
}

TEST_CASE("a pump that lost its power goes on as if it had not") {
    Settings settings = with(stress(), {{CAVITATION, 0.02, 9}, {VOLTAGE_DROP, 0.02, 12}});
    Twin whole, again;
    whole.start(settings, {2, 0, 5});
    const auto life = life_of(whole);
    again.start(settings, {2, 60, 5});
    const auto rest = life_of(again);
    REQUIRE(rest.size() == life.size() - 60);
    for (size_t step = 0; step < rest.size(); ++step) {
        REQUIRE(same(rest[step], life[60 + step]));
    }
}

TEST_CASE("a pump that does not wear stays new, beyond the length of any life") {
    Settings settings = stress();
    settings.wearing = false;
    Twin twin;
    twin.start(settings);
    for (const Reading& reading : life_of(twin, 5000)) {
        REQUIRE(reading.health_percent == 100.0f);
        REQUIRE(reading.rul_ms == UNKNOWN_MS);
        REQUIRE(reading.channels[VIBRATION_RMS] < 3.0f);
    }
}

TEST_CASE("each disturbance does what it is named for, and only while it is switched on") {
    Settings plain = stress();
    plain.wearing = false;
    for (uint8_t disturbance = 0; disturbance < DISTURBANCES; ++disturbance) {
        CAPTURE(DISTURBANCE_NAMES[disturbance]);
        Twin calm, disturbed;
        calm.start(plain);
        disturbed.start(plain);
        Reading before, after;
        for (int step = 0; step < 10; ++step) {  // the first segment runs: it is the pump's baseline
            calm.measure(before);
            if (step == 5) {
                disturbed.change(with(plain, {{disturbance, 0.0, 0}}));
            }
            disturbed.measure(after);
            CHECK((after.disturbance == disturbance) == (step >= 5));
            if (disturbance != MECHANICAL_SPIKE || step <= 5) {  // after the first it hits one reading in three
                CHECK(same(before, after) == (step < 5));
            }
        }
        calm.measure(before);
        disturbed.measure(after);
        const float* const was = before.channels;
        const float* const is = after.channels;
        switch (disturbance) {
            case HEATWAVE: CHECK(is[TEMPERATURE] == doctest::Approx(was[TEMPERATURE] + 15.0f)); break;
            case MECHANICAL_SPIKE:
                CHECK((is[VIBRATION_RMS] == doctest::Approx(12.0f) || is[VIBRATION_RMS] == was[VIBRATION_RMS]));
                break;
            case CAVITATION:
                CHECK(is[PRESSURE] < 0.93f * was[PRESSURE]);
                CHECK(is[VIBRATION_RMS] > was[VIBRATION_RMS] + 0.3f);
                break;
            case VOLTAGE_DROP:
                CHECK(is[CURRENT] > 1.1f * was[CURRENT]);
                CHECK(is[RPM] < was[RPM] - 20.0f);
                break;
            case SENSOR_FREEZE:
                CHECK(is[VIBRATION_X] == 0.0f);
                CHECK(is[VIBRATION_RMS] == 0.0f);
                CHECK(is[RPM] == was[RPM]);
                break;
        }
        disturbed.change(plain);
        calm.measure(before);
        disturbed.measure(after);
        CHECK(same(before, after));
    }
}

TEST_CASE("a disturbance with a probability comes in episodes of its length, never in the first forty readings") {
    Settings settings = with(stress(), {{HEATWAVE, 0.01, 20}});
    settings.wearing = false;
    Twin twin;
    twin.start(settings);
    std::vector<int> lengths;
    int length = 0, step = 0;
    for (const Reading& reading : life_of(twin, 20000)) {
        if (reading.disturbance != NONE) {
            REQUIRE(step >= 40);
            ++length;
        } else if (length > 0) {
            lengths.push_back(length);
            length = 0;
        }
        ++step;
    }
    // 500 stretches of 40 readings, 40 % of which have an episode
    CHECK(lengths.size() > 150);
    CHECK(lengths.size() < 250);
    for (const int one : lengths) {
        CHECK(one % 20 == 0);
    }
}

TEST_CASE("nothing disturbs a data collection") {
    Settings settings = with(stress(), {{HEATWAVE, 0.0, 0}, {SENSOR_FREEZE, 0.0, 0}});
    settings.mode = Mode::DATA_COLLECTION;
    Twin disturbed, calm;
    disturbed.start(settings);
    calm.start(stress());
    const auto one = life_of(disturbed), other = life_of(calm);
    REQUIRE(one.size() == other.size());
    for (size_t step = 0; step < one.size(); ++step) {
        REQUIRE(same(one[step], other[step]));
    }
}

TEST_CASE("a change of speed, seed, number or failure mode is another pump, a change of interval is not") {
    Settings settings = stress();
    Twin twin;
    Reading reading;
    for (const int change : {0, 1, 2, 3, 4}) {
        twin.start(settings);
        life_of(twin, 10);
        Settings other = settings;
        switch (change) {
            case 0: other.seed = 8; break;
            case 1: other.number = 1; break;
            case 2: other.speed = Speed::ACCELERATED; break;
            case 3: other.failure_mode = 5; break;
            case 4: other.interval_ms = 50; break;
        }
        twin.change(other);
        twin.measure(reading);
        CHECK((reading.life_step == 0) == (change < 4));
    }
    CHECK(twin.interval_ms() == 50);
}

TEST_CASE("devices get numbers of their own from their ids, always the same") {
    CHECK(number_of("") == 2166136261u);
    CHECK(number_of("a") == 0xe40c292cu);  // the known answer of FNV-1a
    CHECK(number_of("pump-a") != number_of("pump-b"));
}

TEST_CASE("the shortest and the longest life can be drawn at every speed, and none beyond them") {
    for (const Speed speed : {Speed::STRESS, Speed::ACCELERATED}) {
        const Pace& pace = PACES[static_cast<int>(speed)];
        uint32_t shortest = UINT32_MAX, longest = 0;
        for (uint32_t number = 0; number < 3000; ++number) {
            const Lifetime life = draw_lifetime({11, number, 0}, speed, DRAWN);
            shortest = std::min(shortest, life.readings);
            longest = std::max(longest, life.readings);
            for (const double last_step : life.last_step) {
                REQUIRE(last_step >= life.readings - 1.0);
            }
        }
        CHECK(shortest >= pace.min_readings);
        CHECK(shortest < pace.min_readings + 3);
        CHECK(longest <= pace.max_readings);
        CHECK(longest > pace.max_readings - 3);
    }
}
