// How the ADXL355's FIFO is read.
#pragma once

#include <stdint.h>

namespace pdm::board {

/// Puts samples together from entries of the FIFO. An entry is one axis: 20 bits in three bytes, left-aligned, then
/// bit 1: the FIFO was empty, and bit 0: this is x. Source: data sheet of ADXL354 and ADXL355, "FIFO data".
class Adxl355Fifo {
  public:
    static constexpr int ENTRY_BYTES = 3, AXES = 3, MOST_ENTRIES = 96;

    /// Take the next entry. Returns true where it completes a sample.
    bool take(const uint8_t* entry) {
        constexpr uint8_t EMPTY = 2, X = 1;
        if ((entry[2] & EMPTY) != 0) {
            return false;
        }
        const bool is_x = (entry[2] & X) != 0;
        if (is_x != (axis_ == 0)) {
            slipped_ = true;
            axis_ = 0;
            if (!is_x) {
                return false;  // the rest of a sample whose x is missing
            }
        }
        const uint32_t bits = uint32_t{entry[0]} << 24 | uint32_t{entry[1]} << 16 | uint32_t{entry[2]} << 8;
        counts_[axis_] = static_cast<int32_t>(bits) >> 12;
        axis_ = (axis_ + 1) % AXES;
        return axis_ == 0;
    }

    /// x, y and z of the sample that was completed last.
    const int32_t (&counts() const)[AXES] { return counts_; }

    /// Whether axes were missing since the last call: samples were lost.
    bool slipped() {
        const bool slipped = slipped_;
        slipped_ = false;
        return slipped;
    }

  private:
    int32_t counts_[AXES] = {};
    int axis_ = 0;
    bool slipped_ = false;
};

}  // namespace pdm::board
