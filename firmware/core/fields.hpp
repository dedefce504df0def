// A JSON object whose fields are known, and the words for what is wrong with it. Commands and provisioning share it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "json.hpp"
#include "text.hpp"

namespace pdm {

/// Holds every error text: printable ASCII, NUL-terminated.
constexpr size_t ERROR_ROOM = 192;

/// Reads one line. The first error stands in `error`; until then it is empty.
class Fields {
  public:
    static constexpr int DONE = -1;
    static constexpr int REFUSED = -2;

    Fields(const char* line, size_t bytes, char* error, size_t room) : reader_(line, bytes), error_(error, room) {}

    bool open() { return told(reader_.enter('{')); }
    /// The next field, as an index into `names` (at most 32), or DONE or REFUSED. Neither an unknown field nor one that
    /// stands twice is accepted: a mistyped command must not look obeyed. `seen`: of this object, empty before.
    int next(const char* const* names, int count, uint32_t& seen);
    bool value(JsonValue& value, char* text, size_t room) { return told(reader_.value(value, text, room)); }
    bool close() { return told(reader_.end()); }

    /// Steps through the objects of an array, whose fields are then named `list[0].field` in errors.
    bool open_list(const char* list);
    bool next_of_list();
    bool refused() const { return error_.size() > 0; }

    /// Words the error `name value limit` and returns false. A secret's value is left out.
    bool refuse(const char* name, const JsonValue& value, const char* limit, bool secret = false);
    bool refuse(const char* what);

  private:
    bool told(bool good);
    void shown(const char* text, size_t bytes);
    void path();

    JsonReader reader_;
    Text error_;
    const char* list_ = nullptr;
    uint64_t index_ = 0;
};

}  // namespace pdm
