// Flash in a file, or in memory where it need not outlive the program.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "seams.hpp"

namespace pdm::native {

class FileFlash final : public Flash {
  public:
    /// `sectors` of 4 KiB in a file, made erased where it is not there; without a path in memory. Throws
    /// std::runtime_error naming the file where it cannot be used.
    FileFlash(std::string path, uint32_t sectors);
    ~FileFlash();
    FileFlash(const FileFlash&) = delete;
    FileFlash& operator=(const FileFlash&) = delete;

    uint32_t sectors() const override { return sectors_; }
    uint32_t sector_bytes() const override { return SECTOR_BYTES; }
    bool read(uint32_t offset, void* into, size_t bytes) override;
    bool write(uint32_t offset, const void* from, size_t bytes) override;
    bool erase(uint32_t sector) override;

  private:
    static constexpr uint32_t SECTOR_BYTES = 4096;

    bool within(uint32_t offset, size_t bytes) const { return offset + bytes <= uint64_t{sectors_} * SECTOR_BYTES; }

    bool keep(uint32_t offset, const std::vector<uint8_t>& changed);

    uint32_t sectors_;
    std::vector<uint8_t> memory_;  // what the file holds
    int file_ = -1;
};

}  // namespace pdm::native
