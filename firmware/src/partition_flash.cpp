#include "partition_flash.hpp"

namespace pdm::board {
namespace {

constexpr auto SUBTYPE = static_cast<esp_partition_subtype_t>(0x40);

}  // namespace

const char* PartitionFlash::begin() {
    const esp_partition_t* const found = esp_partition_find_first(ESP_PARTITION_TYPE_DATA, SUBTYPE, "outbox");
    if (found == nullptr) {
        return "there is no partition 'outbox': flash with firmware/partitions.csv";
    }
    if (found->encrypted) {
        return "the partition 'outbox' is encrypted: the marks of what was sent cannot be written";
    }
    partition_ = found;
    return nullptr;
}

bool PartitionFlash::erase_all() {
    return partition_ != nullptr && esp_partition_erase_range(partition_, 0, partition_->size) == ESP_OK;
}

bool PartitionFlash::read(uint32_t offset, void* into, size_t bytes) {
    return partition_ != nullptr && esp_partition_read(partition_, offset, into, bytes) == ESP_OK;
}

bool PartitionFlash::write(uint32_t offset, const void* from, size_t bytes) {
    return partition_ != nullptr && esp_partition_write(partition_, offset, from, bytes) == ESP_OK;
}

bool PartitionFlash::erase(uint32_t sector) {
    return sector < sectors() &&
           esp_partition_erase_range(partition_, sector * sector_bytes(), sector_bytes()) == ESP_OK;
}

}  // namespace pdm::board
