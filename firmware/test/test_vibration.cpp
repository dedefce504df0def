#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "vibration.hpp"

using namespace pdm;

namespace {

constexpr double PI = 3.14159265358979323846;
constexpr double G = 9.80665;

struct Tone {
    double hz, m_s2, phase;  // m_s2: amplitude

    /// RMS velocity in mm/s: a / (2 pi f sqrt 2).
    double velocity() const { return m_s2 / (2.0 * PI * hz) / std::sqrt(2.0) * 1000.0; }
};

/// A sensor of 16 bits and 16 g.
constexpr float PER_COUNT = static_cast<float>(16.0 * G / 32768.0);

struct Bench {
    VelocityRms velocity;
    double rate;
    uint64_t taken = 0;

    explicit Bench(double rate_hz) : rate(rate_hz) {
        REQUIRE(velocity.start({static_cast<float>(rate_hz), PER_COUNT, 32767}) == nullptr);
    }

    static int32_t counts(double m_s2) {
        return static_cast<int32_t>(std::lround(m_s2 / static_cast<double>(PER_COUNT)));
    }

    double sample(const std::vector<Tone>& tones, double offset) const {
        const double t = static_cast<double>(taken) / rate;
        double sum = offset;
        for (const Tone& tone : tones) {
            sum += tone.m_s2 * std::sin(2.0 * PI * tone.hz * t + tone.phase);
        }
        return sum;
    }

    /// Play to the end of the next window.
    Measured window(const std::vector<Tone>& tones, double offset = G) {
        for (;;) {
            const bool last = velocity.add(counts(sample(tones, offset)));
            ++taken;
            if (last) {
                return velocity.window();
            }
        }
    }

    /// The third window: settled.
    double settled(const std::vector<Tone>& tones, double offset = G) {
        window(tones, offset);
        window(tones, offset);
        const Measured third = window(tones, offset);
        REQUIRE(third.faults == 0);
        return static_cast<double>(third.value);
    }
};

const std::vector<Tone> PUMP = {{49.5, 2.0, 0.1}, {99.0, 1.0, 1.0}, {346.5, 4.0, 2.0}};

}  // namespace

TEST_CASE("a sine of 79.6 Hz and 1 g peak reads 13.9 mm/s") {
    Bench bench(3200);
    CHECK(bench.settled({{79.6, G, 0.0}}) == doctest::Approx(13.865).epsilon(0.002));
}

TEST_CASE("every frequency of the band reads as ISO 2954 allows, at every rate") {
    for (double rate : {800.0, 1600.0, 3200.0, 4000.0, 6667.0, 12799.0, 12800.0, 26667.0, 32000.0}) {
        for (double hz : {10.0, 12.0, 16.0, 20.0, 40.0, 80.0, 160.0, 250.0, 315.0, 500.0, 800.0, 1000.0}) {
            Bench bench(rate);
            if (hz > static_cast<double>(bench.velocity.upper_hz()) + 0.5) {
                continue;
            }
            const Tone tone = {hz, 0.5 * G, 0.3};
            const double relative = bench.settled({tone}) / tone.velocity();
            CAPTURE(rate);
            CAPTURE(hz);
            CHECK(relative > 0.91);
            CHECK(relative < 1.005);
            if (hz >= 20.0 && hz <= 500.0) {
                CHECK(relative > 0.98);
            }
            if (hz == 80.0) {
                CHECK(relative == doctest::Approx(1.0).epsilon(0.006));
            }
        }
    }
}

TEST_CASE("the band ends at 1000 Hz or at the rate over 3.2") {
    CHECK(Bench(3200).velocity.upper_hz() == doctest::Approx(1000.0));
    CHECK(Bench(26667).velocity.upper_hz() == doctest::Approx(1000.0));
    CHECK(Bench(1600).velocity.upper_hz() == doctest::Approx(500.0));
}

TEST_CASE("what is slower or faster than the band is weakened as by a Butterworth filter of third order") {
    for (double rate : {3200.0, 26667.0}) {
        CAPTURE(rate);
        const Tone slow = {2.0, 2.0, 0.0}, slower = {1.0, 2.0, 0.0};
        CHECK(Bench(rate).settled({slow}) / slow.velocity() == doctest::Approx(std::pow(2.0 / 7.5, 3)).epsilon(0.02));
        CHECK(Bench(rate).settled({slower}) / slower.velocity() < 0.003);
    }
    const Tone fast = {4000.0, 5.0 * G, 0.0};
    CHECK(Bench(12799).settled({fast}) / fast.velocity() < 0.05);
}

