#include "status.hpp"

#include "json.hpp"

namespace pdm {

size_t encode(const Status& status, char* into, size_t room) {
    if (!valid_device_id(status.device_id)) return 0;
    JsonWriter out(into, room);
    out.text("device_id", status.device_id);
    out.boolean("online", status.online);
    out.text("firmware", status.firmware);
    out.text("mode", MODE_NAMES[static_cast<int>(status.mode)]);
    out.whole("uptime_s", status.uptime_s);
    if (status.time_ms >= 0) out.whole("timestamp", static_cast<uint64_t>(status.time_ms));
    out.boolean("clock_set", status.time_ms >= 0);
    out.whole("power_ups", status.power_ups);
    out.whole("measurement_id", status.measurement_id);
    out.whole("waiting", status.waiting);
    out.whole("dropped", status.dropped);
    out.whole("torn", status.torn);
    out.whole("undated", status.undated);
    out.whole("skipped", status.skipped);
    out.whole("flash_failures", status.flash_failures);
    out.whole("reconnects", status.reconnects);
    out.text("link", status.link);
    out.text("sensors", SOURCE_NAMES[static_cast<int>(status.sensors)]);
    out.text("speed", SPEED_NAMES[static_cast<int>(status.speed)]);
    out.whole("generation", status.generation);
    out.open_list("sensor_faults");
    for (int channel = 0; channel < CHANNELS; ++channel) {
        for (int fault = 0; fault < FAULTS; ++fault) {
            if (status.sensor_faults[channel] >> fault & 1) {
                out.item(CHANNEL_NAMES[channel], FAULT_NAMES[fault]);
                break;
            }
        }
    }
    out.close_list();
    out.open_list("chaos");
    for (int disturbance = 0; disturbance < DISTURBANCES; ++disturbance) {
        if (status.chaos >> disturbance & 1) out.item(DISTURBANCE_NAMES[disturbance]);
    }
    out.close_list();
    out.text("command", status.command);
    return out.finish();
}

}  // namespace pdm
