// Disturbances that are no wear, by name, at random times that are known without looking back.
#pragma once

#include "draws.hpp"
#include "fixed.hpp"
#include "reading.hpp"
#include "settings.hpp"

namespace pdm {

/// Lets disturbances pass over a pump: `heatwave` 15 degrees more; `mechanical_spike` readings at 12 mm/s; `cavitation`
/// pressure loss and broadband vibration; `voltage_drop` current up, speed and head down; `sensor_freeze` vibration stuck
/// at 0. All is drawn from the life's own key: the same seed disturbs the same readings.
class Chaos {
  public:
    /// The rules in force from now on.
    void follow(const Settings& settings);

    /// What the rules do to one reading of a life; its channels are as of read_channels. Returns which disturbance it
    /// was, of several the last rule's, or NONE.
    int8_t pass_over(Number (&channels)[CHANNELS], const NoiseKey& key, uint32_t step) const;

  private:
    struct Rule {
        uint8_t disturbance;
        bool always;
        uint32_t begins_below;  // levels of a draw at which an episode begins
        uint32_t readings;
    };

    static bool episode(const Rule& rule, const NoiseKey& key, uint32_t step, uint32_t* since);

    Rule rule_[DISTURBANCES] = {};
    int rules_ = 0;
};

}  // namespace pdm
