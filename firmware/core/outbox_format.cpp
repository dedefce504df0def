#include "outbox_format.hpp"

namespace pdm {
namespace outbox_format {

namespace {

/// CRC-32 as of IEEE 802.3, four bits at a time; `crc` of what came before, or 0.
uint32_t crc32(uint32_t crc, const void* data, size_t bytes) {
    static constexpr uint32_t TABLE[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
    const uint8_t* byte = static_cast<const uint8_t*>(data);
    crc = ~crc;
    for (size_t i = 0; i < bytes; ++i) {
        crc ^= byte[i];
        crc = (crc >> 4) ^ TABLE[crc & 0xF];
        crc = (crc >> 4) ^ TABLE[crc & 0xF];
    }
    return ~crc;
}

uint32_t header_crc(const Header& header) {
    return crc32(0, &header, offsetof(Header, crc));
}

}  // namespace

uint32_t ring_id(uint32_t sectors, uint32_t sector_bytes) {
    const uint32_t fields[] = {FORMAT, sectors, sector_bytes};
    return crc32(0, fields, sizeof fields);
}

uint32_t record_crc(uint32_t ring, uint64_t serial, const Reading& reading) {
    return crc32(crc32(ring, &serial, sizeof serial), &reading, sizeof reading);
}

bool is_blank(const Slot& slot) {
    const uint8_t* byte = reinterpret_cast<const uint8_t*>(&slot);
    for (size_t i = 0; i < sizeof slot; ++i) {
        if (byte[i] != 0xFF) return false;
    }
    return true;
}

Header Header::of(uint32_t ring, uint32_t sequence) {
    Header header = {ring, sequence, 0};
    header.crc = header_crc(header);
    return header;
}

bool Header::is_of(uint32_t of_ring) const {
    return ring == of_ring && crc == header_crc(*this);
}

}  // namespace outbox_format
}  // namespace pdm
