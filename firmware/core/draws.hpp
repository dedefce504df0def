// Random numbers by place instead of by order, the same as the simulators': what is drawn for (seed, pump, step) never
// depends on what came before, so a pump that lost its power goes on as if it had not.
#pragma once

#include <stdint.h>

#include "fixed.hpp"

namespace pdm {

/// What a draw is for; streams never share numbers. The values are the simulators'.
enum class Stream : uint32_t {
    NOISE = 0, BUILD = 1, LIFE = 2, WEAR = 3, DUTY = 4, REPAIR = 5, CHAOS = 7, CHAOS_SIZE = 8, CHAOS_STEP = 9
};

/// Which life of which pump.
struct Who {
    uint64_t seed;
    uint32_t number;
    uint32_t generation;
};

constexpr int DRAWS = 8;

/// Eight draws, each evenly from 0 to 65,535.
struct Levels {
    uint16_t level[DRAWS];

    /// The draw as a number in (0, 1), exact in a float as well.
    double uniform(int index) const { return (level[index] + 0.5) / 65536.0; }
    Share share(int index) const { return Share::of_raw((2 * level[index] + 1) << 13); }
};

/// Two keys of 64 bits for what is drawn for the single readings of a life.
struct NoiseKey {
    uint64_t word[2];
};

/// Draws of a life. Philox4x32 with ten rounds: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
Levels draw(const Who& who, Stream stream, uint32_t step = 0);
NoiseKey noise_key(const Who& who);

/// Draws of a reading, at a fifth of the cost. SplitMix64, entered at `place` (below 2^40): Steele, Lea, Flood, Fast
/// splittable pseudorandom number generators, OOPSLA 2014.
Levels draw_at(const NoiseKey& key, Stream stream, uint64_t place);

/// Eight standard normal draws of the noise of one step.
void draw_normals(const NoiseKey& key, uint64_t step, Number (&normal)[DRAWS]);

/// Quantile of the standard normal distribution at (level + 0.5) / 65536, within 2e-7.
Number normal_quantile(uint16_t level);

}  // namespace pdm
