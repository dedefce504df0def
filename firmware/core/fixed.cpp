#include "fixed.hpp"

namespace pdm {

uint32_t root(uint64_t square) {
    if (square == 0) return 0;
    const int pairs = __builtin_clzll(square) / 2;  // of bits to the left, until the square lies between 1/4 and 1
    const uint32_t x = static_cast<uint32_t>(square << 2 * pairs >> 32);
    // Newton's steps to 1 / sqrt(x) divide by nothing; a line, at most 13 % off, begins
    uint32_t inverse = 0x8CCCCCCDu - static_cast<uint32_t>(uint64_t{x} * 0x50000000u >> 32);  // 2.2 - 1.25 x, in 2^-30
    for (int step = 0; step < 4; ++step) {
        const uint32_t inverse_squared = static_cast<uint32_t>(uint64_t{inverse} * inverse >> 31);  // in 2^-29
        const uint32_t near_1 = static_cast<uint32_t>(uint64_t{x} * inverse_squared >> 32);
        inverse = static_cast<uint32_t>(uint64_t{inverse} * (0x60000000u - near_1) >> 30);
    }
    const uint64_t whole = ((uint64_t{x} * inverse >> 30) + (1u << pairs >> 1)) >> pairs;
    return whole < UINT32_MAX ? static_cast<uint32_t>(whole) : UINT32_MAX;
}

}  // namespace pdm
