#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include "signals.hpp"

using namespace pdm;

namespace {

constexpr double PI = 3.14159265358979323846;
const float NOT_A_NUMBER = std::numeric_limits<float>::quiet_NaN();
const float INFINITE = std::numeric_limits<float>::infinity();

// SCT-013-030 (30 A/V) on a converter of 2.45 V and 12 bits
constexpr float A_PER_COUNT = 30.0f * 2.45f / 4096.0f;
constexpr Clamp CLAMP = {2000.0f, A_PER_COUNT, 0.0f, 0, 4095};

/// RMS of a sine of so many ampere (RMS) after `windows` windows.
Measured sampled(const Clamp& clamp, double hz, double ampere, double mean = 2048.0, int windows = 1,
                 double noise = 0.0) {
    TrueRms rms;
    REQUIRE(rms.start(clamp) == nullptr);
    std::mt19937 draw(3);
    std::normal_distribution<double> spread(0.0, 1.0);
    for (int i = 0;; ++i) {
        const double wave = ampere * std::sqrt(2.0) / static_cast<double>(clamp.a_per_count) *
                            std::sin(2.0 * PI * hz * i / static_cast<double>(clamp.rate_hz) + 0.7);
        if (rms.add(static_cast<int32_t>(std::lround(mean + wave + noise * spread(draw)))) && --windows == 0) {
            return rms.window();
        }
    }
}

bool names(const char* refusal, const char* field) {
    return refusal != nullptr && std::string(refusal).find(field) != std::string::npos;
}

constexpr Tacho TACHO = {1.0f, 6000.0f, 2000};

/// Pulses at a steady speed from `from_us` for `pulses` of them; returns the time of the last.
int64_t spin(Tachometer& tachometer, int64_t from_us, double period_us, int pulses) {
    int64_t at = from_us;
    for (int i = 0; i < pulses; ++i) {
        at = from_us + std::llround(i * period_us);
        tachometer.pulse(at);
    }
    return at;
}

}  // namespace

TEST_CASE("a mains current reads its RMS value, whatever the bias") {
    for (double mean : {1600.0, 2048.0, 2300.0}) {
        CHECK(sampled(CLAMP, 50.0, 10.0, mean).value == doctest::Approx(10.0).epsilon(0.001));
        CHECK(sampled(CLAMP, 60.0, 10.0, mean).value == doctest::Approx(10.0).epsilon(0.001));
    }
}

TEST_CASE("mains that are off their frequency, and inverters, beat by less than the part of a period left over") {
    for (double hz : {49.5, 49.7, 50.2, 59.3, 35.3, 10.4}) {
        CAPTURE(hz);
        for (int window = 1; window <= 4; ++window) {
            const double left_over = 1.0 / (4.0 * PI * hz) + 0.001;
            CHECK(sampled(CLAMP, hz, 10.0, 2048.0, window).value == doctest::Approx(10.0).epsilon(left_over));
        }
    }
}

TEST_CASE("a wave that is no sine reads its true RMS value") {
    TrueRms rms;
    REQUIRE(rms.start(CLAMP) == nullptr);
    for (int i = 0; i < 2000; ++i) {
        rms.add(i % 40 < 10 ? 3048 : 2048);  // a quarter of each period 1000 counts high
    }
    CHECK(rms.window().value == doctest::Approx(static_cast<double>(A_PER_COUNT) * 1000.0 * std::sqrt(0.25 * 0.75)));
}

TEST_CASE("noise is taken out of the current, and alone reads 0 A") {
    Clamp clamp = CLAMP;
    clamp.noise_a = 5.0f * A_PER_COUNT;
    CHECK(sampled(clamp, 50.0, 2.0, 2048.0, 1, 5.0).value == doctest::Approx(2.0).epsilon(0.005));
    CHECK(sampled(clamp, 50.0, 0.0, 2048.0, 1, 4.8).value == 0.0f);
    const double five_counts = 5.0 * static_cast<double>(A_PER_COUNT);
    CHECK(sampled(CLAMP, 50.0, 0.0, 2048.0, 1, 5.0).value == doctest::Approx(five_counts).epsilon(0.05));
}

TEST_CASE("a current that is cut off at either end of the converter is no current") {
    CHECK(sampled(CLAMP, 50.0, 30.0).faults == bit(Fault::OVERLOAD));
    CHECK(std::isnan(sampled(CLAMP, 50.0, 30.0).value));
    CHECK(sampled(CLAMP, 50.0, 10.0, 500.0).faults == bit(Fault::OVERLOAD));
    CHECK(sampled(CLAMP, 50.0, 10.0, 3600.0).faults == bit(Fault::OVERLOAD));
}

