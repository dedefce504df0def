// As much of FreeRTOS as the link over esp-mqtt uses, for one thread.
#pragma once

#include <cstddef>
#include <cstdint>

using BaseType_t = int;
using TickType_t = uint32_t;
constexpr BaseType_t pdTRUE = 1, pdFALSE = 0;
#define pdMS_TO_TICKS(ms) (ms)
