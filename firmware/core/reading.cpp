#include "reading.hpp"

namespace pdm {

// the contract's names, in its order
const char* const CHANNEL_NAMES[CHANNELS] = {
    "vibration_x", "vibration_y", "vibration_z", "vibration_rms", "temperature", "pressure", "current", "rpm",
};
const char* const FAILURE_MODE_NAMES[FAILURE_MODES] = {
    "bearing_wear", "impeller_wear", "seal_leakage", "cavitation",
    "unbalance", "misalignment", "winding_degradation", "plugged_suction",
};
const char* const DISTURBANCE_NAMES[DISTURBANCES] = {
    "heatwave", "mechanical_spike", "cavitation", "voltage_drop", "sensor_freeze",
};

}  // namespace pdm
