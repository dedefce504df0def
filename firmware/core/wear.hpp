// Paths of wear: a gamma process between new and failed, one for each failure mode of a pump.
#pragma once

#include <stdint.h>

#include "draws.hpp"
#include "fixed.hpp"
#include "parameters.hpp"
#include "reading.hpp"

namespace pdm {

/// Wear of each mode at 65 equal parts of its own life, from `residual` to 1 and never falling; a gamma bridge: van
/// Noortwijk, A survey of the application of gamma processes in maintenance, RESS 94 (2009).
class Wear {
  public:
    /// residual: wear of each mode that the last repair left, 0 to 1.
    void draw_paths(const Who& who, const double (&residual)[FAILURE_MODES]);

    /// Where in a mode's life a reading lies, in knots.
    using Place = Fixed<24>;

    /// Wear of one mode, 0 to 1.
    Share near(int mode, Place place) const;
    /// The same in floats, as the simulators reckon it: the truth is told with more digits than a sensor has.
    /// last_step: the end of the mode's life, infinite where it does not wear.
    float at(int mode, float last_step, float step) const;

  private:
    // two more than the bridge has, both 1: interpolation needs a right neighbour also at the very end
    static constexpr int KNOTS = BRIDGE_KNOTS + 2;
    float knot_[FAILURE_MODES][KNOTS];
};

/// Quantile of the gamma law of one increment of the bridge, shape BRIDGE_SHAPE / BRIDGE_KNOTS and scale 1, at a
/// probability in (0, 1): within 3e-8 of itself.
double gamma_quantile(double probability);

}  // namespace pdm
