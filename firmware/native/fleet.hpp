// Many devices in one program, each with a connection of its own.
#pragma once

#include "options.hpp"

namespace pdm::native {

/// Publish until SIGINT, SIGTERM or the end of the duration. Returns whether no reading was lost.
bool run_fleet(const Options& options);

}  // namespace pdm::native
