// What a real sensor told, or why it told nothing: shared by vibration.hpp, signals.hpp and instruments.hpp.
#pragma once

#include <math.h>
#include <stdint.h>

namespace pdm {

/// Why a sensor's value is not to be believed. `1 << fault` is its bit in Faults.
enum class Fault : uint8_t {
    NOT_CONFIGURED,  ///< never started, or started with settings that were refused
    NO_DATA,         ///< nothing was sampled lately: the driver stands still, or the sensor does not answer
    SETTLING,        ///< the filter still carries a start, a gap or an overload
    OVERLOAD,        ///< samples at the end of the range: the signal was cut off
    STUCK,           ///< the same sample for a quarter of a window: real sensors have noise
    LOST_SAMPLES,    ///< a buffer ran over
    LOOP_LOW,        ///< 3.6 mA or less: wire broken, or the transmitter tells its own failure
    LOOP_HIGH,       ///< 21 mA or more: short circuit, or the transmitter tells its own failure
    OPEN_CIRCUIT,    ///< resistance above what can be a temperature
    SHORT_CIRCUIT,   ///< resistance below what can be a temperature
    GLITCHES,        ///< more pulses too fast to be the shaft's than others
    OUT_OF_RANGE,    ///< beyond what the contract holds possible
};
constexpr int FAULTS = 12;
extern const char* const FAULT_NAMES[FAULTS];

using Faults = uint16_t;
constexpr Faults bit(Fault fault) { return static_cast<Faults>(1u << static_cast<unsigned>(fault)); }

/// A value without faults, or NaN and the faults that took it.
struct Measured {
    float value = NAN;
    Faults faults = bit(Fault::NO_DATA);

    static Measured good(float value) { return {value, 0}; }
    static Measured bad(Faults faults) { return {NAN, faults}; }
    static Measured bad(Fault fault) { return {NAN, bit(fault)}; }
};

/// The newest value of a sensor, as long as it is fresh: one that fell silent must not repeat its last word for ever.
class Latest {
  public:
    static constexpr int64_t MAX_AGE_US = 3000000;  ///< windows last a second

    void set(Measured measured, int64_t now_us);
    /// The newest value; NO_DATA where it is older than MAX_AGE_US, or where there was none.
    Measured at(int64_t now_us) const;

  private:
    Measured measured_;
    int64_t set_us_ = 0;
};

/// Straight line through two points of calibration: truth = gain * raw + offset. Plain bytes, for non-volatile storage.
struct Calibration {
    float gain = 1.0f;
    float offset = 0.0f;

    float operator()(float raw) const { return gain * raw + offset; }
    /// False for what cannot be a calibration, as erased storage (all bits set is NaN).
    bool valid() const { return isfinite(gain) && isfinite(offset) && gain != 0.0f; }
};

/// Calibrate by two points: the sensor told `raw`, a reference instrument `truth`. Returns nullptr, or what is wrong
/// with them; `into` then stays as it was.
const char* calibrate(float raw_low, float truth_low, float raw_high, float truth_high, Calibration& into);

/// Counts the samples of a window and sees what is wrong with them.
class SampleWatch {
  public:
    /// samples: of a window. lowest, highest: counts at which the converter or the sensor ends.
    void start(uint32_t samples, int32_t lowest, int32_t highest);
    bool started() const { return samples_ != 0; }
    uint32_t samples() const { return samples_; }

    /// Take a sample, clipped into the range. Returns true where it is the window's last: then call `end`.
    bool add(int32_t& count);
    void lost() { faults_ |= bit(Fault::LOST_SAMPLES); }
    /// Faults of the window that ended; begins the next.
    Faults end();

  private:
    uint32_t samples_ = 0, taken_ = 0, repeated_ = 0;
    int32_t lowest_ = 0, highest_ = 0, last_ = 0;
    Faults faults_ = 0;
};

}  // namespace pdm
