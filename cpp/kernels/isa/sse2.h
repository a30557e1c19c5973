// SSE2, the baseline of x86-64: 4 floats or 2 doubles, no FMA. Nothing newer is used, not even
// SSE4.1's blend and round: this level is the one that must run everywhere. Tails are loaded and
// stored in halves.
#pragma once

#include <emmintrin.h>

#include <cstddef>
#include <cstdint>

namespace {

// 8 accumulators, 2 vectors of B, a broadcast and a product: 12 of the 16 registers. A fifth row
// would fit, but then every rest of rows takes one more tile.
constexpr int tile_rows = 4;
constexpr int tile_vectors = 2;

struct VecF32 {
  using T = float;
  using Mask = __m128;
  using Half = VecF32;
  static constexpr int width = 4;
  __m128 v;

  static VecF32 load(const T* p) { return {_mm_loadu_ps(p)}; }
  static VecF32 load_partial(const T* p, std::ptrdiff_t n) {
    if (n == 1) return {_mm_load_ss(p)};
    // Two floats through an integer load, which alone sets the rest to zero in one instruction.
    const __m128 low = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    if (n == 2) return {low};
    return {_mm_movelh_ps(low, _mm_load_ss(p + 2))};
  }
  void store(T* p) const { _mm_storeu_ps(p, v); }
  void store_partial(T* p, std::ptrdiff_t n) const {
    __m128 rest = v;
    if (n & 2) {
      _mm_storel_pi(reinterpret_cast<__m64*>(p), rest);
      rest = _mm_movehl_ps(rest, rest);
      p += 2;
    }
    if (n & 1) _mm_store_ss(p, rest);
  }
  static VecF32 set(T x) { return {_mm_set1_ps(x)}; }
  // `set` for a constant of a loop: opaque, so that it stays in a register. GCC would load it from
  // memory at every use, and the loads would take longer than the arithmetic.
  static VecF32 constant(T x) {
    VecF32 a = set(x);
    asm("" : "+x"(a.v));
    return a;
  }

  friend VecF32 operator+(VecF32 a, VecF32 b) { return {_mm_add_ps(a.v, b.v)}; }
  friend VecF32 operator-(VecF32 a, VecF32 b) { return {_mm_sub_ps(a.v, b.v)}; }
  friend VecF32 operator*(VecF32 a, VecF32 b) { return {_mm_mul_ps(a.v, b.v)}; }
  friend VecF32 operator/(VecF32 a, VecF32 b) { return {_mm_div_ps(a.v, b.v)}; }
  // Two roundings, as in scalar.h: the two levels agree to the bit.
  friend VecF32 fma(VecF32 a, VecF32 b, VecF32 c) { return a * b + c; }
  friend VecF32 fnma(VecF32 a, VecF32 b, VecF32 c) { return c - a * b; }
  friend VecF32 min(VecF32 a, VecF32 b) { return {_mm_min_ps(a.v, b.v)}; }
  friend VecF32 max(VecF32 a, VecF32 b) { return {_mm_max_ps(a.v, b.v)}; }
  friend VecF32 sqrt(VecF32 a) { return {_mm_sqrt_ps(a.v)}; }
  friend VecF32 abs(VecF32 a) { return {_mm_andnot_ps(_mm_set1_ps(-0.0f), a.v)}; }
  friend VecF32 copysign(VecF32 magnitude, VecF32 sign) {
    const __m128 top = _mm_set1_ps(-0.0f);
    return {_mm_or_ps(_mm_andnot_ps(top, magnitude.v), _mm_and_ps(top, sign.v))};
  }
  friend Mask less(VecF32 a, VecF32 b) { return _mm_cmplt_ps(a.v, b.v); }
  friend VecF32 select(Mask m, VecF32 a, VecF32 b) {
    return {_mm_or_ps(_mm_and_ps(m, a.v), _mm_andnot_ps(m, b.v))};
  }
  // The low bits of a, moved to where the exponent is: 2^n for a = n + Math::exponent_magic.
  friend VecF32 low_bits_to_exponent(VecF32 a) {
    return {_mm_castsi128_ps(_mm_slli_epi32(_mm_castps_si128(a.v), 23))};
  }
  friend VecF32 split(VecF32 x, VecF32& e) {
    const __m128i bits = _mm_castps_si128(x.v);
    e.v = _mm_cvtepi32_ps(_mm_sub_epi32(_mm_srli_epi32(bits, 23), _mm_set1_epi32(127)));
    const __m128i mantissa = _mm_and_si128(bits, _mm_set1_epi32(0x007fffff));
    return {_mm_castsi128_ps(_mm_or_si128(mantissa, _mm_set1_epi32(0x3f800000)))};
  }
  // Lane k in every lane: the shuffles want a constant, and its code would be four times as long.
  friend VecF32 spread(VecF32 a, std::ptrdiff_t k) {
    alignas(16) T lanes[width];
    a.store(lanes);
    return set(lanes[k]);
  }
  // The lanes of a and b alternately: the first half of both in `low`, the second in `high`.
  friend void zip(VecF32 a, VecF32 b, VecF32& low, VecF32& high) {
    low.v = _mm_unpacklo_ps(a.v, b.v);
    high.v = _mm_unpackhi_ps(a.v, b.v);
  }
};

struct VecF64 {
  using T = double;
  using Mask = __m128d;
  using Half = VecF64;
  static constexpr int width = 2;
  __m128d v;