TEST_CASE("a converter that repeats one sample is dead; without its bias it is at its end too") {
    CHECK(sampled(CLAMP, 50.0, 0.0, 2048.0).faults == bit(Fault::STUCK));
    CHECK(sampled(CLAMP, 50.0, 0.0, 0.0).faults == (bit(Fault::STUCK) | bit(Fault::OVERLOAD)));
}

TEST_CASE("lost samples spoil their window of the current and no other") {
    TrueRms rms;
    REQUIRE(rms.start(CLAMP) == nullptr);
    CHECK(rms.window().faults == bit(Fault::SETTLING));
    auto play = [&rms] {
        for (int i = 0; i < 2000; ++i) {
            rms.add(2048 + i % 40);
        }
        return rms.window();
    };
    rms.lost();
    CHECK(play().faults == bit(Fault::LOST_SAMPLES));
    CHECK(play().faults == 0);
}

TEST_CASE("the sums hold the widest converter at full swing") {
    const Clamp wide = {30000.0f, 1.0f, 0.0f, -32768, 32767};
    TrueRms rms;
    REQUIRE(rms.start(wide) == nullptr);
    for (int i = 0; i < 30000; ++i) {
        rms.add(i % 2 == 0 ? 32766 : -32767);
    }
    CHECK(rms.window().value == doctest::Approx(32766.5));
}

TEST_CASE("settings that cannot be a clamp's are refused by name") {
    TrueRms rms;
    CHECK(names(rms.start({999.0f, 1.0f, 0.0f, 0, 4095}), "rate_hz"));
    CHECK(names(rms.start({NOT_A_NUMBER, 1.0f, 0.0f, 0, 4095}), "rate_hz"));
    CHECK(names(rms.start({2000.0f, 0.0f, 0.0f, 0, 4095}), "a_per_count"));
    CHECK(names(rms.start({2000.0f, 1.0f, -0.1f, 0, 4095}), "noise_a"));
    CHECK(names(rms.start({2000.0f, 1.0f, 0.0f, 4095, 0}), "highest"));
    CHECK(names(rms.start({2000.0f, 1.0f, 0.0f, std::numeric_limits<int32_t>::min(), 0}), "highest"));
    for (int i = 0; i < 70000; ++i) {
        CHECK_FALSE(rms.add(i));
    }
    CHECK(rms.window().faults == bit(Fault::NOT_CONFIGURED));
}

TEST_CASE("a loop is linear between 4 and 20 mA, and a vacuum is negative") {
    const Loop4to20 loop = {-1.0f, 9.0f};
    REQUIRE(loop.check() == nullptr);
    CHECK(loop.value(4.0f).value == -1.0f);
    CHECK(loop.value(12.0f).value == 4.0f);
    CHECK(loop.value(20.0f).value == 9.0f);
}

TEST_CASE("a loop measures to 3.8 and 20.5 mA, is held there, and has failed from 3.6 down and 21 up") {
    const Loop4to20 loop = {0.0f, 16.0f};
    const float lowest = loop.value(3.8f).value, highest = loop.value(20.5f).value;
    CHECK(lowest == doctest::Approx(-0.2));
    CHECK(highest == doctest::Approx(16.5));
    CHECK(loop.value(3.61f).value == lowest);
    CHECK(loop.value(20.99f).value == highest);
    for (float ma : {3.6f, 3.59f, 0.0f, -1.0f, -INFINITE}) {
        CHECK(loop.value(ma).faults == bit(Fault::LOOP_LOW));
        CHECK(std::isnan(loop.value(ma).value));
    }
    for (float ma : {21.0f, 21.1f, 30.0f, INFINITE}) {
        CHECK(loop.value(ma).faults == bit(Fault::LOOP_HIGH));
        CHECK(std::isnan(loop.value(ma).value));
    }
    CHECK(loop.value(NOT_A_NUMBER).faults == bit(Fault::NO_DATA));
}

TEST_CASE("a loop without its scale tells nothing") {
    CHECK(Loop4to20().value(12.0f).faults == bit(Fault::NOT_CONFIGURED));
    CHECK(names(Loop4to20().check(), "at_4_ma"));
    CHECK(names(Loop4to20{0.0f, 0.0f}.check(), "at_20_ma"));
    CHECK(names(Loop4to20{0.0f, INFINITE}.check(), "at_20_ma"));
}

TEST_CASE("a platinum resistor reads as the table of IEC 60751 says") {
    // Pt100, ohm to two digits; so the temperature is known to 0.005 / 0.38 K, at 850 C to 0.005 / 0.29 K
    struct { double c, ohm; } const table[] = {
        {-200, 18.52}, {-150, 39.72}, {-100, 60.26}, {-50, 80.31}, {-10, 96.09}, {0, 100.00},
        {10, 103.90},  {25, 109.73},  {50, 119.40},  {100, 138.51}, {150, 157.33}, {200, 175.86},
        {300, 212.05}, {400, 247.09}, {600, 313.71}, {850, 390.48},
    };
    for (const auto& point : table) {
        CAPTURE(point.c);
        CHECK(std::abs(static_cast<double>(platinum_c(static_cast<float>(point.ohm / 100.0))) - point.c) < 0.018);
    }
}

