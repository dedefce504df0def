// The sensors of a real pump as the device's Sensors: drivers hand in samples, `measure` makes a reading of them.
#pragma once

#include "seams.hpp"
#include "signals.hpp"
#include "vibration.hpp"

namespace pdm {

/// How the sensors are wired and calibrated. Plain bytes, for non-volatile storage; what is left out stays refused.
struct Wiring {
    Accelerometer accelerometer = {};
    Clamp clamp = {};
    Loop4to20 pressure;     ///< gauge pressure in bar at 4 and at 20 mA
    Calibration loop_ma;    ///< converter's reading over the shunt to mA
    Calibration rtd_ohm;    ///< converter's reading to the Pt1000's ohms
    Tacho tacho = {};
};

/// Each sensor lives by itself: one that fails makes its channel NaN, which is sent as null, and no other.
///
/// Not safe between threads. Everything is called by one task, or under one lock; `pulse` may come from an interrupt
/// that `measure` keeps out.
class Instruments : public Sensors {
  public:
    static constexpr int AXES = 3;

    /// now_us: time since power-up, 64 bits of it, microseconds.
    explicit Instruments(int64_t (*now_us)()) : now_us_(now_us) {}

    /// Start every sensor whose settings are right. Returns nullptr, or what is wrong with the first that is not.
    const char* start(const Wiring& wiring);

    void acceleration(int32_t x, int32_t y, int32_t z);  ///< counts
    void acceleration_lost();
    void current(int32_t count);
    void current_lost() { current_.lost(); }
    void pressure(float raw);     ///< NaN where the converter does not answer
    void temperature(float raw);  ///< NaN where the converter does not answer
    void pulse(int64_t at_us) { tachometer_.pulse(at_us); }

    /// All eight channels from what was handed in lately. Always true: a pump whose sensors are silent is news too.
    bool measure(Reading& reading) override;

    /// Why a channel of the last reading is NaN; 0 where it is not.
    Faults faults(Channel channel) const override { return faults_[channel]; }

  private:
    void tell(Reading& reading, Channel channel, Measured measured);

    int64_t (*now_us_)();
    Wiring wiring_;
    VelocityRms axis_[AXES];
    TrueRms current_;
    Tachometer tachometer_;
    Latest latest_[CHANNELS];
    Faults faults_[CHANNELS] = {};
};

}  // namespace pdm
