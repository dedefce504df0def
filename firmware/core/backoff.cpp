#include "backoff.hpp"

namespace pdm {

void Backoff::connected(uint64_t now_ms) {
    connected_ = true;
    connected_ms_ = now_ms;
}

uint32_t Backoff::disconnected(bool refused, uint64_t now_ms, uint32_t random) {
    // a broker that accepts and throws out at once must not be asked every second
    if (connected_ && now_ms - connected_ms_ >= LASTING_MS) doublings_ = 0;
    connected_ = false;
    const uint32_t longest_ms = refused ? LONGEST_REFUSED_MS : LONGEST_MS;
    uint32_t ceiling_ms = FIRST_MS << doublings_;
    if (ceiling_ms < longest_ms) ++doublings_;
    if (ceiling_ms > longest_ms) ceiling_ms = longest_ms;
    return static_cast<uint32_t>(static_cast<uint64_t>(random) * (ceiling_ms + 1) >> 32);
}

}  // namespace pdm
