#include "vibration.hpp"

namespace pdm {
namespace {

constexpr double PI = 3.14159265358979323846;
constexpr double HIGH_PASS_HZ = 7.5, LOW_PASS_HZ = 1400.0;
// where half the rate is near, the corner keeps its distance from it
constexpr double RATE_PER_LOW_PASS = 2.4, RATE_PER_UPPER = 3.2;
// the filter's own rate lies between this and twice as much, or is the sensor's where that is lower
constexpr uint32_t LEAST_FILTER_RATE_HZ = 6400;
constexpr int32_t LARGEST_COUNT = 1 << 23;  // up to here a float has every whole number, differences included

/// The pair of poles of a Butterworth filter of third order (quality 1), by the bilinear transform; k is the tangent of
/// half the corner's angle. `b1` is -2 for a high-pass, 2 for a low-pass. Returns the gain that the section leaves out.
double design_pair(double k, float b1, Biquad& section) {
    const double divisor = 1.0 + k + k * k;
    section = {b1, 1.0f, static_cast<float>(2.0 * (k * k - 1.0) / divisor),
               static_cast<float>((1.0 - k + k * k) / divisor), 0.0f, 0.0f};
    return (b1 < 0.0f ? 1.0 : k * k) / divisor;
}

/// The real poles of both filters, and the integrator: its pole has cancelled the high-pass's zero.
double design_integrator(double high, double low, double step_s, Biquad& section) {
    const double p = (1.0 - high) / (1.0 + high), q = (1.0 - low) / (1.0 + low);
    section = {static_cast<float>(8.0 / 7.0), static_cast<float>(1.0 / 7.0), static_cast<float>(-(p + q)),
               static_cast<float>(p * q), 0.0f, 0.0f};
    return step_s * 7.0 / 8.0 / (1.0 + high) * low / (1.0 + low);
}

}  // namespace

const char* VelocityRms::start(const Accelerometer& accelerometer) {
    *this = VelocityRms();
    if (!(accelerometer.rate_hz >= LOWEST_RATE_HZ && accelerometer.rate_hz <= HIGHEST_RATE_HZ)) {
        return "accelerometer.rate_hz: 800 to 32000";
    }
    if (!(accelerometer.m_s2_per_count > 0.0f && accelerometer.m_s2_per_count <= 10.0f)) {
        return "accelerometer.m_s2_per_count: above 0 and up to 10";
    }
    if (accelerometer.full_scale < 2 || accelerometer.full_scale > LARGEST_COUNT) {
        return "accelerometer.full_scale: 2 to 8388608 counts";
    }
    const uint32_t group = static_cast<uint32_t>(accelerometer.rate_hz) / LEAST_FILTER_RATE_HZ;
    group_ = group > 1 ? group : 1;
    const double rate = static_cast<double>(accelerometer.rate_hz) / group_;
    const double high = tan(PI * HIGH_PASS_HZ / rate);
    const double low = tan(PI * fmin(LOW_PASS_HZ, rate / RATE_PER_LOW_PASS) / rate);
    double gain = static_cast<double>(accelerometer.m_s2_per_count) * 1000.0 / group_;
    // low-pass first: near zero frequency rounding is amplified, and shocks of a bearing would be rounded most
    gain *= design_pair(low, 2.0f, section_[0]);
    gain *= design_pair(high, -2.0f, section_[1]);
    gain *= design_integrator(high, low, 1.0 / rate, section_[2]);
    scale_ = static_cast<float>(gain);
    upper_hz_ = static_cast<float>(fmin(static_cast<double>(UPPER_HZ), rate / RATE_PER_UPPER));
    steps_ = static_cast<uint32_t>(lround(rate));
    watch_.start(steps_ * group_, -accelerometer.full_scale, accelerometer.full_scale);
    window_ = Measured::bad(Fault::SETTLING);
    return nullptr;
}

bool VelocityRms::add(int32_t count) {
    if (!watch_.started()) {
        return false;
    }
    const bool last = watch_.add(count);
    if (!anchored_) {
        // gravity alone would ring for a second; and rounding is finest near zero
        baseline_ = count;
        anchored_ = true;
    }
    sum_ += count - baseline_;
    if (++summed_ == group_) {
        float signal = static_cast<float>(sum_);
        for (Biquad& section : section_) {
            signal = section.step(signal);
        }
        squares_ += signal * signal;
        sum_ = 0;
        summed_ = 0;
    }
    if (last) {
        end_window();
    }
    return last;
}

void VelocityRms::end_window() {
    const Faults faults = watch_.end();
    if (faults != 0) {
        window_ = Measured::bad(faults);
    } else if (!settled_) {
        window_ = Measured::bad(Fault::SETTLING);
    } else {
        window_ = Measured::good(scale_ * sqrtf(squares_ / static_cast<float>(steps_)));
    }
    settled_ = faults == 0;
    squares_ = 0.0f;
}

}  // namespace pdm
