#include "signals.hpp"

namespace pdm {
namespace {

// NAMUR NE 43
constexpr float FAILED_LOW_MA = 3.6f, LOWEST_MA = 3.8f, HIGHEST_MA = 20.5f, FAILED_HIGH_MA = 21.0f;

// IEC 60751, per kelvin and its powers
constexpr float A = 3.9083e-3f, B = -5.775e-7f, C = -4.183e-12f;
constexpr float COLDEST_RELATIVE = 0.18520f, HOTTEST_RELATIVE = 3.90481f;  // at -200 and 850 C
constexpr float COLDEST_PUMP_C = -60.0f, HOTTEST_PUMP_C = 400.0f;

constexpr float US_PER_MIN = 60e6f;

}  // namespace

const char* TrueRms::start(const Clamp& clamp) {
    *this = TrueRms();
    if (!(clamp.rate_hz >= 1000.0f && clamp.rate_hz <= 30000.0f)) {
        return "clamp.rate_hz: 1000 to 30000";
    }
    if (!(clamp.a_per_count > 0.0f && clamp.a_per_count <= 100.0f)) {
        return "clamp.a_per_count: above 0 and up to 100";
    }
    if (!(clamp.noise_a >= 0.0f && clamp.noise_a <= 100.0f)) {
        return "clamp.noise_a: 0 to 100";
    }
    // wider, the sums would not fit
    const int64_t range = static_cast<int64_t>(clamp.highest) - clamp.lowest;
    if (range < 2 || range > 65535) {
        return "clamp.highest: 2 to 65535 counts above clamp.lowest";
    }
    clamp_ = clamp;
    watch_.start(static_cast<uint32_t>(lroundf(clamp.rate_hz)), clamp.lowest, clamp.highest);
    window_ = Measured::bad(Fault::SETTLING);
    return nullptr;
}

bool TrueRms::add(int32_t count) {
    if (!watch_.started()) {
        return false;
    }
    const bool last = watch_.add(count);
    const uint32_t above = static_cast<uint32_t>(count - clamp_.lowest);
    sum_ += above;
    squares_ += static_cast<uint64_t>(above) * above;
    if (last) {
        end_window();
    }
    return last;
}

void TrueRms::end_window() {
    const Faults faults = watch_.end();
    const uint64_t samples = watch_.samples();
    const uint64_t spread = samples * squares_ - static_cast<uint64_t>(sum_) * sum_;
    const float rms = clamp_.a_per_count * sqrtf(static_cast<float>(spread)) / static_cast<float>(samples);
    const float power = rms * rms - clamp_.noise_a * clamp_.noise_a;
    window_ = faults != 0 ? Measured::bad(faults) : Measured::good(power > 0.0f ? sqrtf(power) : 0.0f);
    sum_ = 0;
    squares_ = 0;
}

const char* Loop4to20::check() const {
    if (!isfinite(at_4_ma)) {
        return "loop.at_4_ma: must be a number";
    }
    if (!isfinite(at_20_ma) || at_20_ma == at_4_ma) {
        return "loop.at_20_ma: must be a number other than at_4_ma";
    }
    return nullptr;
}

Measured Loop4to20::value(float ma) const {
    if (check() != nullptr) {
        return Measured::bad(Fault::NOT_CONFIGURED);
    }
    if (isnan(ma)) {
        return Measured::bad(Fault::NO_DATA);
    }
    if (ma <= FAILED_LOW_MA) {
        return Measured::bad(Fault::LOOP_LOW);
    }
    if (ma >= FAILED_HIGH_MA) {
        return Measured::bad(Fault::LOOP_HIGH);
    }
    const float measuring = fminf(fmaxf(ma, LOWEST_MA), HIGHEST_MA);
    return Measured::good(at_4_ma + (measuring - 4.0f) / 16.0f * (at_20_ma - at_4_ma));
}

float platinum_c(float relative_resistance) {
    if (!(relative_resistance >= COLDEST_RELATIVE && relative_resistance <= HOTTEST_RELATIVE)) {
        return NAN;
    }
    const float rise = relative_resistance - 1.0f;
    // the root of 1 + A t + B t^2, written so that nothing cancels
    float t = 2.0f * rise / (A + sqrtf(A * A + 4.0f * B * rise));
    if (t >= 0.0f) {
        return t;
    }
    // the root is off by 2.4 K at -200 C, so that each step squares an error that is small already
    for (int step = 0; step < 3; ++step) {
        const float t2 = t * t;
        const float value = t * (A + t * B) + C * (t - 100.0f) * t2 * t - rise;
        const float slope = A + 2.0f * B * t + C * (4.0f * t - 300.0f) * t2;
        t -= value / slope;
    }
    return t;
}

Measured pt1000(float ohm) {
    if (isnan(ohm)) {
        return Measured::bad(Fault::NO_DATA);
    }
    const float t = platinum_c(ohm / 1000.0f);
    if (t >= COLDEST_PUMP_C && t <= HOTTEST_PUMP_C) {
        return Measured::good(t);
    }
    return Measured::bad(ohm < 1000.0f ? Fault::SHORT_CIRCUIT : Fault::OPEN_CIRCUIT);
}

const char* Tachometer::start(const Tacho& tacho, int64_t now_us) {
    *this = Tachometer();
    if (!(tacho.pulses_per_turn > 0.0f && tacho.pulses_per_turn <= 1000.0f)) {
        return "tacho.pulses_per_turn: above 0 and up to 1000";
    }
    if (!(tacho.max_rpm > 0.0f && tacho.max_rpm <= 100000.0f)) {
        return "tacho.max_rpm: above 0 and up to 100000";
    }
    const float us_per_turn_min = US_PER_MIN / tacho.pulses_per_turn;
    const int64_t shortest_us = static_cast<int64_t>(us_per_turn_min / tacho.max_rpm);
    if (shortest_us < 10) {
        return "tacho.max_rpm: more than 100000 pulses per second";
    }
    const int64_t standstill_us = static_cast<int64_t>(tacho.standstill_ms) * 1000;
    if (standstill_us <= 2 * shortest_us || tacho.standstill_ms > 60000) {
        return "tacho.standstill_ms: more than two periods at max_rpm and up to 60000";
    }
    us_per_turn_min_ = us_per_turn_min;
    shortest_us_ = shortest_us;
    standstill_us_ = standstill_us;
    last_us_ = now_us;
    held_ = Measured::bad(Fault::SETTLING);
    return nullptr;
}

void Tachometer::pulse(int64_t at_us) {
    const int64_t since_us = at_us - last_us_;
    if (!turning_ || since_us > standstill_us_) {
        // after a stop the time it stood is no period
        turning_ = standstill_us_ != 0;
        first_us_ = last_us_ = at_us;
        periods_ = 0;
    } else if (since_us < shortest_us_) {
        ++glitches_;
    } else {
        last_us_ = at_us;
        ++periods_;
    }
}

void Tachometer::end_window() {
    // noise that is faster than the shaft can be lets through a pulse at each shortest period: it would read max_rpm
    const bool noisy = glitches_ - glitches_before_ > periods_;
    const float period_us = static_cast<float>(last_us_ - first_us_) / static_cast<float>(periods_);
    held_ = noisy ? Measured::bad(Fault::GLITCHES) : Measured::good(us_per_turn_min_ / period_us);
    first_us_ = last_us_;
    periods_ = 0;
    glitches_before_ = glitches_;
}

Measured Tachometer::rpm(int64_t now_us) {
    if (standstill_us_ == 0) {
        return held_;
    }
    if (periods_ > 0) {
        end_window();
    }
    const int64_t silent_us = now_us - last_us_;
    if (silent_us > standstill_us_) {
        held_ = Measured::good(0.0f);
        return held_;
    }
    // where pulses are overdue the shaft has become slower, by at least as much
    const float at_most = 2.0f * us_per_turn_min_ / static_cast<float>(silent_us > 0 ? silent_us : 1);
    if (held_.faults == 0 && held_.value > at_most) {
        return Measured::good(at_most / 2.0f);
    }
    return held_;
}

}  // namespace pdm