TEST_CASE("what is folded from above the filter's rate reads as about the velocity that it has") {
    for (double hz : {6617.0, 6657.0, 6717.0, 13284.0}) {
        const Tone tone = {hz, 5.0 * G, 0.0};
        CAPTURE(hz);
        CHECK(Bench(26667).settled({tone}) < 0.5 * PI * tone.velocity());
    }
}

TEST_CASE("gravity and an offset read as nothing") {
    std::mt19937 draw(5);
    std::normal_distribution<double> noise(0.0, 0.005);  // a count
    for (double offset : {0.0, G, -12.0 * G}) {
        VelocityRms velocity;
        REQUIRE(velocity.start({3200.0f, PER_COUNT, 32767}) == nullptr);
        for (int i = 0; i < 3 * 3200; ++i) {
            velocity.add(Bench::counts(offset + noise(draw)));
        }
        REQUIRE(velocity.window().faults == 0);
        CHECK(velocity.window().value < 0.01f);
        CHECK(velocity.window().value > 0.0f);
    }
}

TEST_CASE("a fine sensor of 20 bits keeps its fineness under gravity") {
    constexpr double PER_FINE_COUNT = 3.9e-6 * G;  // ADXL355, 2 g
    std::mt19937 draw(5);
    std::normal_distribution<double> noise(0.0, 2e-5);
    VelocityRms still, lying;
    REQUIRE(still.start({4000.0f, static_cast<float>(PER_FINE_COUNT), 524287}) == nullptr);
    REQUIRE(lying.start({4000.0f, static_cast<float>(PER_FINE_COUNT), 524287}) == nullptr);
    for (int i = 0; i < 4 * 4000; ++i) {
        const int32_t count = static_cast<int32_t>(std::lround(noise(draw) / PER_FINE_COUNT));
        still.add(count);
        lying.add(count + 256410);
    }
    REQUIRE(still.window().faults == 0);
    CHECK(static_cast<double>(lying.window().value) ==
          doctest::Approx(static_cast<double>(still.window().value)).epsilon(0.001));
}

TEST_CASE("two tones add up as squares") {
    const Tone low = {25.0, 3.0, 0.0}, high = {400.0, 40.0, 1.0};
    const double together = std::hypot(low.velocity(), high.velocity());
    CHECK(Bench(3200).settled({low, high}) == doctest::Approx(together).epsilon(0.01));
}

TEST_CASE("noise reads as the sum over its spectrum") {
    std::mt19937 draw(11);
    std::uniform_real_distribution<double> phase(0.0, 2.0 * PI);
    for (double rate : {3200.0, 26667.0}) {
        std::vector<Tone> tones;
        double squares = 0.0;
        for (double hz = 20.0; hz <= 500.0; hz += 5.0) {
            tones.push_back({hz, 0.5, phase(draw)});
            squares += std::pow(tones.back().velocity(), 2);
        }
        CHECK(Bench(rate).settled(tones) == doctest::Approx(std::sqrt(squares)).epsilon(0.005));
    }
}

TEST_CASE("the velocity goes with the sensitivity") {
    VelocityRms coarse;
    REQUIRE(coarse.start({3200.0f, 2.0f * PER_COUNT, 32767}) == nullptr);
    Bench bench(3200);
    for (int i = 0; i < 3 * 3200; ++i, ++bench.taken) {
        const int32_t count = Bench::counts(bench.sample(PUMP, G));
        bench.velocity.add(count);
        coarse.add(count);
    }
    CHECK(coarse.window().value == doctest::Approx(2.0 * static_cast<double>(bench.velocity.window().value)));
}

TEST_CASE("nothing is told before the filter has settled, and then the whole truth") {
    Bench bench(3200);
    CHECK(std::isnan(bench.velocity.window().value));
    const Measured first = bench.window(PUMP);
    CHECK(std::isnan(first.value));
    CHECK(first.faults == bit(Fault::SETTLING));
    const double second = static_cast<double>(bench.window(PUMP).value);
    bench.window(PUMP);
    CHECK(second == doctest::Approx(static_cast<double>(bench.window(PUMP).value)).epsilon(0.003));
}

