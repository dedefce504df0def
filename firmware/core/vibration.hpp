// Vibration velocity from the samples of an accelerometer.
#pragma once

#include <stdint.h>

#include "measured.hpp"

namespace pdm {

/// How an accelerometer samples. Its offset, gravity included, is of no matter: the high-pass takes it.
struct Accelerometer {
    float rate_hz;         ///< samples per second as they really come; off by 1 %, the velocity is off by 1 %
    float m_s2_per_count;  ///< sensitivity, calibrated
    int32_t full_scale;    ///< samples of this size or more, of either sign, are cut off; up to 2^23
};

/// Section of second order in transposed direct form II; its first coefficient is 1.
struct Biquad {
    float b1, b2, a1, a2;
    float s1, s2;

    float step(float x) {
        const float y = x + s1;
        s1 = b1 * x - a1 * y + s2;
        s2 = b2 * x - a2 * y;
        return y;
    }
};

/// RMS velocity of one axis, mm/s, over windows of a second: what ISO 20816-1 (once ISO 10816-1) judges machines by.
///
/// High-pass and low-pass are Butterworth filters of third order, as in ISO 2954, with corners at 7.5 and 1400 Hz:
/// 10 Hz reads 0.92, 20 to 500 Hz 0.98 to 1.00, 1000 Hz 0.91 or more. ISO 2954 allows 0.8 to 1.1 at 10 and 1000 Hz and
/// 0.9 to 1.1 from 20 to 500 Hz, against 80 Hz. The band reaches 1000 Hz from a rate of 3,200 Hz on, below that a rate
/// over 3.2. What shakes faster than half the rate comes in as something slower: the sensor's own filter must keep it
/// away.
///
/// From 12,800 Hz on, samples are added up in groups first, so that the filter runs at 6,400 to 12,800 Hz. What is
/// folded to a low frequency f is weakened by f over the filter's rate, just as much as integration raises it: it reads
/// as about the velocity that it has, up to pi / 2 times, which is small.
///
/// Integration is Al-Alaoui's (Electronics Letters 29, 1993): at 1000 Hz of 3,200 Hz 1.4 % low, where the trapezoidal
/// rule is 34 % low. The integrator's pole at zero frequency cancels against a zero of the high-pass, so an offset
/// cannot grow.
///
/// A window is NaN where anything is wrong with its samples, and so is the one after it, because the filter forgets
/// within a second (e^-23) and not sooner. So the first value comes two seconds after the start.
class VelocityRms {
  public:
    static constexpr float LOWEST_RATE_HZ = 800.0f, HIGHEST_RATE_HZ = 32000.0f;
    static constexpr float LOWER_HZ = 10.0f, UPPER_HZ = 1000.0f;

    /// Design the filter. Returns nullptr, or what is wrong; then every sample is ignored.
    const char* start(const Accelerometer& accelerometer);

    /// Take a sample. Returns true where it ended a window.
    bool add(int32_t count);
    /// Samples are missing before the next one, as after an overrun of the sensor's FIFO.
    void lost() { watch_.lost(); }

    /// The window that ended last, mm/s.
    Measured window() const { return window_; }
    /// Upper end of the band at this rate, Hz.
    float upper_hz() const { return upper_hz_; }

  private:
    static constexpr int SECTIONS = 3;

    void end_window();

    SampleWatch watch_;
    Biquad section_[SECTIONS] = {};
    float scale_ = 0.0f;  // mm/s per count of the cascade's output
    float squares_ = 0.0f;
    float upper_hz_ = 0.0f;
    uint32_t steps_ = 0;              // of the filter in a window
    uint32_t group_ = 1, summed_ = 0;
    int32_t sum_ = 0, baseline_ = 0;
    bool anchored_ = false, settled_ = false;
    Measured window_ = Measured::bad(Fault::NOT_CONFIGURED);
};

}  // namespace pdm
