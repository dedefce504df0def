// From the wear, the duty and the build of a pump to what its eight sensors read, noise included.
#pragma once

#include "draws.hpp"
#include "duty.hpp"
#include "parameters.hpp"
#include "reading.hpp"

namespace pdm {

/// What differs from pump to pump as built and installed: vibration in mm/s, pressure in bar, temperatures in degrees
/// Celsius, the others relative to the rated pump. The order is that of BUILT.
struct Unit {
    float gain[3];
    float unbalance, misalignment, bearing, hydraulic, looseness;
    float head, current, rise, slip, suction_bar, ambient_c, amplitude_c;
};

Unit build_unit(uint64_t seed, uint32_t number);

/// How much of its signature a mode shows at a wear of 0 to 1: steady at first, then a steep end. severity, onset: how
/// strongly and how late it shows in this life.
float shown(float wear, float severity, float onset);

/// What the sensors read. seen: what each mode shows. normal: standard normal draws.
void read_channels(const float (&seen)[FAILURE_MODES], const Unit& unit, const Duty::Moment& now,
                   const float (&normal)[DRAWS], float (&channels)[CHANNELS]);

/// Total vibration velocity, the vector sum of the three axes.
float total_rms(const float (&channels)[CHANNELS]);

}  // namespace pdm
