#include "outbox_format.hpp"

namespace pdm {
namespace outbox_format {

namespace {

/// CRC-32 as of IEEE 802.3, byte by byte.
struct Table {
    uint32_t of_byte[256] = {};
    constexpr Table() {
        for (uint32_t byte = 0; byte < 256; ++byte) {
            uint32_t crc = byte;
            for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
            of_byte[byte] = crc;
        }
    }
};
constexpr Table TABLE;

/// `crc` of what came before, or 0.
uint32_t crc32(uint32_t crc, const void* data, size_t bytes) {
    const uint8_t* byte = static_cast<const uint8_t*>(data);
    crc = ~crc;
    for (size_t i = 0; i < bytes; ++i) crc = (crc >> 8) ^ TABLE.of_byte[(crc ^ byte[i]) & 0xFF];
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
