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

Text& Text::add(const char* text) {
    if (room_ == 0) {
        cut_ = cut_ || *text != '\0';
        return *this;
    }
    char* to = into_ + size_;
    char* const end = into_ + room_ - 1;
    while (*text != '\0' && to < end) *to++ = *text++;
    *to = '\0';
    cut_ = cut_ || *text != '\0';
    size_ = static_cast<size_t>(to - into_);
    return *this;
}

Text& Text::add(uint64_t number) {
    char digits[20];
    size_t first = sizeof digits;
    // a division of 64 bits costs a chip hundreds of instructions: one for nine digits
    while (number > UINT32_MAX) {
        const uint64_t above = number / 1000000000;
        uint32_t nine = static_cast<uint32_t>(number - above * 1000000000);
        for (int digit = 0; digit < 9; ++digit, nine /= 10) digits[--first] = static_cast<char>('0' + nine % 10);
        number = above;
    }
    uint32_t rest = static_cast<uint32_t>(number);
    do {
        digits[--first] = static_cast<char>('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    return add(digits + first, sizeof digits - first);
}

}  // namespace pdm