TEST_CASE("one sample at full scale, of either sign, spoils its window and the next") {
    for (int32_t clipped : {32767, 32768, -32767, -32768, std::numeric_limits<int32_t>::max(),
                            std::numeric_limits<int32_t>::min()}) {
        Bench bench(3200);
        const double before = bench.settled(PUMP);
        bench.velocity.add(clipped);
        const Measured hit = bench.window(PUMP);
        CHECK(std::isnan(hit.value));
        CHECK(hit.faults == bit(Fault::OVERLOAD));
        CHECK(bench.window(PUMP).faults == bit(Fault::SETTLING));
        CHECK(bench.window(PUMP).value == doctest::Approx(before).epsilon(0.01));
    }
    Bench bench(3200);
    bench.settled(PUMP);
    bench.velocity.add(32766);
    CHECK(bench.window(PUMP).faults == 0);
}

TEST_CASE("a sensor that repeats one sample is dead, not still") {
    for (int32_t word : {0, -1, 1234}) {
        VelocityRms velocity;
        REQUIRE(velocity.start({3200.0f, PER_COUNT, 32767}) == nullptr);
        for (int i = 0; i < 4 * 3200; ++i) {
            velocity.add(word);
        }
        CHECK(std::isnan(velocity.window().value));
        CHECK(velocity.window().faults == bit(Fault::STUCK));
    }
}

TEST_CASE("a sensor that froze for a quarter of a window, across a border too, spoils it until it came back") {
    Bench bench(3200);
    bench.settled(PUMP);
    for (int i = 0; i < 2800; ++i, ++bench.taken) {
        bench.velocity.add(Bench::counts(bench.sample(PUMP, G)));
    }
    for (int i = 0; i < 400; ++i) {
        bench.velocity.add(777);
    }
    CHECK(bench.velocity.window().faults == 0);
    for (int i = 0; i < 401; ++i) {
        bench.velocity.add(777);
    }
    CHECK(bench.window(PUMP).faults == bit(Fault::STUCK));
    CHECK(bench.window(PUMP).faults == bit(Fault::SETTLING));
    CHECK(bench.window(PUMP).faults == 0);
}

TEST_CASE("lost samples spoil their window and the next") {
    for (double rate : {3200.0, 26667.0}) {
        Bench bench(rate);
        const double before = bench.settled(PUMP);
        bench.velocity.lost();
        bench.taken += 1234;
        CHECK(bench.window(PUMP).faults == bit(Fault::LOST_SAMPLES));
        CHECK(bench.window(PUMP).faults == bit(Fault::SETTLING));
        CHECK(bench.window(PUMP).value == doctest::Approx(before).epsilon(0.01));
    }
}

TEST_CASE("a window is a second, whatever the rate") {
    for (double rate : {800.0, 3200.0, 12800.0, 26667.0}) {
        Bench bench(rate);
        bench.window(PUMP);
        CHECK(static_cast<double>(bench.taken) == doctest::Approx(rate).epsilon(0.0005));
    }
}

TEST_CASE("settings that cannot be an accelerometer's are refused by name, and nothing is told then") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    struct { Accelerometer accelerometer; const char* field; } const wrong[] = {
        {{799.0f, PER_COUNT, 32767}, "rate_hz"}, {{32001.0f, PER_COUNT, 32767}, "rate_hz"},
        {{nan, PER_COUNT, 32767}, "rate_hz"},    {{3200.0f, 0.0f, 32767}, "m_s2_per_count"},
        {{3200.0f, nan, 32767}, "m_s2_per_count"}, {{3200.0f, -1.0f, 32767}, "m_s2_per_count"},
        {{3200.0f, PER_COUNT, 1}, "full_scale"}, {{3200.0f, PER_COUNT, (1 << 23) + 1}, "full_scale"},
    };
    for (const auto& one : wrong) {
        VelocityRms velocity;
        const char* refusal = velocity.start(one.accelerometer);
        REQUIRE(refusal != nullptr);
        CHECK(std::string(refusal).find(one.field) != std::string::npos);
        for (int i = 0; i < 100000; ++i) {
            CHECK_FALSE(velocity.add(i % 100));
        }
        CHECK(std::isnan(velocity.window().value));
        CHECK(velocity.window().faults == bit(Fault::NOT_CONFIGURED));
    }
}
