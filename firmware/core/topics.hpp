// MQTT topics of one pump, as docs/contract.md has them.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pdm {

enum class Topic : uint8_t { TELEMETRY, TRAINING_DATA, STATUS, COMMAND };

constexpr size_t MAX_DEVICE_ID = 64;
constexpr size_t MAX_ROOT = 64;
/// Room for every topic with its NUL: root, "/training/", device id, "/training_data".
constexpr size_t TOPIC_ROOM = MAX_ROOT + MAX_DEVICE_ID + 32;

/// 1 to 64 letters, digits, '.', '_' or '-'.
bool valid_device_id(const char* device_id);
/// The same characters, with '/' between them; 1 to 64 of all.
bool valid_root(const char* root);

/// Writes `{root}/pumps/{device_id}/telemetry` or another, NUL-terminated. Returns its length; 0 where the root or the
/// device id is not valid or the topic does not fit.
size_t topic_of(Topic topic, const char* root, const char* device_id, char* into, size_t room);

/// Room for a client id with its NUL, if every character of the device id is a dot.
constexpr size_t CLIENT_ID_ROOM = 7 + 2 * MAX_DEVICE_ID + 1;
/// Writes the MQTT client id of a device: `device-` and its id, with `__` for each dot. The embedded broker takes no dot,
/// and without the first part a device could be named like a service and throw it out.
void client_id_of(const char* device_id, char (&into)[CLIENT_ID_ROOM]);

}  // namespace pdm
