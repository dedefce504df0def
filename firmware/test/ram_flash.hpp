// NOR flash in memory, whose power can be cut within a write or an erase, and which can wear out.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "seams.hpp"

class RamFlash final : public pdm::Flash {
  public:
    /// What power loss leaves of the call it cuts: all bytes before a place, any of its bytes, or any blocks of 16.
    enum class Tear { IN_ORDER, BYTES, BLOCKS };

    RamFlash(uint32_t sectors, uint32_t sector_bytes)
        : bytes(size_t{sectors} * sector_bytes, 0xFF), erases(sectors, 0), sector_bytes_(sector_bytes) {}

    /// The power goes after so many bytes written or erased; what the last call leaves is drawn by `seed`.
    void cut_after(uint64_t count, Tear tear, uint32_t seed) {
        steps_left_ = count;
        tear_ = tear;
        random_.seed(seed);
    }
    void power_up() {
        powered = true;
        steps_left_ = UINT64_MAX;
    }

    uint32_t sectors() const override { return static_cast<uint32_t>(erases.size()); }
    uint32_t sector_bytes() const override { return sector_bytes_; }

    bool read(uint32_t offset, void* into, size_t count) override {
        ++reads;
        if (!powered || reads_fail) return false;
        std::memcpy(into, &bytes.at(offset), count);
        (void)bytes.at(offset + count - 1);
        return true;
    }

    bool write(uint32_t offset, const void* from, size_t count) override {
        if (!powered || writes_fail) return false;
        const auto* data = static_cast<const uint8_t*>(from);
        const uint64_t whole = spend(count);
        for (size_t i = 0; i < count; ++i) {
            uint8_t& byte = bytes.at(offset + i);
            if ((byte & data[i]) != data[i]) ++writes_without_erase;
            const auto done = static_cast<uint8_t>(byte & data[i]);
            if (powered) byte = done;
            else byte = torn(byte, done, static_cast<uint8_t>(byte & (data[i] | draw())), i, whole);
            if (worn.count(offset + static_cast<uint32_t>(i))) byte = 0;
        }
        return powered;
    }

    bool erase(uint32_t sector) override {
        if (!powered || bad_sectors.count(sector)) return false;
        ++erases.at(sector);
        const uint64_t whole = spend(sector_bytes_);
        for (size_t i = 0; i < sector_bytes_; ++i) {
            uint8_t& byte = bytes.at(size_t{sector} * sector_bytes_ + i);
            byte = powered ? uint8_t{0xFF} : torn(byte, 0xFF, static_cast<uint8_t>(draw()), i, whole);
        }
        return powered;
    }

    std::vector<uint8_t> bytes;
    std::vector<uint32_t> erases;
    std::set<uint32_t> worn;         // bytes that lose their bits with each write
    std::set<uint32_t> bad_sectors;  // that cannot be erased
    uint64_t writes_without_erase = 0;
    uint64_t reads = 0;
    bool powered = true;
    bool reads_fail = false;
    bool writes_fail = false;

  private:
    uint32_t draw() { return static_cast<uint32_t>(random_()); }

    uint64_t spend(uint64_t count) {
        const uint64_t whole = steps_left_ < count ? steps_left_ : count;
        powered = whole == count;
        steps_left_ -= steps_left_ == UINT64_MAX ? 0 : whole;
        return whole;
    }

    uint8_t torn(uint8_t before, uint8_t after, uint8_t between, size_t place, uint64_t whole) {
        if (tear_ == Tear::IN_ORDER) return place < whole ? after : place == whole ? between : before;
        if (tear_ == Tear::BYTES || place % 16 == 0) which_ = draw() % 3;
        return which_ == 0 ? before : which_ == 1 ? after : between;
    }

    uint32_t sector_bytes_;
    uint64_t steps_left_ = UINT64_MAX;
    Tear tear_ = Tear::IN_ORDER;
    uint32_t which_ = 0;
    std::mt19937 random_{1};
};
