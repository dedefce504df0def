#include "wear.hpp"

#include <math.h>

namespace pdm {
namespace {

constexpr double SHAPE = BRIDGE_SHAPE / BRIDGE_KNOTS;
constexpr double GAMMA_ABOVE = 0.91906252684888319;  // gamma(SHAPE + 1)
static_assert(SHAPE == 0.75, "the constant above is of this shape");

/// gamma(SHAPE + 1) P(SHAPE, x), the incomplete gamma function, over y = x ** SHAPE: its series (Abramowitz and Stegun,
/// 6.5.29), of which all terms are positive.
double below(double y, double x) {
    double term = 1.0, sum = 1.0;
    for (int n = 1; term > 1e-17 * sum; ++n) {
        term *= x / (SHAPE + n);
        sum += term;
    }
    return y * exp(-x) * sum;
}

/// Where on the bridge a share of a mode's life lies, in knots.
double place_of(int knot, double start, double exponent) {
    const double age = knot < BRIDGE_KNOTS ? static_cast<double>(knot) / BRIDGE_KNOTS : 1.0;
    const double begun = (age - start) / (1.0 - start);
    return BRIDGE_KNOTS * pow(begun > 0.0 ? begun : 0.0, exponent);
}

}  // namespace

double gamma_quantile(double probability) {
    const double sought = probability * GAMMA_ABOVE;
    // With y = x ** SHAPE the law's density falls steadily, from 1 (times the constant): Newton's steps approach from
    // the left and never pass the root. The worst case, at the highest level, takes ten.
    double y = sought;
    for (int step = 0; step < 50; ++step) {
        const double x = pow(y, 1.0 / SHAPE);
        const double off = (sought - below(y, x)) * exp(x);
        y += off;
        if (fabs(off) <= 1e-13 * y) {
            break;
        }
    }
    return pow(y, 1.0 / SHAPE);
}

void Wear::draw_paths(const Who& who, const double (&residual)[FAILURE_MODES]) {
    const Levels exponents = draw(who, Stream::LIFE, 4), starts = draw(who, Stream::LIFE, 5);
    for (int mode = 0; mode < FAILURE_MODES; ++mode) {
        double path[KNOTS];
        path[0] = 0.0;
        for (int knot = 0; knot < BRIDGE_KNOTS; knot += DRAWS) {
            const Levels drawn = draw(who, Stream::WEAR, static_cast<uint32_t>(mode * (BRIDGE_KNOTS / DRAWS) + knot / DRAWS));
            for (int index = 0; index < DRAWS; ++index) {
                path[knot + index + 1] = path[knot + index] + gamma_quantile(drawn.uniform(index));
            }
        }
        const double whole = path[BRIDGE_KNOTS];
        for (int knot = 0; knot < BRIDGE_KNOTS; ++knot) {
            path[knot] /= whole;
        }
        path[BRIDGE_KNOTS] = path[BRIDGE_KNOTS + 1] = 1.0;
        const int exponent_level = exponents.level[mode] * EXPONENT_LEVELS / DRAW_LEVELS;
        const int start_level = starts.level[mode] * START_LEVELS / DRAW_LEVELS;
        const Exponents& range = EXPONENTS[mode];
        const double exponent = range.low + (range.high - range.low) * exponent_level / (EXPONENT_LEVELS - 1);
        const double start = EARLIEST_START + (LATEST_START - EARLIEST_START) * start_level / (START_LEVELS - 1);
        for (int knot = 0; knot < KNOTS; ++knot) {
            const double place = place_of(knot, start, exponent);
            const int left = static_cast<int>(place);
            const double worn = path[left] + (place - left) * (path[left + 1] - path[left]);
            knot_[mode][knot] = static_cast<float>(residual[mode] + (1.0 - residual[mode]) * worn);
        }
    }
}

float Wear::at(int mode, float last_step, float step) const {
    const float place = fminf(step * static_cast<float>(BRIDGE_KNOTS) / last_step, static_cast<float>(BRIDGE_KNOTS));
    const int left = static_cast<int>(place);
    const float* const knot = &knot_[mode][left];
    return (place - static_cast<float>(left)) * (knot[1] - knot[0]) + knot[0];
}

}  // namespace pdm
