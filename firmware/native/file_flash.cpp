#include "file_flash.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

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
    for (size_t index = 0; index < bytes; ++index) {
        memory_[offset + index] = static_cast<uint8_t>(memory_[offset + index] & source[index]);
    }
    return file_ < 0 || pwrite(file_, memory_.data() + offset, bytes, offset) == static_cast<ssize_t>(bytes);
}

bool FileFlash::erase(uint32_t sector) {
    if (sector >= sectors_) {
        return false;
    }
    uint8_t* const start = memory_.data() + sector * SECTOR_BYTES;
    std::memset(start, 0xFF, SECTOR_BYTES);
    return file_ < 0 || pwrite(file_, start, SECTOR_BYTES, sector * SECTOR_BYTES) == ssize_t{SECTOR_BYTES};
}

}  // namespace pdm::native
