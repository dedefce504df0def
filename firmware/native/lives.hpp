// Whole lives at once, for whoever wants to look at them.
#pragma once

#include <string>

#include "options.hpp"

namespace pdm::native {

std::string device_id(const Options& options, uint32_t index);

/// One payload a line on standard output, pump by pump. A pump that does not wear gives 1,000 readings unless told.
void print_lives(const Options& options);

}  // namespace pdm::native
