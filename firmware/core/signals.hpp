// Current, pressure, temperature and speed from what converters and pins tell.
#pragma once

#include <stdint.h>

#include "measured.hpp"

namespace pdm {

/// A current clamp on an analogue-to-digital converter, its signal biased to the middle of the range.
struct Clamp {
    float rate_hz;      ///< samples per second, 1,000 to 30,000
    float a_per_count;  ///< A/V of the clamp times V per count
    float noise_a;      ///< what it reads with no current, A
    int32_t lowest;     ///< counts at which the converter ends; at most 65,535 apart
    int32_t highest;
};

/// RMS current, A, over windows of a second; the bias and slow drift go out with the window's mean.
///
/// A second holds 50 periods of 50 Hz and 60 of 60 Hz, so neither beats; where the mains are off (49.5 Hz) or an
/// inverter drives the motor, the part of a period that is left over changes the value by 1 / (4 pi f T) at most:
/// 0.16 % at 50 Hz, 0.8 % at 10 Hz. Noise is taken out as what is uncorrelated adds up, sqrt(rms^2 - noise^2), so no
/// dead band is left. Sums are whole numbers and exact.
class TrueRms {
  public:
    /// Returns nullptr, or what is wrong; then every sample is ignored.
    const char* start(const Clamp& clamp);
    /// Take a sample. Returns true where it ended a window.
    bool add(int32_t count);
    void lost() { watch_.lost(); }
    /// The window that ended last, A.
    Measured window() const { return window_; }

  private:
    void end_window();

    SampleWatch watch_;
    Clamp clamp_ = {};
    uint32_t sum_ = 0;
    uint64_t squares_ = 0;
    Measured window_ = Measured::bad(Fault::NOT_CONFIGURED);
};

/// A transmitter on a 4 to 20 mA loop, with the failure signal of NAMUR NE 43: 3.6 mA or less and 21 mA or more are no
/// measurement. From 3.8 to 20.5 mA it measures; between the two it is held at 3.8 or 20.5.
struct Loop4to20 {
    float at_4_ma = NAN;   ///< what the transmitter means by 4 mA, in the channel's unit
    float at_20_ma = NAN;

    const char* check() const;  ///< nullptr, or what is wrong
    Measured value(float ma) const;
};

/// Temperature in degrees Celsius of a platinum resistor from its resistance relative to that at 0 C. Valid from -200
/// to 850 C, NaN beyond. Source: IEC 60751 (Callendar-Van Dusen), solved at and above 0 C, below it by Newton's method.
float platinum_c(float relative_resistance);

/// Temperature of a Pt1000, degrees Celsius. Below -60 C it is a short circuit and above 400 C an open one: no pump has
/// such temperatures, and the contract holds them impossible.
Measured pt1000(float ohm);

/// Pulses of a shaft.
struct Tacho {
    float pulses_per_turn;
    float max_rpm;           ///< pulses that come faster are glitches; up to 100,000
    /// Without a pulse for so long the shaft stands. The slowest speed is 60,000 / this / pulses per turn.
    uint32_t standstill_ms;
};

/// Speed of the shaft, 1/min, by the time between the first and the last pulse since the reading before: a count over a
/// second would know 1 pulse a turn to 60 1/min only.
class Tachometer {
  public:
    /// Returns nullptr, or what is wrong; then every pulse is ignored.
    const char* start(const Tacho& tacho, int64_t now_us);
    /// A pulse; short and without floats, for an interrupt. `rpm` must not run meanwhile.
    void pulse(int64_t at_us);
    /// Speed since the call before. 0 where the shaft stands; a sensor that was pulled off reads the same.
    Measured rpm(int64_t now_us);
    /// Pulses ignored since the start, because they came too fast.
    uint32_t glitches() const { return glitches_; }

  private:
    void end_window();

    float us_per_turn_min_ = 0.0f;  // 60e6 / pulses per turn: divided by a period in us it gives 1/min
    int64_t shortest_us_ = 0, standstill_us_ = 0;
    int64_t first_us_ = 0, last_us_ = 0;
    uint32_t periods_ = 0, glitches_ = 0, glitches_before_ = 0;
    bool turning_ = false;  // first_us_ and last_us_ are pulses
    Measured held_ = Measured::bad(Fault::NOT_CONFIGURED);
};

}  // namespace pdm
