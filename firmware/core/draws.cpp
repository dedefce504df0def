#include "draws.hpp"

#include "parameters.hpp"

namespace pdm {
namespace {

struct Words {
    uint32_t word[4];
};

Words philox(uint64_t key, Words counter) {
    uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
    uint32_t* const c = counter.word;
    for (int round = 0; round < 10; ++round) {
        const uint64_t p0 = uint64_t{c[0]} * 0xD2511F53u, p1 = uint64_t{c[2]} * 0xCD9E8D57u;
        c[0] = static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0;
        c[1] = static_cast<uint32_t>(p1);
        c[2] = static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1;
        c[3] = static_cast<uint32_t>(p0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return counter;
}

Words words(const Who& who, Stream stream, uint32_t step) {
    return philox(who.seed, Words{{step, who.number, who.generation, static_cast<uint32_t>(stream)}});
}

Levels mixed(const NoiseKey& key, uint64_t place) {
    Levels drawn;
    for (int half = 0; half < 2; ++half) {
        uint64_t state = place * 0x9E3779B97F4A7C15u + key.word[half];
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9u;
        state = (state ^ state >> 27) * 0x94D049BB133111EBu;
        state ^= state >> 31;
        for (int quarter = 0; quarter < 4; ++quarter) {
            drawn.level[4 * half + quarter] = static_cast<uint16_t>(state >> 16 * quarter);
        }
    }
    return drawn;
}

}  // namespace

Levels draw(const Who& who, Stream stream, uint32_t step) {
    const Words drawn = words(who, stream, step);
    Levels levels;
    for (int index = 0; index < 4; ++index) {
        levels.level[2 * index] = static_cast<uint16_t>(drawn.word[index] >> 16);
        levels.level[2 * index + 1] = static_cast<uint16_t>(drawn.word[index]);
    }
    return levels;
}

NoiseKey noise_key(const Who& who) {
    const Words drawn = words(who, Stream::NOISE, 0);
    return {{drawn.word[0] | uint64_t{drawn.word[1]} << 32, drawn.word[2] | uint64_t{drawn.word[3]} << 32}};
}

Levels draw_at(const NoiseKey& key, Stream stream, uint64_t place) {
    return mixed(key, place + (static_cast<uint64_t>(stream) << 40));
}

// Cubics over stretches that are the longer the further they lie from the law's end: the first 16 levels, then eight
// stretches to each doubling of the distance.
Number normal_quantile(uint16_t level) {
    const bool upper = level >= DRAW_LEVELS / 2;
    const uint32_t from_end = upper ? DRAW_LEVELS - 1u - level : level;
    int doublings = NORMAL_DOUBLINGS;
    while (doublings > 0 && from_end >> doublings < 8) --doublings;
    const int32_t* const c = NORMAL[8 * static_cast<uint32_t>(doublings) + (from_end >> doublings)];
    const Share within = Share::of_raw(from_end << (30 - doublings) & 0x3FFFFFFF);
    using Fine = Fixed<28>;
    Fine fine = Fine::of_raw(c[3]);
    for (int power = 2; power >= 0; --power) {
        fine = fine * within + Fine::of_raw(c[power]);
    }
    const Number size = Number::of_raw((fine.raw() + 16) >> 5);
    return upper ? size : -size;
}

void draw_normals(const NoiseKey& key, uint64_t step, Number (&normal)[DRAWS]) {
    const Levels drawn = mixed(key, step);
    for (int index = 0; index < DRAWS; ++index) {
        normal[index] = normal_quantile(drawn.level[index]);
    }
}

}  // namespace pdm
