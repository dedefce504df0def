// What the command line asks for.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "mosquitto_link.hpp"
#include "settings.hpp"

namespace pdm::native {

/// What a user can mend; told without anything else, exit code 1.
class UsageError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Options {
    enum class Task { RUN, LIVES, HELP } task = Task::HELP;
    Settings settings;
    uint32_t pumps = 1;
    uint32_t first_number = 0;
    std::string prefix = "twin-";
    // run
    Broker broker;
    std::string root = "factory";
    std::string state;              ///< folder that outlives the program; empty: memory
    std::string passwords;          ///< file of `device_id password` lines
    uint32_t flash_kib = 512;
    std::optional<double> duration_s;
    double clock_after_s = 0.0;     ///< until then the clock is not set
    bool serial = false;            ///< standard input is the serial line
    // lives
    int64_t start_ms = 1767225600000;  ///< 2026-01-01
    uint32_t generation = 0;
    std::optional<uint32_t> readings;
};

extern const char* const HELP;

/// Throws UsageError naming the option and its value.
Options parse(int count, char** words);

}  // namespace pdm::native
