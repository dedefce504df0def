// A pump that does not exist: built, worn, disturbed, repaired, and read one reading after the other. The same seed,
// number, speed and failure mode give the pump that simulators/ give.
#pragma once

#include "chaos.hpp"
#include "draws.hpp"
#include "duty.hpp"
#include "physics.hpp"
#include "seams.hpp"
#include "settings.hpp"
#include "wear.hpp"

namespace pdm {

class Twin final : public Sensors {
  public:
    /// Where a pump was before the device lost its power, as its newest reading tells.
    struct Place {
        uint32_t generation = 0;
        uint32_t step = 0;
        int64_t last_maintenance_ms = UNKNOWN_MS;
    };

    /// Build the pump that the settings ask for, at a place of its life.
    void start(const Settings& settings, const Place& place);
    void start(const Settings& settings) { start(settings, Place{}); }

    /// Take over settings. Where they ask for another pump it starts new; else the pump goes on, otherwise disturbed.
    void change(const Settings& settings);

    /// Renew the pump, as good as new or nearly: its next life. Forgotten where the power goes before its first reading.
    void repair();

    /// The next reading of the pump's life, with the truth behind it. Returns false while a failed pump stands still.
    bool measure(Reading& reading) override;

    uint32_t generation() const { return place_.generation; }
    uint32_t readings_of_life() const { return life_readings_; }
    uint32_t interval_ms() const;

  private:
    static constexpr uint32_t NEVER = 0xFFFFFFFFu;

    void live();
    float most_worn(int8_t* mode, Share (&seen)[FAILURE_MODES]) const;
    bool failed() const { return settings_.wearing && place_.step >= life_readings_; }

    Settings settings_;
    Place place_;
    uint32_t stood_still_ = 0;   // readings since it failed
    uint32_t life_readings_ = 0;  // NEVER where it does not wear
    Unit unit_;
    NoiseKey key_;
    float last_step_[FAILURE_MODES];
    uint64_t knots_per_step_[FAILURE_MODES];  // 2^-40
    Share severity_[FAILURE_MODES], onset_[FAILURE_MODES];
    Wear wear_;
    Duty duty_;
    Chaos chaos_;
};

}  // namespace pdm
