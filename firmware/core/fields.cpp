#include "fields.hpp"

#include <string.h>

namespace pdm {

namespace {

constexpr size_t SHOWN_BYTES = 32;  // of a value or an unknown name: an error must fit into a status

}  // namespace

bool Fields::told(bool good) {
    if (!good && !refused()) error_.add("at byte ").add(uint64_t{reader_.position()}).add(": ").add(reader_.problem());
    return good;
}

void Fields::shown(const char* text, size_t bytes) {
    for (size_t at = 0; at < bytes && at < SHOWN_BYTES; ++at) {
        error_.add(text[at] >= ' ' && text[at] <= '~' ? text[at] : '?');
    }
    if (bytes > SHOWN_BYTES) error_.add("...");
}

void Fields::path() {
    if (list_ != nullptr) error_.add(list_).add('[').add(index_ - 1).add("].");
}

int Fields::next(const char* const* names, int count, uint32_t& seen) {
    char name[SHOWN_BYTES + 2];  // one byte more than is shown, so that a longer name is seen to be cut
    if (!reader_.next('}')) return told(reader_.problem() == nullptr) ? DONE : REFUSED;
    if (!told(reader_.key(name, sizeof name))) return REFUSED;
    for (int field = 0; field < count; ++field) {
        if (strcmp(name, names[field]) != 0) continue;
        if ((seen >> field & 1) == 0) {
            seen |= 1U << field;
            return field;
        }
        path();
        error_.add(name).add(" stands twice");
        return REFUSED;
    }
    path();
    error_.add("field ");
    shown(name, strlen(name));
    error_.add(" is not known");
    return REFUSED;
}

bool Fields::open_list(const char* list) {
    list_ = list;
    index_ = 0;
    return told(reader_.enter('['));
}

bool Fields::next_of_list() {
    if (!reader_.next(']')) {
        told(reader_.problem() == nullptr);
        list_ = nullptr;
        return false;
    }
    ++index_;
    return open();
}

bool Fields::refuse(const char* name, const JsonValue& value, const char* limit, bool secret) {
    path();
    error_.add(name);
    if (!secret) {
        error_.add(' ');
        shown(value.raw, value.raw_bytes);
    }
    error_.add(' ').add(limit);
    return false;
}

bool Fields::refuse(const char* what) {
    path();
    error_.add(what);
    return false;
}

}  // namespace pdm
