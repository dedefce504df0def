#include "text.hpp"

#include <string.h>

namespace pdm {

Text::Text(char* into, size_t room) : into_(into), room_(room) {
    if (room_ > 0) into_[0] = '\0';
}

Text& Text::add(const char* text, size_t bytes) {
    size_t left = room_ > size_ ? room_ - size_ - 1 : 0;
    if (bytes > left) {
        cut_ = true;
        bytes = left;
    }
    if (bytes > 0) {
        memcpy(into_ + size_, text, bytes);
        size_ += bytes;
        into_[size_] = '\0';
    }
    return *this;
}

Text& Text::add(char character) { return add(&character, 1); }

Text& Text::add(const char* text) { return add(text, strlen(text)); }

Text& Text::add(uint64_t number) {
    char digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return add(digits + first, sizeof digits - first);
}

}  // namespace pdm
