#include "instruments.hpp"

#include "parameters.hpp"

namespace pdm {
namespace {

constexpr Channel AXIS_CHANNEL[Instruments::AXES] = {VIBRATION_X, VIBRATION_Y, VIBRATION_Z};

/// Velocity over all axes, mm/s: their vector sum.
Measured together(const Measured (&axis)[Instruments::AXES]) {
    float squares = 0.0f;
    Faults faults = 0;
    for (const Measured& one : axis) {
        squares += one.value * one.value;
        faults |= one.faults;
    }
    return faults != 0 ? Measured::bad(faults) : Measured::good(sqrtf(squares));
}

void keep_first(const char*& wrong, const char* candidate) {
    if (wrong == nullptr) {
        wrong = candidate;
    }
}

}  // namespace

const char* Instruments::start(const Wiring& wiring) {
    wiring_ = wiring;
    const int64_t now = now_us_();
    const char* wrong = nullptr;
    for (int axis = 0; axis < AXES; ++axis) {
        keep_first(wrong, axis_[axis].start(wiring.accelerometer));
        latest_[AXIS_CHANNEL[axis]].set(axis_[axis].window(), now);
    }
    keep_first(wrong, current_.start(wiring.clamp));
    latest_[CURRENT].set(current_.window(), now);
    keep_first(wrong, wiring.pressure.check());
    if (!wiring.loop_ma.valid()) {
        keep_first(wrong, "loop_ma: gain and offset must be numbers, gain not 0");
    }
    if (!wiring.rtd_ohm.valid()) {
        keep_first(wrong, "rtd_ohm: gain and offset must be numbers, gain not 0");
    }
    keep_first(wrong, tachometer_.start(wiring.tacho, now));
    return wrong;
}

void Instruments::acceleration(int32_t x, int32_t y, int32_t z) {
    const int32_t counts[AXES] = {x, y, z};
    for (int axis = 0; axis < AXES; ++axis) {
        if (axis_[axis].add(counts[axis])) {
            latest_[AXIS_CHANNEL[axis]].set(axis_[axis].window(), now_us_());
        }
    }
}

void Instruments::acceleration_lost() {
    for (VelocityRms& axis : axis_) {
        axis.lost();
    }
}

void Instruments::current(int32_t count) {
    if (current_.add(count)) {
        latest_[CURRENT].set(current_.window(), now_us_());
    }
}

void Instruments::pressure(float raw) {
    const Measured measured = wiring_.loop_ma.valid() ? wiring_.pressure.value(wiring_.loop_ma(raw))
                                                      : Measured::bad(Fault::NOT_CONFIGURED);
    latest_[PRESSURE].set(measured, now_us_());
}

void Instruments::temperature(float raw) {
    const Measured measured = wiring_.rtd_ohm.valid() ? pt1000(wiring_.rtd_ohm(raw))
                                                      : Measured::bad(Fault::NOT_CONFIGURED);
    latest_[TEMPERATURE].set(measured, now_us_());
}

bool Instruments::measure(Reading& reading) {
    const int64_t now = now_us_();
    Measured axis[AXES];
    for (int i = 0; i < AXES; ++i) {
        axis[i] = latest_[AXIS_CHANNEL[i]].at(now);
        tell(reading, AXIS_CHANNEL[i], axis[i]);
    }
    tell(reading, VIBRATION_RMS, together(axis));
    tell(reading, TEMPERATURE, latest_[TEMPERATURE].at(now));
    tell(reading, PRESSURE, latest_[PRESSURE].at(now));
    tell(reading, CURRENT, latest_[CURRENT].at(now));
    tell(reading, RPM, tachometer_.rpm(now));
    return true;
}

void Instruments::tell(Reading& reading, Channel channel, Measured measured) {
    const ChannelRange& range = CHANNEL_RANGES[channel];
    // one impossible value would have the whole reading quarantined, the seven good ones with it
    const double value = static_cast<double>(measured.value);
    if (measured.faults == 0 && !(value >= range.possible_min && value <= range.possible_max)) {
        measured = Measured::bad(Fault::OUT_OF_RANGE);
    }
    reading.channels[channel] = measured.value;
    faults_[channel] = measured.faults;
}

}  // namespace pdm
