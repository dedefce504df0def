#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "fixed.hpp"

using namespace pdm;

namespace {

constexpr double STEP = 1.0 / (1 << 23);

double value_of(Number number) { return number.raw() * STEP; }

}  // namespace

TEST_CASE("sums are exact, products and quotients the nearest there are") {
    std::mt19937 random{1};
    for (int round = 0; round < 100000; ++round) {
        const Number one = Number::of_raw(static_cast<int32_t>(random()) >> 4);
        const Number other = Number::of_raw(1 + static_cast<int32_t>(random() >> 5));
        const Share share = Share::of_raw(static_cast<int32_t>(random()) >> 1);
        REQUIRE(value_of(one + other) == value_of(one) + value_of(other));
        REQUIRE(value_of(one - other) == value_of(one) - value_of(other));
        REQUIRE(std::abs(value_of(one * share) - value_of(one) * share.raw() / (1 << 30)) <= 0.5 * STEP);
        const double product = value_of(one) * value_of(other), quotient = value_of(one) / value_of(other);
        if (std::abs(product) < 255.0) REQUIRE(std::abs(value_of(one * other) - product) <= 0.5 * STEP);
        if (std::abs(quotient) < 255.0) REQUIRE(std::abs(value_of(one / other) - quotient) <= 0.50001 * STEP);
        REQUIRE((one < other) == (value_of(one) < value_of(other)));
        REQUIRE((one > other) == (value_of(one) > value_of(other)));
    }
}

TEST_CASE("a root is the whole number next to it, or within 2e-9 of itself") {
    std::mt19937_64 random{2};
    for (int round = 0; round < 200000; ++round) {
        const uint64_t square = round < 64 ? UINT64_MAX >> round : random() >> random() % 64;
        const double exact = std::sqrt(static_cast<double>(square));
        REQUIRE(std::abs(root(square) - exact) <= 1.0 + 2e-9 * exact);
    }
    CHECK(root(uint64_t{0}) == 0);
    CHECK(root(Number(2.25)).to_float() == doctest::Approx(1.5).epsilon(1e-7));
}

TEST_CASE("a float goes in and comes out as near as the point allows") {
    std::mt19937 random{3};
    std::uniform_real_distribution<float> exponent(-40.0f, 7.9f);
    for (int round = 0; round < 100000; ++round) {
        const float value = std::exp2(exponent(random));
        REQUIRE(std::abs(value_of(Number::of(value)) - static_cast<double>(value)) <= 0.5 * STEP);
        const Number number = Number::of_raw(static_cast<int32_t>(random()));
        REQUIRE(number.to_float() == static_cast<float>(value_of(number)));
    }
    CHECK(Number::of(0.0f).raw() == 0);
    CHECK(Number(0.0).to_float() == 0.0f);
    CHECK(Share::of(1.0f).raw() == 1 << 30);
}
