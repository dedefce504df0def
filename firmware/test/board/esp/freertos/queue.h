#pragma once

#include <cstring>
#include <deque>
#include <string>

#include "FreeRTOS.h"

struct StaticQueue_t {
    std::deque<std::string> items;
    size_t places = 0, bytes = 0;
};
using QueueHandle_t = StaticQueue_t*;

inline QueueHandle_t xQueueCreateStatic(size_t places, size_t bytes, uint8_t*, StaticQueue_t* queue) {
    queue->places = places;
    queue->bytes = bytes;
    return queue;
}

inline BaseType_t xQueueSend(QueueHandle_t queue, const void* item, TickType_t) {
    if (queue->items.size() == queue->places) {
        return pdFALSE;
    }
    queue->items.emplace_back(static_cast<const char*>(item), queue->bytes);
    return pdTRUE;
}

inline BaseType_t xQueueReceive(QueueHandle_t queue, void* item, TickType_t) {
    if (queue->items.empty()) {
        return pdFALSE;
    }
    std::memcpy(item, queue->items.front().data(), queue->bytes);
    queue->items.pop_front();
    return pdTRUE;
}

inline void xQueueReset(QueueHandle_t queue) { queue->items.clear(); }
