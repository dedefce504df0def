// From the wear, the duty and the build of a pump to what its eight sensors read, noise included.
#pragma once

#include "draws.hpp"
#include "duty.hpp"
#include "fixed.hpp"
#include "parameters.hpp"
#include "reading.hpp"

namespace pdm {

/// What differs from pump to pump as built and installed: vibration in mm/s, pressure in bar, temperatures in degrees
/// Celsius, the others relative to the rated pump. The order is that of BUILT.
struct Unit {
    Number gain[3];
    Number unbalance, misalignment, bearing, hydraulic, looseness;
    Number head, current, rise, slip, suction_bar, ambient_c, amplitude_c;
};

Unit build_unit(uint64_t seed, uint32_t number);

/// How much of its signature a mode shows at a wear of 0 to 1: steady at first, then a steep end. severity, onset: how
/// strongly and how late it shows in this life.
Share shown(Share wear, Share severity, Share onset);

/// What the sensors read; the speed as a share of SYNCHRONOUS_RPM. seen: what each mode shows. normal: standard normal
/// draws.
void read_channels(const Share (&seen)[FAILURE_MODES], const Unit& unit, const Duty::Moment& now,
                   const Number (&normal)[DRAWS], Number (&channels)[CHANNELS]);

/// Total vibration velocity, the vector sum of the three axes.
Number total_rms(const Number (&channels)[CHANNELS]);

}  // namespace pdm
