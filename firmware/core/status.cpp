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
    out.whole("reconnects", status.reconnects);
    out.text("link", status.link);
    out.text("sensors", SOURCE_NAMES[static_cast<int>(status.sensors)]);
    out.text("speed", SPEED_NAMES[static_cast<int>(status.speed)]);
    out.whole("generation", status.generation);
    out.names("chaos", DISTURBANCE_NAMES, DISTURBANCES, status.chaos);
    out.text("command", status.command);
    return out.finish();
}

}  // namespace pdm