TEST_CASE("temperature undoes resistance over the whole range") {
    for (double t = -199.5; t <= 849.5; t += 0.5) {
        const double below = t < 0.0 ? -4.183e-12 * (t - 100.0) * t * t * t : 0.0;
        const double relative = 1.0 + 3.9083e-3 * t - 5.775e-7 * t * t + below;
        CHECK(std::abs(static_cast<double>(platinum_c(static_cast<float>(relative))) - t) < 0.002);
    }
}

TEST_CASE("a Pt1000 that is open, shorted or not read is no temperature") {
    CHECK(pt1000(1000.0f).value == 0.0f);
    CHECK(pt1000(1385.06f).value == doctest::Approx(100.0).epsilon(0.0002));
    CHECK(pt1000(764.0f).value < -59.0f);
    CHECK(pt1000(2470.0f).value > 399.0f);
    for (float ohm : {762.0f, 180.0f, 0.0f, -5.0f, -INFINITE}) {
        CHECK(pt1000(ohm).faults == bit(Fault::SHORT_CIRCUIT));
        CHECK(std::isnan(pt1000(ohm).value));
    }
    for (float ohm : {2472.0f, 4000.0f, 1e9f, INFINITE}) {
        CHECK(pt1000(ohm).faults == bit(Fault::OPEN_CIRCUIT));
        CHECK(std::isnan(pt1000(ohm).value));
    }
    CHECK(pt1000(NOT_A_NUMBER).faults == bit(Fault::NO_DATA));
}

TEST_CASE("speed comes from the time between pulses, not from their number") {
    Tachometer tachometer;
    REQUIRE(tachometer.start(TACHO, 0) == nullptr);
    const double period_us = 60e6 / 2873.4;
    spin(tachometer, 1000, period_us, 49);
    CHECK(tachometer.rpm(1010000).value == doctest::Approx(2873.4).epsilon(1e-4));
}

TEST_CASE("pulses per turn are divided out") {
    Tachometer tachometer;
    REQUIRE(tachometer.start({60.0f, 3600.0f, 500}, 0) == nullptr);
    const int64_t last = spin(tachometer, 0, 1e6 / 60.0 / 25.0, 1500);
    CHECK(tachometer.rpm(last).value == doctest::Approx(1500.0).epsilon(1e-4));
}

TEST_CASE("windows join: a pulse between two readings belongs to both") {
    Tachometer tachometer;
    REQUIRE(tachometer.start(TACHO, 0) == nullptr);
    tachometer.pulse(0);
    tachometer.pulse(20000);
    CHECK(tachometer.rpm(25000).value == doctest::Approx(3000.0));
    tachometer.pulse(45000);
    CHECK(tachometer.rpm(46000).value == doctest::Approx(2400.0));
}

TEST_CASE("a standing shaft reads 0 after the time-out, and before it only what it can still have") {
    Tachometer tachometer;
    REQUIRE(tachometer.start(TACHO, 0) == nullptr);
    const int64_t last = spin(tachometer, 0, 20000.0, 51);
    CHECK(tachometer.rpm(last + 10000).value == doctest::Approx(3000.0));
    CHECK(tachometer.rpm(last + 1000000).value == doctest::Approx(60.0));
    CHECK(tachometer.rpm(last + 2000000).value == doctest::Approx(30.0));
    CHECK(tachometer.rpm(last + 2000001).value == 0.0f);
    CHECK(tachometer.rpm(last + 3600000000000).value == 0.0f);
}

TEST_CASE("a shaft that starts again is not slowed by the time it stood") {
    Tachometer tachometer;
    REQUIRE(tachometer.start(TACHO, 0) == nullptr);
    spin(tachometer, 0, 20000.0, 11);
    const int64_t last = spin(tachometer, 9000000, 40000.0, 11);  // nobody asked meanwhile
    CHECK(tachometer.rpm(last).value == doctest::Approx(1500.0));
    CHECK(tachometer.rpm(last + 5000000).value == 0.0f);
    tachometer.pulse(last + 9000000);
    CHECK(tachometer.rpm(last + 9000001).value == 0.0f);
    tachometer.pulse(last + 9030000);
    CHECK(tachometer.rpm(last + 9030001).value == doctest::Approx(2000.0));
}

TEST_CASE("a speed below one turn in a reading interval is held until the next pulse") {
    Tachometer tachometer;
    REQUIRE(tachometer.start({1.0f, 6000.0f, 10000}, 0) == nullptr);
    tachometer.pulse(0);
    tachometer.pulse(5000000);
    CHECK(tachometer.rpm(6000000).value == doctest::Approx(12.0));
    CHECK(tachometer.rpm(7000000).value == doctest::Approx(12.0));
}

