#include "lifetimes.hpp"

#include <math.h>

#include "parameters.hpp"

namespace pdm {
namespace {

struct Sum {
    double reached;
    uint32_t places;
};

/// The law of competing risks over the lengths of life of one speed.
class Law {
  public:
    Law(const Pace& pace, int8_t given_mode)
        : pace_(pace),
          block_((pace.max_readings - pace.min_readings) / 11 + 1),
          first_(given_mode < 0 ? 0 : given_mode),
          last_(given_mode < 0 ? FAILURE_MODES - 1 : given_mode) {
        for (int mode = 0; mode < FAILURE_MODES; ++mode) {
            log_scale_[mode] = log(LIVES[mode].scale_hours);
        }
    }

    /// Sum of the probability density over (readings, mode), readings first, up to the first place where it exceeds
    /// `until`.
    Sum up_to(double until) const;

  private:
    double densities(double readings, double (&of_mode)[FAILURE_MODES]) const;
    double block(uint32_t from, uint32_t lengths) const;

    const Pace& pace_;
    const uint32_t block_;
    const int first_, last_;
    double log_scale_[FAILURE_MODES];
};

/// Probability density of a life of so many readings that ends by each of the modes in question, and their sum.
double Law::densities(double readings, double (&of_mode)[FAILURE_MODES]) const {
    const double hours = (readings - 0.5) * pace_.hours_per_reading, log_hours = log(hours);
    double all = 0.0, sum = 0.0;
    for (int mode = 0; mode < FAILURE_MODES; ++mode) {
        of_mode[mode] = exp(LIVES[mode].shape * (log_hours - log_scale_[mode]));  // cumulative hazard
        all += of_mode[mode];
    }
    const double survival = exp(-all);
    for (int mode = first_; mode <= last_; ++mode) {
        of_mode[mode] *= LIVES[mode].shape / hours * survival;
        sum += of_mode[mode];
    }
    return sum;
}

/// The sum over a block of lengths by Gauss's way: two or three of them, weighted so that polynomials up to the fifth
/// degree are summed exactly. Densities change little over a block: it is within 1e-12.
double Law::block(uint32_t from, uint32_t lengths) const {
    double unused[FAILURE_MODES];
    const double n = lengths, middle = from + (n - 1.0) / 2.0;
    const double second_moment = n * (n * n - 1.0) / 12.0;
    const double off_squared = lengths > 1 ? (3.0 * n * n - 7.0) / 20.0 : 1.0, off = sqrt(off_squared);
    const double outer = second_moment / (2.0 * off_squared);
    return outer * (densities(middle - off, unused) + densities(middle + off, unused)) +
           (n - 2.0 * outer) * densities(middle, unused);
}

Sum Law::up_to(double until) const {
    Sum sum = {0.0, 0};
    for (uint32_t from = pace_.min_readings; from <= pace_.max_readings; from += block_) {
        const uint32_t left = pace_.max_readings - from + 1, lengths = left < block_ ? left : block_;
        const double within = block(from, lengths);
        if (sum.reached + within <= until) {
            sum.reached += within;
            sum.places += lengths * static_cast<uint32_t>(last_ - first_ + 1);
            continue;
        }
        for (uint32_t readings = from; readings < from + lengths; ++readings) {
            double of_mode[FAILURE_MODES];
            densities(readings, of_mode);
            for (int mode = first_; mode <= last_; ++mode) {
                sum.reached += of_mode[mode];
                if (sum.reached > until) {
                    return sum;
                }
                ++sum.places;
            }
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
    const Law law(pace, given_mode);
    const Sum whole = law.up_to(HUGE_VAL);
    uint32_t place = law.up_to(exact * whole.reached).places;
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
