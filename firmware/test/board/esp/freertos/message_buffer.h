#pragma once

#include <cstring>
#include <deque>
#include <string>

#include "FreeRTOS.h"

struct StaticMessageBuffer_t {
    std::deque<std::string> messages;
    size_t room = 0;
};
using MessageBufferHandle_t = StaticMessageBuffer_t*;

inline MessageBufferHandle_t xMessageBufferCreateStatic(size_t bytes, uint8_t*, StaticMessageBuffer_t* buffer) {
    buffer->room = bytes - 1;
    return buffer;
}

inline size_t xMessageBufferSend(MessageBufferHandle_t buffer, const void* from, size_t bytes, TickType_t) {
    size_t used = 0;
    for (const std::string& message : buffer->messages) {
        used += sizeof(uint32_t) + message.size();
    }
    if (used + sizeof(uint32_t) + bytes > buffer->room) {
        return 0;
    }
    buffer->messages.emplace_back(static_cast<const char*>(from), bytes);
    return bytes;
}

inline size_t xMessageBufferReceive(MessageBufferHandle_t buffer, void* into, size_t room, TickType_t) {
    if (buffer->messages.empty() || buffer->messages.front().size() > room) {
        return 0;
    }
    const std::string message = buffer->messages.front();
    buffer->messages.pop_front();
    std::memcpy(into, message.data(), message.size());
    return message.size();
}
