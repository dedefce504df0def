// How long a pump lives and what it dies of: a Weibull life for each failure mode, of which the shortest counts.
#pragma once

#include <stdint.h>

#include "draws.hpp"
#include "reading.hpp"
#include "settings.hpp"

namespace pdm {

/// readings: of the whole life, the first and the last included. mode: what ends it. last_step: step at which each mode
/// would have failed; the smallest is readings - 1.
struct Lifetime {
    uint32_t readings;
    uint8_t mode;
    double last_step[FAILURE_MODES];
};

/// Draw from the law of competing risks, on condition that the life is one of the speed's length. given_mode: the mode
/// that has to win, or DRAWN. In doubles, and once a life: a float's rounding would move the length of one life in some
/// hundreds.
Lifetime draw_lifetime(const Who& who, Speed speed, int8_t given_mode);

}  // namespace pdm
