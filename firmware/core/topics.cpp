#include "topics.hpp"

#include "text.hpp"

namespace pdm {

namespace {

bool of_a_name(char c) {
    bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    return letter || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

}  // namespace

bool valid_device_id(const char* device_id) {
    size_t size = 0;
    for (; device_id[size] != '\0'; ++size) {
        if (size == MAX_DEVICE_ID || !of_a_name(device_id[size])) return false;
    }
    return size > 0;
}

bool valid_root(const char* root) {
    char before = '/';
    size_t size = 0;
    for (; root[size] != '\0'; before = root[size++]) {
        if (size == MAX_ROOT) return false;
        if (root[size] == '/' ? before == '/' : !of_a_name(root[size])) return false;
    }
    return before != '/';
}

size_t topic_of(Topic topic, const char* root, const char* device_id, char* into, size_t room) {
    constexpr const char* BRANCHES[] = {"/pumps/", "/training/", "/pumps/", "/pumps/"};
    constexpr const char* LEAVES[] = {"/telemetry", "/training_data", "/status", "/command"};
    size_t kind = static_cast<size_t>(topic);
    if (!valid_root(root) || !valid_device_id(device_id)) return 0;
    Text out(into, room);
    out.add(root).add(BRANCHES[kind]).add(device_id).add(LEAVES[kind]);
    return out.cut() ? 0 : out.size();
}

void client_id_of(const char* device_id, char (&into)[CLIENT_ID_ROOM]) {
    Text text(into, sizeof into);
    text.add("device-");
    for (; *device_id != '\0'; ++device_id) {
        *device_id == '.' ? text.add("__") : text.add(*device_id);
    }
}

}  // namespace pdm
