#include "wear.hpp"

#include <math.h>

namespace pdm {
namespace {

constexpr double SHAPE = BRIDGE_SHAPE / BRIDGE_KNOTS;
constexpr double GAMMA_ABOVE = 0.91906252684888319;  // gamma(SHAPE + 1)
static_assert(SHAPE == 0.75, "the constant above is of this shape");

double polynomial(double x, double c0, double c1, double c2, double c3, double c4) {
    return (((c4 * x + c3) * x + c2) * x + c1) * x + c0;
}

/// Where on the bridge a share of a mode's life lies, in knots.
double place_of(int knot, double start, double exponent) {
    const double age = knot < BRIDGE_KNOTS ? static_cast<double>(knot) / BRIDGE_KNOTS : 1.0;
    const double begun = (age - start) / (1.0 - start);
    // half the cost of pow(), which is exact beyond need
    return begun > 0.0 ? BRIDGE_KNOTS * exp(exponent * log(begun)) : 0.0;
}

}  // namespace

// Minimax fits to the inverse of the incomplete gamma function P. Below, x over y = (gamma(SHAPE + 1) P) ** (1 / SHAPE)
// is smooth, as its series shows (Abramowitz and Stegun, 6.5.29); in the tail, x in the logarithm of what is left.
double gamma_quantile(double probability) {
    if (probability <= 0.8) {
        const double sought = probability * GAMMA_ABOVE, y = sought * cbrt(sought);
        return y * polynomial(y, 0.999999988703, -1.85748069582, 0.917618886363, -0.0616764130367, -0.00722905682209) /
               polynomial(y, 1.0, -2.42891051041, 1.87516433732, -0.451271355745, 0.0);
    }
    const double t = -log(1.0 - probability);
    return polynomial(t, -0.0238698365432, 0.466538408334, 1.29051862346, 0.431417271739, 0.0203945788375) /
           polynomial(t, 1.0, 1.62414185805, 0.457389411082, 0.0204582041747, 0.0);
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

Share Wear::near(int mode, Place place) const {
    const int32_t raw = least(place, Place::of_raw(BRIDGE_KNOTS << 24)).raw();
    const float* const knot = &knot_[mode][raw >> 24];
    const Share left = Share::of(knot[0]), right = Share::of(knot[1]);
    return (right - left) * Share::of_raw((raw & 0xFFFFFF) << 6) + left;
}

float Wear::at(int mode, float last_step, float step) const {
    constexpr float END = BRIDGE_KNOTS;
    const float place = fminf(step * END / last_step, END);
    const int left = static_cast<int>(place);
    const float* const knot = &knot_[mode][left];
    return (place - static_cast<float>(left)) * (knot[1] - knot[0]) + knot[0];
}

}  // namespace pdm
