// The chip's own analogue-to-digital converter: current and pressure by turns, without the processor.
#pragma once

#include <atomic>

#include <esp_adc/adc_cali.h>
#include <esp_adc/adc_continuous.h>

namespace pdm::board {

class Converter {
  public:
    /// Samples of each of the two channels. The ESP32 cannot convert slower than 20,000 times a second in all.
    static constexpr float RATE_HZ = 10000.0f;
    static constexpr int32_t LOWEST = 0, HIGHEST = 4095;

    /// Returns false where the converter cannot be started; then nothing comes.
    bool begin();

    /// Hands on what was converted since the last call: `current(count)` for each sample of the current. Returns false
    /// where samples were lost.
    template <class Current>
    bool work(Current&& current) {
        for (int count; next(count);) {
            current(count);
        }
        return !overran_.exchange(false);
    }

    /// Mean voltage at the pressure's pin since the last call, mV; NaN where nothing came.
    float pressure_mv();

  private:
    bool next(int& current_count);
    bool start();
    void calibrate();
    static bool on_overrun(adc_continuous_handle_t, const adc_continuous_evt_data_t*, void* self);

    // 64 ms on the ESP32-C3, 128 on the ESP32, lie in the driver's five frames: as long as flash is erased nobody
    // empties them
    static constexpr uint32_t FRAME_BYTES = 1024, POOL_BYTES = 8192;

    adc_continuous_handle_t handle_ = nullptr;
    adc_cali_handle_t calibration_ = nullptr;
    adc_channel_t current_channel_ = ADC_CHANNEL_0, pressure_channel_ = ADC_CHANNEL_0;
    std::atomic<bool> overran_{false};
    uint32_t sum_ = 0, samples_ = 0;  // of the pressure
    alignas(4) uint8_t frame_[FRAME_BYTES];
    uint32_t frame_bytes_ = 0, at_ = 0;
};

}  // namespace pdm::board
