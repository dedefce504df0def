#include "lifetimes.hpp"

#include <math.h>

#include "parameters.hpp"

namespace pdm {
namespace {

struct Sum {
    double reached;
    uint32_t places;
};

/// Sum of the probability density over (readings, mode), readings first, up to the first place where it exceeds `until`.
Sum add_up(const Pace& pace, int8_t given_mode, double until) {
    Sum sum = {0.0, 0};
    for (uint32_t readings = pace.min_readings; readings <= pace.max_readings; ++readings) {
        const double hours = (readings - 0.5) * pace.hours_per_reading;
        double cumulative[FAILURE_MODES], all = 0.0;
        for (int mode = 0; mode < FAILURE_MODES; ++mode) {
            cumulative[mode] = pow(hours / LIVES[mode].scale_hours, LIVES[mode].shape);
            all += cumulative[mode];
        }
        const double survival = exp(-all);
        const int first = given_mode < 0 ? 0 : given_mode, last = given_mode < 0 ? FAILURE_MODES - 1 : given_mode;
        for (int mode = first; mode <= last; ++mode) {
            sum.reached += LIVES[mode].shape / hours * cumulative[mode] * survival;
            if (sum.reached > until) {
                return sum;
            }
            ++sum.places;
        }
    }
    return sum;
}

/// Age in hours at failure of a part alive at `hours`, after so much more cumulative hazard.
double residual(const Weibull& life, double hours, double exposure) {
    return life.scale_hours * pow(pow(hours / life.scale_hours, life.shape) + exposure, 1.0 / life.shape);
}

}  // namespace

Lifetime draw_lifetime(const Who& who, Speed speed, int8_t given_mode) {
    const Pace& pace = PACES[static_cast<int>(speed)];
    const Levels drawn = draw(who, Stream::LIFE, 0);
    const double exact = drawn.uniform(0) + (drawn.uniform(1) - 0.5) / DRAW_LEVELS;
    const Sum whole = add_up(pace, given_mode, HUGE_VAL);
    uint32_t place = add_up(pace, given_mode, exact * whole.reached).places;
    if (place >= whole.places) {
        place = whole.places - 1;
    }
    Lifetime life;
    life.readings = pace.min_readings + (given_mode < 0 ? place / FAILURE_MODES : place);
    life.mode = static_cast<uint8_t>(given_mode < 0 ? place % FAILURE_MODES : static_cast<uint32_t>(given_mode));
    const Levels exposure = draw(who, Stream::LIFE, 1);
    const double hours = life.readings * pace.hours_per_reading;
    for (int mode = 0; mode < FAILURE_MODES; ++mode) {
        life.last_step[mode] = residual(LIVES[mode], hours, -log(exposure.uniform(mode))) / pace.hours_per_reading - 1.0;
    }
    life.last_step[life.mode] = life.readings - 1.0;
    return life;
}

}  // namespace pdm
