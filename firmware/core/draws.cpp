#include "draws.hpp"

#include <math.h>

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

float normal_quantile(uint16_t level) {
    const float q = (static_cast<float>(level) - 32767.5f) / 65536.0f;
    if (fabsf(q) <= 0.425f) {
        const float r = 0.180625f - q * q;
        return q * (((59.109374720f * r + 159.29113202f) * r + 50.434271938f) * r + 3.3871327179f) /
               (((67.187563600f * r + 78.757757664f) * r + 17.895169469f) * r + 1.0f);
    }
    const float r = sqrtf(-logf(0.5f - fabsf(q))) - 1.6f;
    const float size = (((0.17023821103f * r + 1.3067284816f) * r + 2.7568153900f) * r + 1.4234372777f) /
                       ((0.12021132975f * r + 0.73700164250f) * r + 1.0f);
    return q < 0.0f ? -size : size;
}

void draw_normals(const NoiseKey& key, uint64_t step, float (&normal)[DRAWS]) {
    const Levels drawn = mixed(key, step);
    for (int index = 0; index < DRAWS; ++index) {
        normal[index] = normal_quantile(drawn.level[index]);
    }
}

}  // namespace pdm
