#include "real_sensors.hpp"

#include <algorithm>

#include <esp_timer.h>

#include "arduino.hpp"

namespace pdm::board {

/// The instruments are not safe between tasks.
class RealSensors::Lock {
  public:
    explicit Lock(const RealSensors& sensors) : mutex_(sensors.mutex_) { xSemaphoreTake(mutex_, portMAX_DELAY); }
    ~Lock() { xSemaphoreGive(mutex_); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

  private:
    SemaphoreHandle_t mutex_;
};

Wiring usual_wiring() {
    Wiring wiring;
    wiring.accelerometer = {Adxl355::RATE_HZ, Adxl355::M_S2_PER_COUNT, Adxl355::FULL_SCALE - 1};
    // a clamp of 30 A/V, and 2.45 V over all counts
    wiring.clamp = {Converter::RATE_HZ, 30.0f * 2.45f / 4096.0f, 0.0f, Converter::LOWEST, Converter::HIGHEST};
    wiring.loop_ma = {1.0f / 100.0f, 0.0f};       // mA per mV over 100 ohms
    wiring.rtd_ohm = {4300.0f / 32768.0f, 0.0f};  // reference resistor of 4,300 ohms
    wiring.tacho = {1.0f, 3600.0f, 3000};         // a motor of 3,000 1/min
    return wiring;
}

RealSensors::RealSensors() : instruments_(esp_timer_get_time), mutex_(xSemaphoreCreateMutexStatic(&mutex_memory_)) {}

const char* RealSensors::begin(const Wiring& wiring) {
    const char* wrong = instruments_.start(wiring);
    accelerometer_.begin();
    rtd_.begin();
    begin_spi();
    if (!converter_.begin() && wrong == nullptr) {
        wrong = "the analogue-to-digital converter cannot be started: no current, no pressure";
    }
    if (!tachometer_.begin() && wrong == nullptr) {
        wrong = "the tachometer's pin has no interrupt: no speed";
    }
    sums_.since_us = esp_timer_get_time();
    xTaskCreateStaticPinnedToCore(run, "sensors", STACK_BYTES, this, PRIORITY, stack_, &task_memory_,
                                  ARDUINO_RUNNING_CORE);
    return wrong;
}

void RealSensors::run(void* self) {
    auto& sensors = *static_cast<RealSensors*>(self);
    TickType_t woken = xTaskGetTickCount();
    for (;;) {
        vTaskDelayUntil(&woken, pdMS_TO_TICKS(TICK_MS));
        sensors.tick();
    }
}

void RealSensors::tick() {
    const Lock lock(*this);
    take_pulses();
    const bool whole = accelerometer_.work([this](int32_t x, int32_t y, int32_t z) {
        instruments_.acceleration(x, y, z);
        sums_.counts[0] += x;
        sums_.counts[1] += y;
        sums_.counts[2] += z;
        ++sums_.samples;
    });
    if (!whole) {
        instruments_.acceleration_lost();
    }
    const bool all = converter_.work([this](int count) {
        instruments_.current(count);
        sums_.current += static_cast<uint32_t>(count);
        ++sums_.currents;
    });
    if (!all) {
        instruments_.current_lost();
    }
    if (++ticks_ % SLOW_TICKS == 0) {
        measure_slow();
    }
    if (ticks_ % RAW_TICKS == 0) {
        end_raw();
    }
}

void RealSensors::take_pulses() {
    const bool whole = tachometer_.pulses().take(esp_timer_get_time, [this](int64_t at_us) {
        instruments_.pulse(at_us);
        ++raw_.pulses;
    });
    if (!whole) {
        distrusted_ = 2;  // the time without pulses may end in the reading after this one
    }
}

/// Every 100 ms: whole periods of 50 and of 60 Hz.
void RealSensors::measure_slow() {
    raw_.loop_mv = converter_.pressure_mv();
    instruments_.pressure(raw_.loop_mv);
    raw_.rtd_count = rtd_.read();
    instruments_.temperature(raw_.rtd_count);
}

/// Every ten seconds.
void RealSensors::end_raw() {
    const int64_t now_us = esp_timer_get_time();
    for (int axis = 0; axis < Instruments::AXES; ++axis) {
        raw_.counts[axis] = static_cast<float>(sums_.counts[axis]) / static_cast<float>(sums_.samples);
    }
    raw_.samples_per_s = static_cast<float>(sums_.samples) * 1e6f / static_cast<float>(now_us - sums_.since_us);
    raw_.current_count = static_cast<float>(sums_.current) / static_cast<float>(sums_.currents);
    sums_ = {};
    sums_.since_us = now_us;
}

bool RealSensors::measure(Reading& reading) {
    const Lock lock(*this);
    take_pulses();
    instruments_.measure(reading);
    rpm_fault_ = 0;
    if (distrusted_ > 0) {
        --distrusted_;
        reading.channels[RPM] = NAN;
        rpm_fault_ = pdm::bit(Fault::LOST_SAMPLES);
    }
    std::copy_n(reading.channels, static_cast<int>(CHANNELS), newest_);
    return true;
}

RealSensors::Raw RealSensors::raw() const {
    const Lock lock(*this);
    return raw_;
}

float RealSensors::newest(Channel channel) const {
    const Lock lock(*this);
    return newest_[channel];
}

Faults RealSensors::faults(Channel channel) const {
    const Lock lock(*this);
    const Faults of_rpm = channel == RPM ? rpm_fault_ : Faults{0};
    return static_cast<Faults>(instruments_.faults(channel) | of_rpm);
}

}  // namespace pdm::board
