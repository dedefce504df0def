// Lines from bytes that come one by one, as on a serial port.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pdm::board {

/// Lines of up to ROOM - 1 bytes, ended by CR or LF. A backspace takes back what was typed. A line with any other
/// control character is noise (a wrong baud rate, a cable plugged in) and is dropped without a word.
template <size_t ROOM>
class LineReader {
  public:
    enum class Came : uint8_t { NOTHING, LINE, TOO_LONG };

    /// LINE: text() holds a line that is not empty. TOO_LONG: a line ended that did not fit; none of it is kept.
    Came take(char byte) {
        if (taken_) {
            size_ = 0;
            noise_ = too_long_ = taken_ = false;
        }
        if (byte == '\r' || byte == '\n') {
            return end();
        }
        if (byte == '\b' || byte == '\x7F') {
            size_ -= size_ > 0 ? 1 : 0;
        } else if (static_cast<uint8_t>(byte) < ' ' && byte != '\t') {
            noise_ = true;
        } else if (size_ + 1 < ROOM) {
            text_[size_++] = byte;
        } else {
            too_long_ = true;
        }
        return Came::NOTHING;
    }

    const char* text() const { return text_; }  ///< NUL-terminated
    size_t size() const { return size_; }

  private:
    Came end() {
        taken_ = true;
        text_[size_] = '\0';
        if (noise_) {
            return Came::NOTHING;
        }
        return too_long_ ? Came::TOO_LONG : size_ > 0 ? Came::LINE : Came::NOTHING;
    }

    char text_[ROOM] = "";
    size_t size_ = 0;
    bool noise_ = false, too_long_ = false;
    bool taken_ = false;  // the line was handed out: the next byte begins another
};

}  // namespace pdm::board
