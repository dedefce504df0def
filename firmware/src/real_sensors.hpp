// The sensors of a real pump, with their drivers: README.md, "Real sensors", tells what is wired where.
#pragma once

#include "instruments.hpp"

#include "adxl355.hpp"
#include "converter.hpp"
#include "max31865.hpp"
#include "tachometer_pin.hpp"

#include <freertos/FreeRTOS.h>
#include <freertos/semphr.h>
#include <freertos/task.h>

namespace pdm::board {

/// As the sensors are wired in README.md, before any calibration; the pressure's range has to be told.
Wiring usual_wiring();

/// A task of its own empties the sensors' buffers 200 times a second, beside whatever the rest of the program does.
class RealSensors final : public Sensors {
  public:
    RealSensors();

    /// Start all drivers and the task. Returns nullptr, or what is wrong with the wiring or the drivers first; the
    /// other sensors measure. Once.
    const char* begin(const Wiring& wiring);

    bool measure(Reading& reading) override;
    Faults faults(Channel channel) const override;

    /// What the converters gave lately, for calibration.
    struct Raw {
        float counts[Instruments::AXES];  ///< mean of the acceleration, counts
        float samples_per_s;              ///< of the acceleration
        float current_count;              ///< mean
        float loop_mv;
        float rtd_count;
        uint32_t pulses;                  ///< since the start
    };
    Raw raw() const;
    /// A channel of the newest reading.
    float newest(Channel channel) const;

  private:
    static constexpr uint32_t TICK_MS = 5, SLOW_TICKS = 20, RAW_TICKS = 2000, STACK_BYTES = 4096;
    static constexpr UBaseType_t PRIORITY = 10;  // above MQTT and the device, below Wi-Fi

    [[noreturn]] static void run(void* self);
    void tick();
    void take_pulses();
    void measure_slow();
    void end_raw();

    class Lock;
    struct Sums {
        int64_t counts[Instruments::AXES] = {};
        uint32_t samples = 0;
        uint64_t current = 0;
        uint32_t currents = 0;
        int64_t since_us = 0;
    };

    Instruments instruments_;
    Adxl355 accelerometer_;
    Max31865 rtd_;
    Converter converter_;
    TachometerPin tachometer_;
    int distrusted_ = 0;    // readings whose speed is not to be believed, because pulses were lost
    float newest_[CHANNELS] = {};
    Faults rpm_fault_ = 0;  // of the newest reading, from lost pulses
    uint32_t ticks_ = 0;
    Sums sums_;
    Raw raw_ = {};
    SemaphoreHandle_t mutex_;
    StaticSemaphore_t mutex_memory_;
    StaticTask_t task_memory_;
    StackType_t stack_[STACK_BYTES / sizeof(StackType_t)];
};

}  // namespace pdm::board
