// The portable level: one element per "vector", plain C++. It is the specification of the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace {

#if defined(DENSECORE_ORACLE)  // not chosen on such processors: less code, and the same bits
constexpr int tile_rows = 2;
constexpr int tile_vectors = 2;
#else
constexpr int tile_rows = 4;
constexpr int tile_vectors = 4;
#endif

template <class Element, class Bits, int mantissa_bits, int exponent_bias>
struct Scalar {
  using T = Element;
  using Mask = bool;
  using Half = Scalar;  // a shorter vector, or this one if there is none
  static constexpr int width = 1;
  T v;

  static Scalar load(const T* p) { return {*p}; }
  static Scalar load_partial(const T* p, std::ptrdiff_t) { return {*p}; }
  void store(T* p) const { *p = v; }
  void store_partial(T* p, std::ptrdiff_t) const { *p = v; }
  static Scalar set(T x) { return {x}; }
  static Scalar constant(T x) { return {x}; }  // see avx512.h

  friend Scalar operator+(Scalar a, Scalar b) { return {a.v + b.v}; }
  friend Scalar operator-(Scalar a, Scalar b) { return {a.v - b.v}; }
  friend Scalar operator*(Scalar a, Scalar b) { return {a.v * b.v}; }
  friend Scalar operator/(Scalar a, Scalar b) { return {a.v / b.v}; }
  // a * b + c. Two roundings where the hardware has no fused form: a call of the library's fma
  // would cost fifty times as much, so this level's last bits differ from the others' on x86.
  friend Scalar fma(Scalar a, Scalar b, Scalar c) {
#if defined(__ARM_FEATURE_FMA)
    if constexpr (sizeof(T) == 4) return {__builtin_fmaf(a.v, b.v, c.v)};
    return {static_cast<T>(__builtin_fma(a.v, b.v, c.v))};
#else
    return {a.v * b.v + c.v};
#endif
  }
  // c - a * b
  friend Scalar fnma(Scalar a, Scalar b, Scalar c) { return fma(Scalar{-a.v}, b, c); }
  // The second operand when one is NaN, as the x86 instructions.
  friend Scalar min(Scalar a, Scalar b) { return {a.v < b.v ? a.v : b.v}; }
  friend Scalar max(Scalar a, Scalar b) { return {a.v > b.v ? a.v : b.v}; }
  friend Scalar sqrt(Scalar a) {
    if constexpr (sizeof(T) == 4) return {__builtin_sqrtf(a.v)};
    return {static_cast<T>(__builtin_sqrt(a.v))};
  }
  friend Scalar abs(Scalar a) { return {a.v < 0 ? -a.v : (a.v == 0 ? T(0) : a.v)}; }
  friend Scalar copysign(Scalar magnitude, Scalar sign) {
    constexpr Bits top = Bits(1) << (sizeof(T) * 8 - 1);
    return from_bits((to_bits(magnitude) & ~top) | (to_bits(sign) & top));
  }
  friend Mask less(Scalar a, Scalar b) { return a.v < b.v; }
  friend Scalar select(Mask m, Scalar a, Scalar b) { return m ? a : b; }
  // The low bits of a, moved to where the exponent is: 2^n for a = n + Math::exponent_magic.
  friend Scalar low_bits_to_exponent(Scalar a) { return from_bits(to_bits(a) << mantissa_bits); }
  // x = m * 2^e, 1 <= m < 2, for normal x > 0.
  friend Scalar split(Scalar x, Scalar& e) {
    const Bits bits = to_bits(x);
    e.v = static_cast<T>(static_cast<std::int64_t>(bits >> mantissa_bits) - exponent_bias);
    constexpr Bits mantissa = (Bits(1) << mantissa_bits) - 1;
    return from_bits((bits & mantissa) | (Bits(exponent_bias) << mantissa_bits));
  }
  // Lane k in every lane.
  friend Scalar spread(Scalar a, std::ptrdiff_t) { return a; }
  // The lanes of a and b alternately: the first half of both in `low`, the second in `high`.
  friend void zip(Scalar a, Scalar b, Scalar& low, Scalar& high) { low = a, high = b; }

 private:
  static Bits to_bits(Scalar a) {
    Bits bits;
    std::memcpy(&bits, &a.v, sizeof bits);
    return bits;
  }
  static Scalar from_bits(Bits bits) {
    Scalar a;
    std::memcpy(&a.v, &bits, sizeof bits);
    return a;
  }
};

using VecF32 = Scalar<float, std::uint32_t, 23, 127>;
using VecF64 = Scalar<double, std::uint64_t, 52, 1023>;

// The lanes as doubles, in their order.
inline void widen(VecF32 a, VecF64 (&out)[1]) { out[0].v = static_cast<double>(a.v); }

}  // namespace
