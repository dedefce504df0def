// Numbers with a fixed point, in which a twin's readings are reckoned: on a chip without floating point a float's
// product takes a hundred instructions, this one ten. And they are the same on every chip.
#pragma once

#include <stdint.h>
#include <string.h>

namespace pdm {

/// raw / 2^POINT. Sums, products and quotients are rounded to the nearest; nothing looks for overflow.
template <int POINT>
class Fixed {
  public:
    constexpr Fixed() = default;
    /// Of a constant: inline, or the compiler that saves space would leave it to the chip.
    [[gnu::always_inline]] constexpr explicit Fixed(double value)
        : raw_(static_cast<int32_t>(value * (int64_t{1} << POINT) + (value < 0.0 ? -0.5 : 0.5))) {}
    [[gnu::always_inline]] constexpr explicit Fixed(float value) : Fixed(static_cast<double>(value)) {}

    static constexpr Fixed of_raw(int64_t raw) {
        Fixed made;
        made.raw_ = static_cast<int32_t>(raw);
        return made;
    }
    /// A float that is not negative.
    static Fixed of(float value) {
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        const uint32_t mantissa = (bits & 0x7FFFFF) | 0x800000;
        const int left = static_cast<int>(bits >> 23) - 150 + POINT;
        return of_raw(left >= 0 ? mantissa << left : left > -25 ? (mantissa + (1u << (-left - 1))) >> -left : 0);
    }
    float to_float() const {
        const float whole = static_cast<float>(raw_);
        uint32_t bits;
        memcpy(&bits, &whole, sizeof bits);
        bits -= raw_ != 0 ? uint32_t{POINT} << 23 : 0;  // divided by 2^POINT
        float value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }

    constexpr int32_t raw() const { return raw_; }

    constexpr Fixed operator-() const { return of_raw(-raw_); }
    constexpr Fixed operator+(Fixed other) const { return of_raw(raw_ + other.raw_); }
    constexpr Fixed operator-(Fixed other) const { return of_raw(raw_ - other.raw_); }
    /// The other factor may be finer: the product is as this one.
    template <int FINER>
    [[gnu::always_inline]] constexpr Fixed operator*(Fixed<FINER> other) const {
        static_assert(FINER >= POINT, "put the coarser factor first");
        return of_raw((int64_t{raw_} * other.raw() + (int64_t{1} << (FINER - 1))) >> FINER);
    }
    /// By a divisor above 0.
    constexpr Fixed operator/(Fixed divisor) const {
        const int64_t half = raw_ < 0 ? -(divisor.raw_ / 2) : divisor.raw_ / 2;
        return of_raw((static_cast<int64_t>(raw_) * (int64_t{1} << POINT) + half) / divisor.raw_);
    }
    constexpr bool operator<(Fixed other) const { return raw_ < other.raw_; }
    constexpr bool operator>(Fixed other) const { return raw_ > other.raw_; }

  private:
    int32_t raw_ = 0;
};

/// -256 to 256 in steps of 1.2e-7, as fine as a float near 1: what is measured, in its unit.
using Number = Fixed<23>;
/// -2 to 2 in steps of 1e-9.
using Share = Fixed<30>;

template <int POINT>
constexpr Fixed<POINT> least(Fixed<POINT> one, Fixed<POINT> other) {
    return one < other ? one : other;
}
template <int POINT>
constexpr Fixed<POINT> greatest(Fixed<POINT> one, Fixed<POINT> other) {
    return one > other ? one : other;
}

/// Square root of a whole number, within 1 and 2e-9 of itself.
uint32_t root(uint64_t square);

/// Of a number that is not negative.
inline Number root(Number number) {
    return Number::of_raw(root(static_cast<uint64_t>(number.raw()) << 23));
}
constexpr uint64_t squared(Number number) {
    return static_cast<uint64_t>(int64_t{number.raw()} * number.raw());
}

}  // namespace pdm
