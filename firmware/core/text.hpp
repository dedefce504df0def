// Text that grows in a caller's buffer: the core has no heap and no printf.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pdm {

/// Always NUL-terminated, so a buffer of `room` holds room - 1 characters. What does not fit is left out, and `cut` is
/// true from then on: whoever must not send half a text asks for it.
class Text {
  public:
    Text(char* into, size_t room);

    Text& add(char character) {
        if (size_ + 1 < room_) {
            into_[size_++] = character;
            into_[size_] = '\0';
        } else {
            cut_ = true;
        }
        return *this;
    }
    Text& add(const char* text);
    Text& add(const char* text, size_t bytes);
    Text& add(uint64_t number);

    size_t size() const { return size_; }
    bool cut() const { return cut_; }

  private:
    char* into_;
    size_t room_;
    size_t size_ = 0;
    bool cut_ = false;
};

}  // namespace pdm
