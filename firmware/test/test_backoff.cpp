#include <doctest/doctest.h>

#include <cstdint>
#include <initializer_list>

#include "backoff.hpp"

using pdm::Backoff;

namespace {

constexpr bool REFUSED = true;
constexpr bool UNREACHABLE = false;

}  // namespace

TEST_CASE("the longest delay doubles from 1 s to 60 s while the broker is out of reach") {
    Backoff backoff;
    for (const uint32_t expected_ms : {1000u, 2000u, 4000u, 8000u, 16000u, 32000u, 60000u, 60000u}) {
        CHECK(backoff.disconnected(UNREACHABLE, 0, UINT32_MAX) == expected_ms);
    }
    for (int i = 0; i < 1000; ++i) CHECK(backoff.disconnected(UNREACHABLE, 0, UINT32_MAX) == 60000);
}

TEST_CASE("a broker that refuses is left alone for up to 5 min") {
    Backoff backoff;
    for (int i = 0; i < 8; ++i) backoff.disconnected(REFUSED, 0, 0);
    CHECK(backoff.disconnected(REFUSED, 0, UINT32_MAX) == 256000);
    for (int i = 0; i < 1000; ++i) CHECK(backoff.disconnected(REFUSED, 0, UINT32_MAX) == 300000);
    CHECK(backoff.disconnected(UNREACHABLE, 0, UINT32_MAX) == 60000);
}

TEST_CASE("delays are spread evenly from 0 to the longest") {
    Backoff backoff;
    CHECK(backoff.disconnected(UNREACHABLE, 0, 0) == 0);
    CHECK(backoff.disconnected(UNREACHABLE, 0, UINT32_MAX / 2) == 1000);
    CHECK(backoff.disconnected(UNREACHABLE, 0, UINT32_MAX / 4) == 1000);
    CHECK(backoff.disconnected(UNREACHABLE, 0, UINT32_MAX / 4 * 3) == 6000);
}

TEST_CASE("a connection that lasted a minute starts over, a shorter one does not") {
    Backoff backoff;
    for (int i = 0; i < 4; ++i) backoff.disconnected(UNREACHABLE, 0, 0);
    backoff.connected(100000);
    CHECK(backoff.disconnected(UNREACHABLE, 159999, UINT32_MAX) == 16000);
    backoff.connected(200000);
    CHECK(backoff.disconnected(UNREACHABLE, 260000, UINT32_MAX) == 1000);
}

TEST_CASE("attempts that fail after a lasting connection grow again, however long ago it was") {
    Backoff backoff;
    backoff.connected(0);
    CHECK(backoff.disconnected(UNREACHABLE, 1000000, UINT32_MAX) == 1000);
    CHECK(backoff.disconnected(UNREACHABLE, 2000000, UINT32_MAX) == 2000);
    CHECK(backoff.disconnected(UNREACHABLE, 3000000, UINT32_MAX) == 4000);
}
