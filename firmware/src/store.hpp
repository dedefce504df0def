// What outlives a loss of power beside the readings: who the device is, its settings, how its sensors are wired.
#pragma once

#include "instruments.hpp"
#include "provision.hpp"
#include "settings.hpp"

namespace pdm::board {

/// In non-volatile storage (NVS), which checks what it reads by CRC and replaces a value as a whole: a loss of power
/// leaves the old one or the new one. It is not encrypted: whoever holds the board can read the passwords.
class Store {
  public:
    enum class Found : uint8_t { NOTHING, BAD, GOOD };

    // where nothing good is found, `into` stays as it was
    Found load(Provision& into);
    Found load(Settings& into);
    Found load(Wiring& into);

    bool save(const Provision& provision);
    bool save(const Settings& settings);
    bool save(const Wiring& wiring);

    /// Forget all three.
    bool erase();
};

}  // namespace pdm::board