TEST_CASE("nothing is told before the first period or the first time-out") {
    Tachometer tachometer;
    REQUIRE(tachometer.start(TACHO, 500) == nullptr);
    CHECK(tachometer.rpm(1000).faults == bit(Fault::SETTLING));
    tachometer.pulse(2000);
    CHECK(tachometer.rpm(3000).faults == bit(Fault::SETTLING));
    Tachometer silent;
    REQUIRE(silent.start(TACHO, 500) == nullptr);
    CHECK(silent.rpm(2000501).value == 0.0f);
}

TEST_CASE("pulses faster than the shaft can be are ignored and counted") {
    Tachometer tachometer;
    REQUIRE(tachometer.start(TACHO, 0) == nullptr);
    int64_t at = 0;
    for (int i = 0; i < 51; ++i, at += 20000) {
        tachometer.pulse(at);
        if (i % 2 == 0 && i > 0) {
            tachometer.pulse(at + 300);  // bounce
        }
    }
    tachometer.pulse(5);  // time runs backwards
    CHECK(tachometer.rpm(at).value == doctest::Approx(3000.0));
    CHECK(tachometer.glitches() == 26);
}

TEST_CASE("noise on the line does not read as the highest speed") {
    Tachometer tachometer;
    REQUIRE(tachometer.start(TACHO, 0) == nullptr);
    int64_t last = spin(tachometer, 0, 20.0, 50000);
    const Measured noisy = tachometer.rpm(last);
    CHECK(std::isnan(noisy.value));
    CHECK(noisy.faults == bit(Fault::GLITCHES));
    last = spin(tachometer, last + 20000, 20000.0, 50);
    tachometer.rpm(last);
    last = spin(tachometer, last + 20000, 20000.0, 50);
    CHECK(tachometer.rpm(last).value == doctest::Approx(3000.0));
}

TEST_CASE("settings that cannot be a tachometer's are refused by name, and no pulse is taken then") {
    Tachometer tachometer;
    CHECK(names(tachometer.start({0.0f, 6000.0f, 2000}, 0), "pulses_per_turn"));
    CHECK(names(tachometer.start({NOT_A_NUMBER, 6000.0f, 2000}, 0), "pulses_per_turn"));
    CHECK(names(tachometer.start({1.0f, 100001.0f, 2000}, 0), "max_rpm"));
    CHECK(names(tachometer.start({1000.0f, 60000.0f, 2000}, 0), "max_rpm"));
    CHECK(names(tachometer.start({1.0f, 6000.0f, 20}, 0), "standstill_ms"));
    CHECK(names(tachometer.start({1.0f, 6000.0f, 60001}, 0), "standstill_ms"));
    spin(tachometer, 0, 20000.0, 50);
    CHECK(tachometer.rpm(1000000).faults == bit(Fault::NOT_CONFIGURED));
    CHECK(tachometer.rpm(99000000).faults == bit(Fault::NOT_CONFIGURED));
}

TEST_CASE("two points make a calibration, if they are two") {
    Calibration line;
    REQUIRE(calibrate(390.0f, 4.0f, 1960.0f, 20.0f, line) == nullptr);
    CHECK(line(390.0f) == doctest::Approx(4.0));
    CHECK(line(1175.0f) == doctest::Approx(12.0));
    const Calibration before = line;
    CHECK(names(calibrate(100.0f, 4.0f, 104.0f, 20.0f, line), "raw"));
    CHECK(names(calibrate(0.0f, 4.0f, 0.0f, 20.0f, line), "raw"));
    CHECK(names(calibrate(NOT_A_NUMBER, 4.0f, 1.0f, 20.0f, line), "raw"));
    CHECK(names(calibrate(1.0f, 4.0f, 2.0f, INFINITE, line), "truth"));
    CHECK(names(calibrate(1.0f, 4.0f, 2.0f, 4.0f, line), "truth"));
    CHECK(line.gain == before.gain);
    CHECK(line.offset == before.offset);
}

TEST_CASE("erased storage is no calibration") {
    Calibration erased;
    std::memset(static_cast<void*>(&erased), 0xFF, sizeof erased);
    CHECK_FALSE(erased.valid());
    CHECK(Calibration().valid());
}

TEST_CASE("every fault has a name of its own") {
    for (int i = 0; i < FAULTS; ++i) {
        REQUIRE(FAULT_NAMES[i] != nullptr);
        for (int j = 0; j < i; ++j) {
            CHECK(std::string(FAULT_NAMES[i]) != FAULT_NAMES[j]);
        }
    }
    CHECK(std::string(FAULT_NAMES[static_cast<int>(Fault::OUT_OF_RANGE)]) == "out_of_range");
}