  static VecF64 load(const T* p) { return {_mm_loadu_pd(p)}; }
  static VecF64 load_partial(const T* p, std::ptrdiff_t) { return {_mm_load_sd(p)}; }
  void store(T* p) const { _mm_storeu_pd(p, v); }
  void store_partial(T* p, std::ptrdiff_t) const { _mm_store_sd(p, v); }
  static VecF64 set(T x) { return {_mm_set1_pd(x)}; }
  // `set` for a constant of a loop: opaque, so that it stays in a register. GCC would load it from
  // memory at every use, and the loads would take longer than the arithmetic.
  static VecF64 constant(T x) {
    VecF64 a = set(x);
    asm("" : "+x"(a.v));
    return a;
  }

  friend VecF64 operator+(VecF64 a, VecF64 b) { return {_mm_add_pd(a.v, b.v)}; }
  friend VecF64 operator-(VecF64 a, VecF64 b) { return {_mm_sub_pd(a.v, b.v)}; }
  friend VecF64 operator*(VecF64 a, VecF64 b) { return {_mm_mul_pd(a.v, b.v)}; }
  friend VecF64 operator/(VecF64 a, VecF64 b) { return {_mm_div_pd(a.v, b.v)}; }
  friend VecF64 fma(VecF64 a, VecF64 b, VecF64 c) { return a * b + c; }
  friend VecF64 fnma(VecF64 a, VecF64 b, VecF64 c) { return c - a * b; }
  friend VecF64 min(VecF64 a, VecF64 b) { return {_mm_min_pd(a.v, b.v)}; }
  friend VecF64 max(VecF64 a, VecF64 b) { return {_mm_max_pd(a.v, b.v)}; }
  friend VecF64 sqrt(VecF64 a) { return {_mm_sqrt_pd(a.v)}; }
  friend VecF64 abs(VecF64 a) { return {_mm_andnot_pd(_mm_set1_pd(-0.0), a.v)}; }
  friend VecF64 copysign(VecF64 magnitude, VecF64 sign) {
    const __m128d top = _mm_set1_pd(-0.0);
    return {_mm_or_pd(_mm_andnot_pd(top, magnitude.v), _mm_and_pd(top, sign.v))};
  }
  friend Mask less(VecF64 a, VecF64 b) { return _mm_cmplt_pd(a.v, b.v); }
  friend VecF64 select(Mask m, VecF64 a, VecF64 b) {
    return {_mm_or_pd(_mm_and_pd(m, a.v), _mm_andnot_pd(m, b.v))};
  }
  // The low bits of a, moved to where the exponent is: 2^n for a = n + Math::exponent_magic.
  friend VecF64 low_bits_to_exponent(VecF64 a) {
    return {_mm_castsi128_pd(_mm_slli_epi64(_mm_castpd_si128(a.v), 52))};
  }
  friend VecF64 split(VecF64 x, VecF64& e) {
    const __m128i bits = _mm_castpd_si128(x.v);
    // The biased exponent in the low bits of 2^52, as a double; then 2^52 + bias is taken off.
    const __m128i biased =
        _mm_or_si128(_mm_srli_epi64(bits, 52), _mm_castpd_si128(_mm_set1_pd(0x1p52)));
    e.v = _mm_sub_pd(_mm_castsi128_pd(biased), _mm_set1_pd(0x1p52 + 1023));
    const __m128i mantissa = _mm_and_si128(bits, _mm_set1_epi64x(0x000fffffffffffff));
    return {_mm_castsi128_pd(_mm_or_si128(mantissa, _mm_set1_epi64x(0x3ff0000000000000)))};
  }
  friend VecF64 spread(VecF64 a, std::ptrdiff_t k) {
    return {k == 0 ? _mm_unpacklo_pd(a.v, a.v) : _mm_unpackhi_pd(a.v, a.v)};
  }
  // The lanes of a and b alternately: the first half of both in `low`, the second in `high`.
  friend void zip(VecF64 a, VecF64 b, VecF64& low, VecF64& high) {
    low.v = _mm_unpacklo_pd(a.v, b.v);
    high.v = _mm_unpackhi_pd(a.v, b.v);
  }
};

// The lanes as doubles, in their order.
inline void widen(VecF32 a, VecF64 (&out)[2]) {
  out[0].v = _mm_cvtps_pd(a.v);
  out[1].v = _mm_cvtps_pd(_mm_movehl_ps(a.v, a.v));
}

}  // namespace
