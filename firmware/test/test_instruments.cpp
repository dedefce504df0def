#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>

#include "instruments.hpp"

using namespace pdm;

namespace {

int64_t clock_us;
int64_t now_us() { return clock_us; }

Wiring wiring() {
    Wiring w;
    w.accelerometer = {1000.0f, 0.01f, 8000};
    w.clamp = {1000.0f, 0.02f, 0.0f, 0, 4095};
    w.pressure = {0.0f, 10.0f};
    w.loop_ma = {0.01f, 0.0f};  // mV over 100 ohm
    w.tacho = {1.0f, 6000.0f, 2000};
    return w;
}

/// A pump at 3,000 1/min, 50 Hz, 1000 samples a second of everything.
struct Plant {
    Instruments instruments{now_us};
    double x = 3.0, y = 2.0, z = 1.0;  // m/s^2, amplitude
    bool clamp_alive = true, loop_alive = true;

    Plant() { clock_us = 1000000; }

    void run(int milliseconds) {
        for (int i = 0; i < milliseconds; ++i, clock_us += 1000) {
            const double wave = std::sin(2.0 * 3.14159265358979 * 50.0 * static_cast<double>(clock_us) * 1e-6 + 0.3);
            auto counts = [wave](double m_s2) { return static_cast<int32_t>(std::lround(100.0 * m_s2 * wave)); };
            instruments.acceleration(counts(x), counts(y), 981 + counts(z));
            if (clamp_alive) {
                instruments.current(2048 + static_cast<int32_t>(std::lround(500.0 * wave)));
            }
            if (clock_us % 20000 == 0) {
                instruments.pulse(clock_us);
            }
            if (loop_alive && clock_us % 100000 == 0) {
                instruments.pressure(1200.0f);
                instruments.temperature(1194.0f);
            }
        }
    }

    Reading read() {
        Reading reading;
        CHECK(instruments.measure(reading));
        return reading;
    }
};

}  // namespace

TEST_CASE("a pump's sensors make the eight channels") {
    Plant plant;
    REQUIRE(plant.instruments.start(wiring()) == nullptr);
    plant.run(3500);
    const Reading reading = plant.read();
    const double per_m_s2 = 1000.0 / (2.0 * 3.14159265 * 50.0) / std::sqrt(2.0);
    const double expected[CHANNELS] = {3.0 * per_m_s2, 2.0 * per_m_s2, per_m_s2, std::sqrt(14.0) * per_m_s2,
                                       50.0, 5.0, 500.0 * 0.02 / std::sqrt(2.0), 3000.0};
    for (int channel = 0; channel < CHANNELS; ++channel) {
        CAPTURE(channel);
        CHECK(reading.channels[channel] == doctest::Approx(expected[channel]).epsilon(0.006));
        CHECK(plant.instruments.faults(static_cast<Channel>(channel)) == 0);
    }
}

TEST_CASE("right after the start nothing is told, and why") {
    Plant plant;
    REQUIRE(plant.instruments.start(wiring()) == nullptr);
    const Reading reading = plant.read();
    for (float value : reading.channels) {
        CHECK(std::isnan(value));
    }
    CHECK(plant.instruments.faults(VIBRATION_RMS) == bit(Fault::SETTLING));
    CHECK(plant.instruments.faults(PRESSURE) == bit(Fault::NO_DATA));
}

TEST_CASE("one axis that fails takes the sum with it, and no other channel") {
    Plant plant;
    REQUIRE(plant.instruments.start(wiring()) == nullptr);
    plant.x = 100.0;
    plant.run(3500);
    const Reading reading = plant.read();
    CHECK(std::isnan(reading.channels[VIBRATION_X]));
    CHECK(std::isnan(reading.channels[VIBRATION_RMS]));
    CHECK(plant.instruments.faults(VIBRATION_RMS) == bit(Fault::OVERLOAD));
    CHECK_FALSE(std::isnan(reading.channels[VIBRATION_Y]));
    CHECK_FALSE(std::isnan(reading.channels[CURRENT]));
}

TEST_CASE("a sensor that falls silent does not repeat its last word for ever") {
    Plant plant;
    REQUIRE(plant.instruments.start(wiring()) == nullptr);
    plant.run(3000);
    plant.clamp_alive = plant.loop_alive = false;
    plant.run(1000);
    CHECK_FALSE(std::isnan(plant.read().channels[CURRENT]));
    plant.run(3000);
    const Reading reading = plant.read();
    for (Channel channel : {CURRENT, PRESSURE, TEMPERATURE}) {
        CHECK(std::isnan(reading.channels[channel]));
        CHECK(plant.instruments.faults(channel) == bit(Fault::NO_DATA));
    }
    CHECK_FALSE(std::isnan(reading.channels[VIBRATION_RMS]));
}

TEST_CASE("lost samples of the accelerometer are lost on all axes, of the clamp on it alone") {
    Plant plant;
    REQUIRE(plant.instruments.start(wiring()) == nullptr);
    plant.run(3000);
    plant.instruments.acceleration_lost();
    plant.run(1000);
    plant.read();
    CHECK(plant.instruments.faults(VIBRATION_Z) == bit(Fault::LOST_SAMPLES));
    CHECK(plant.instruments.faults(CURRENT) == 0);
    plant.run(2000);
    plant.instruments.current_lost();
    plant.run(1000);
    plant.read();
    CHECK(plant.instruments.faults(VIBRATION_Z) == 0);
    CHECK(plant.instruments.faults(CURRENT) == bit(Fault::LOST_SAMPLES));
}

TEST_CASE("a value that the contract holds impossible is not sent") {
    Wiring wild = wiring();
    wild.pressure = {0.0f, 5000.0f};
    Plant plant;
    REQUIRE(plant.instruments.start(wild) == nullptr);
    plant.run(3000);
    CHECK(std::isnan(plant.read().channels[PRESSURE]));
    CHECK(plant.instruments.faults(PRESSURE) == bit(Fault::OUT_OF_RANGE));
}

TEST_CASE("one sensor's wrong settings are refused by name, and the others measure") {
    Wiring wrong = wiring();
    wrong.tacho.max_rpm = 0.0f;
    wrong.rtd_ohm.gain = NAN;
    Plant plant;
    const char* refusal = plant.instruments.start(wrong);
    REQUIRE(refusal != nullptr);
    CHECK(std::string(refusal).find("rtd_ohm") != std::string::npos);
    plant.run(3500);
    const Reading reading = plant.read();
    CHECK(plant.instruments.faults(RPM) == bit(Fault::NOT_CONFIGURED));
    CHECK(plant.instruments.faults(TEMPERATURE) == bit(Fault::NOT_CONFIGURED));
    CHECK(reading.channels[PRESSURE] == doctest::Approx(5.0));
    CHECK_FALSE(std::isnan(reading.channels[VIBRATION_RMS]));
}

TEST_CASE("nothing wired, nothing told") {
    clock_us = 0;
    Instruments instruments(now_us);
    CHECK(instruments.start(Wiring()) != nullptr);
    Reading reading;
    CHECK(instruments.measure(reading));
    for (float value : reading.channels) {
        CHECK(std::isnan(value));
    }
}
