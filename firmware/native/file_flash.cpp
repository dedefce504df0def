#include "file_flash.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace pdm::native {

FileFlash::FileFlash(std::string path, uint32_t sectors) : sectors_(sectors), memory_(sectors * SECTOR_BYTES, 0xFF) {
    if (path.empty()) {
        return;
    }
    file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file_ < 0) {
        throw std::runtime_error(path + " cannot be opened: " + std::strerror(errno));
    }
    if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
        close(file_);
        throw std::runtime_error(path + " is in use: another program publishes this pump");
    }
    // what a shorter file does not have counts as erased
    if (pread(file_, memory_.data(), memory_.size(), 0) < 0) {
        close(file_);
        throw std::runtime_error(path + " cannot be read: " + std::strerror(errno));
    }
}

FileFlash::~FileFlash() {
    if (file_ >= 0) {
        close(file_);
    }
}

bool FileFlash::read(uint32_t offset, void* into, size_t bytes) {
    if (!within(offset, bytes)) {
        return false;
    }
    std::memcpy(into, memory_.data() + offset, bytes);
    return true;
}

// No sync: what is written outlives this program, however it ends, but not a computer that loses its power.
bool FileFlash::write(uint32_t offset, const void* from, size_t bytes) {
    if (!within(offset, bytes)) {
        return false;
    }
    const auto* const source = static_cast<const uint8_t*>(from);
    std::vector<uint8_t> changed(bytes);
    for (size_t index = 0; index < bytes; ++index) {
        changed[index] = static_cast<uint8_t>(memory_[offset + index] & source[index]);
    }
    return keep(offset, changed);
}

bool FileFlash::erase(uint32_t sector) {
    if (sector >= sectors_) {
        return false;
    }
    return keep(sector * SECTOR_BYTES, std::vector<uint8_t>(SECTOR_BYTES, 0xFF));
}

/// First into the file: what a full disk refuses must not look stored.
bool FileFlash::keep(uint32_t offset, const std::vector<uint8_t>& changed) {
    if (file_ >= 0 && pwrite(file_, changed.data(), changed.size(), offset) != static_cast<ssize_t>(changed.size())) {
        return false;
    }
    std::copy(changed.begin(), changed.end(), memory_.begin() + offset);
    return true;
}

}  // namespace pdm::native
