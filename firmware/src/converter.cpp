#include "converter.hpp"

#include <math.h>
#include <string.h>

#include <esp_adc/adc_cali_scheme.h>

#include "pins.hpp"

namespace pdm::board {
namespace {

constexpr adc_atten_t ATTENUATION = ADC_ATTEN_DB_12;
constexpr adc_bitwidth_t BITS = ADC_BITWIDTH_12;
constexpr uint32_t NO_WAIT = 0;

#if CONFIG_IDF_TARGET_ESP32
constexpr adc_digi_output_format_t FORMAT = ADC_DIGI_OUTPUT_FORMAT_TYPE1;
int channel_of(const adc_digi_output_data_t& sample) { return sample.type1.channel; }
int count_of(const adc_digi_output_data_t& sample) { return sample.type1.data; }
#else
constexpr adc_digi_output_format_t FORMAT = ADC_DIGI_OUTPUT_FORMAT_TYPE2;
// a sample of the other unit is none of ours
int channel_of(const adc_digi_output_data_t& sample) { return sample.type2.unit == 0 ? sample.type2.channel : -1; }
int count_of(const adc_digi_output_data_t& sample) { return sample.type2.data; }
#endif

}  // namespace

bool Converter::begin() {
    adc_unit_t unit;
    if (adc_continuous_io_to_channel(pins::CURRENT, &unit, &current_channel_) != ESP_OK ||
        adc_continuous_io_to_channel(pins::PRESSURE, &unit, &pressure_channel_) != ESP_OK) {
        return false;
    }
    calibrate();
    return start();
}

bool Converter::start() {
    adc_continuous_handle_cfg_t room = {};
    room.max_store_buf_size = POOL_BYTES;
    room.conv_frame_size = FRAME_BYTES;
    adc_digi_pattern_config_t pattern[2] = {};
    for (int index = 0; index < 2; ++index) {
        pattern[index].atten = ATTENUATION;
        pattern[index].channel = static_cast<uint8_t>(index == 0 ? current_channel_ : pressure_channel_);
        pattern[index].unit = ADC_UNIT_1;
        pattern[index].bit_width = BITS;
    }
    adc_continuous_config_t config = {};
    config.pattern_num = 2;
    config.adc_pattern = pattern;
    config.sample_freq_hz = static_cast<uint32_t>(2 * RATE_HZ);
    config.conv_mode = ADC_CONV_SINGLE_UNIT_1;
    config.format = FORMAT;
    adc_continuous_evt_cbs_t callbacks = {};
    callbacks.on_pool_ovf = on_overrun;
    return adc_continuous_new_handle(&room, &handle_) == ESP_OK && adc_continuous_config(handle_, &config) == ESP_OK &&
           adc_continuous_register_event_callbacks(handle_, &callbacks, this) == ESP_OK &&
           adc_continuous_start(handle_) == ESP_OK;
}

/// By what the factory measured of this chip. Without it calibration_ stays null, and the pressure is NaN: nobody knows
/// its millivolts.
void Converter::calibrate() {
#if ADC_CALI_SCHEME_CURVE_FITTING_SUPPORTED
    adc_cali_curve_fitting_config_t config = {};
    config.unit_id = ADC_UNIT_1;
    config.chan = pressure_channel_;
    config.atten = ATTENUATION;
    config.bitwidth = BITS;
    const esp_err_t made = adc_cali_create_scheme_curve_fitting(&config, &calibration_);
#else
    adc_cali_line_fitting_config_t config = {};
    config.unit_id = ADC_UNIT_1;
    config.atten = ATTENUATION;
    config.bitwidth = BITS;
#if CONFIG_IDF_TARGET_ESP32
    config.default_vref = 1100;
#endif
    const esp_err_t made = adc_cali_create_scheme_line_fitting(&config, &calibration_);
#endif
    if (made != ESP_OK) {
        calibration_ = nullptr;
    }
}

// in an interrupt
bool IRAM_ATTR Converter::on_overrun(adc_continuous_handle_t, const adc_continuous_evt_data_t*, void* self) {
    static_cast<Converter*>(self)->overran_ = true;
    return false;
}

/// The next sample of the current; those of the pressure are added up on the way to it.
bool Converter::next(int& current_count) {
    for (;;) {
        if (at_ >= frame_bytes_) {
            at_ = frame_bytes_ = 0;
            if (handle_ == nullptr ||
                adc_continuous_read(handle_, frame_, sizeof frame_, &frame_bytes_, NO_WAIT) != ESP_OK) {
                frame_bytes_ = 0;
                return false;
            }
        }
        adc_digi_output_data_t sample;
        memcpy(&sample, frame_ + at_, SOC_ADC_DIGI_RESULT_BYTES);
        at_ += SOC_ADC_DIGI_RESULT_BYTES;
        const int channel = channel_of(sample);
        if (channel == current_channel_) {
            current_count = count_of(sample);
            return true;
        }
        if (channel == pressure_channel_) {
            sum_ += static_cast<uint32_t>(count_of(sample));
            ++samples_;
        }
    }
}

float Converter::pressure_mv() {
    if (samples_ == 0 || calibration_ == nullptr) {
        return NAN;
    }
    const int count = static_cast<int>((sum_ + samples_ / 2) / samples_);
    sum_ = samples_ = 0;
    int mv = 0;
    return adc_cali_raw_to_voltage(calibration_, count, &mv) == ESP_OK ? static_cast<float>(mv) : NAN;
}

}  // namespace pdm::board
