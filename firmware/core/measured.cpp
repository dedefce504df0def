#include "measured.hpp"

namespace pdm {

const char* const FAULT_NAMES[FAULTS] = {
    "not_configured", "no_data", "settling", "overload", "stuck", "lost_samples",
    "loop_low", "loop_high", "open_circuit", "short_circuit", "glitches", "out_of_range",
};

void Latest::set(Measured measured, int64_t now_us) {
    measured_ = measured;
    set_us_ = now_us;
}

Measured Latest::at(int64_t now_us) const {
    return now_us - set_us_ > MAX_AGE_US ? Measured::bad(Fault::NO_DATA) : measured_;
}

const char* calibrate(float raw_low, float truth_low, float raw_high, float truth_high, Calibration& into) {
    if (!isfinite(raw_low) || !isfinite(raw_high)) {
        return "raw: must be numbers";
    }
    if (!isfinite(truth_low) || !isfinite(truth_high)) {
        return "truth: must be numbers";
    }
    // closer together, their own noise would make the slope
    constexpr float LEAST_APART = 0.05f;
    if (fabsf(raw_high - raw_low) < LEAST_APART * fmaxf(fabsf(raw_low), fabsf(raw_high)) || raw_high == raw_low) {
        return "raw: the two points must lie at least 5 % apart";
    }
    const float gain = (truth_high - truth_low) / (raw_high - raw_low);
    const Calibration line = {gain, truth_low - gain * raw_low};
    if (!line.valid()) {
        return "truth: the two points must differ";
    }
    into = line;
    return nullptr;
}

void SampleWatch::start(uint32_t samples, int32_t lowest, int32_t highest) {
    *this = SampleWatch();
    samples_ = samples;
    lowest_ = lowest;
    highest_ = highest;
}

bool SampleWatch::add(int32_t& count) {
    if (count <= lowest_ || count >= highest_) {
        faults_ |= bit(Fault::OVERLOAD);
        count = count <= lowest_ ? lowest_ : highest_;
    }
    repeated_ = count == last_ ? repeated_ + 1 : 0;
    last_ = count;
    if (repeated_ >= samples_ / 4) {
        faults_ |= bit(Fault::STUCK);
        repeated_ = samples_ / 4;
    }
    return ++taken_ >= samples_;
}

Faults SampleWatch::end() {
    const Faults faults = faults_;
    faults_ = 0;
    taken_ = 0;
    return faults;
}

}  // namespace pdm
