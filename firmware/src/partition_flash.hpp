// The outbox's flash: a partition of its own.
#pragma once

#include <esp_partition.h>

#include "seams.hpp"

namespace pdm::board {

class PartitionFlash final : public Flash {
  public:
    /// Find the partition "outbox" of partitions.csv. Returns nullptr, or why it cannot be used: then without sectors.
    const char* begin();
    /// Erase all of it; seconds long.
    bool erase_all();

    uint32_t sectors() const override { return partition_ == nullptr ? 0 : partition_->size / sector_bytes(); }
    uint32_t sector_bytes() const override { return 4096; }
    bool read(uint32_t offset, void* into, size_t bytes) override;
    bool write(uint32_t offset, const void* from, size_t bytes) override;
    bool erase(uint32_t sector) override;

  private:
    const esp_partition_t* partition_ = nullptr;
};

}  // namespace pdm::board
