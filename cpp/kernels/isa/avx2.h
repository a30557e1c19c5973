// AVX2 with FMA: 8 floats or 4 doubles. Tails are loaded under a mask and stored in halves,
// because masked stores are microcoded on several processors.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace {

// 12 accumulators, 2 vectors of B and a broadcast: 15 of the 16 registers.
constexpr int tile_rows = 6;
constexpr int tile_vectors = 2;

// Eight or four lanes of ones, then zeros: a mask of the first n lanes starts at lane (width - n).
alignas(32) constexpr std::int32_t lanes_i32[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
alignas(32) constexpr std::int64_t lanes_i64[8] = {-1, -1, -1, -1};

struct VecF32 {
  using T = float;
  using Mask = __m256;
  static constexpr int width = 8;
  __m256 v;

  static VecF32 load(const T* p) { return {_mm256_loadu_ps(p)}; }
  static VecF32 load_partial(const T* p, std::ptrdiff_t n) {
    const __m256i first =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes_i32 + (width - n)));
    return {_mm256_maskload_ps(p, first)};
  }
  void store(T* p) const { _mm256_storeu_ps(p, v); }
  void store_partial(T* p, std::ptrdiff_t n) const {
    __m128 half = _mm256_castps256_ps128(v);
    if (n & 4) {
      _mm_storeu_ps(p, half);
      half = _mm256_extractf128_ps(v, 1);
      p += 4;
    }
    if (n & 2) {
      _mm_storel_pi(reinterpret_cast<__m64*>(p), half);
      half = _mm_movehl_ps(half, half);
      p += 2;
    }
    if (n & 1) _mm_store_ss(p, half);
  }
  static VecF32 set(T x) { return {_mm256_set1_ps(x)}; }
  // `set` for a constant of a loop: opaque, so that it stays in a register. GCC would load it from
  // memory at every use, and the loads would take longer than the arithmetic.
  static VecF32 constant(T x) {
    VecF32 a = set(x);
    asm("" : "+x"(a.v));
    return a;
  }

  friend VecF32 operator+(VecF32 a, VecF32 b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend VecF32 operator-(VecF32 a, VecF32 b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend VecF32 operator*(VecF32 a, VecF32 b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend VecF32 operator/(VecF32 a, VecF32 b) { return {_mm256_div_ps(a.v, b.v)}; }
  friend VecF32 fma(VecF32 a, VecF32 b, VecF32 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  friend VecF32 fnma(VecF32 a, VecF32 b, VecF32 c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
  friend VecF32 min(VecF32 a, VecF32 b) { return {_mm256_min_ps(a.v, b.v)}; }
  friend VecF32 max(VecF32 a, VecF32 b) { return {_mm256_max_ps(a.v, b.v)}; }
  friend VecF32 sqrt(VecF32 a) { return {_mm256_sqrt_ps(a.v)}; }
  friend VecF32 abs(VecF32 a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
  friend VecF32 copysign(VecF32 magnitude, VecF32 sign) {
    return {_mm256_blendv_ps(abs(magnitude).v, _mm256_or_ps(magnitude.v, _mm256_set1_ps(-0.0f)),
                             sign.v)};
  }
  friend Mask less(VecF32 a, VecF32 b) { return _mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ); }
  friend VecF32 select(Mask m, VecF32 a, VecF32 b) { return {_mm256_blendv_ps(b.v, a.v, m)}; }
  // The low bits of a, moved to where the exponent is: 2^n for a = n + Math::exponent_magic.
  friend VecF32 low_bits_to_exponent(VecF32 a) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a.v), 23))};
  }
  friend VecF32 split(VecF32 x, VecF32& e) {
    const __m256i bits = _mm256_castps_si256(x.v);
    const __m256i exponent = _mm256_sub_epi32(_mm256_srli_epi32(bits, 23), _mm256_set1_epi32(127));
    e.v = _mm256_cvtepi32_ps(exponent);
    const __m256i mantissa = _mm256_and_si256(bits, _mm256_set1_epi32(0x007fffff));
    return {_mm256_castsi256_ps(_mm256_or_si256(mantissa, _mm256_set1_epi32(0x3f800000)))};
  }
  // The lanes of a and b alternately: the first half of both in `low`, the second in `high`.
  friend void zip(VecF32 a, VecF32 b, VecF32& low, VecF32& high) {
    const __m256 even = _mm256_unpacklo_ps(a.v, b.v), odd = _mm256_unpackhi_ps(a.v, b.v);
    low.v = _mm256_permute2f128_ps(even, odd, 0x20);
    high.v = _mm256_permute2f128_ps(even, odd, 0x31);
  }
};

struct VecF64 {
  using T = double;
  using Mask = __m256d;
  static constexpr int width = 4;
  __m256d v;

  static VecF64 load(const T* p) { return {_mm256_loadu_pd(p)}; }
  static VecF64 load_partial(const T* p, std::ptrdiff_t n) {
    const __m256i first =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes_i64 + (width - n)));
    return {_mm256_maskload_pd(p, first)};
  }
  void store(T* p) const { _mm256_storeu_pd(p, v); }
  void store_partial(T* p, std::ptrdiff_t n) const {
    __m128d half = _mm256_castpd256_pd128(v);
    if (n & 2) {
      _mm_storeu_pd(p, half);
      half = _mm256_extractf128_pd(v, 1);
      p += 2;
    }
    if (n & 1) _mm_store_sd(p, half);
  }
  static VecF64 set(T x) { return {_mm256_set1_pd(x)}; }
  // `set` for a constant of a loop: opaque, so that it stays in a register. GCC would load it from
  // memory at every use, and the loads would take longer than the arithmetic.
  static VecF64 constant(T x) {
    VecF64 a = set(x);
    asm("" : "+x"(a.v));
    return a;
  }

  friend VecF64 operator+(VecF64 a, VecF64 b) { return {_mm256_add_pd(a.v, b.v)}; }
  friend VecF64 operator-(VecF64 a, VecF64 b) { return {_mm256_sub_pd(a.v, b.v)}; }
  friend VecF64 operator*(VecF64 a, VecF64 b) { return {_mm256_mul_pd(a.v, b.v)}; }
  friend VecF64 operator/(VecF64 a, VecF64 b) { return {_mm256_div_pd(a.v, b.v)}; }
  friend VecF64 fma(VecF64 a, VecF64 b, VecF64 c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
  friend VecF64 fnma(VecF64 a, VecF64 b, VecF64 c) { return {_mm256_fnmadd_pd(a.v, b.v, c.v)}; }
  friend VecF64 min(VecF64 a, VecF64 b) { return {_mm256_min_pd(a.v, b.v)}; }
  friend VecF64 max(VecF64 a, VecF64 b) { return {_mm256_max_pd(a.v, b.v)}; }
  friend VecF64 sqrt(VecF64 a) { return {_mm256_sqrt_pd(a.v)}; }
  friend VecF64 abs(VecF64 a) { return {_mm256_andnot_pd(_mm256_set1_pd(-0.0), a.v)}; }
  friend VecF64 copysign(VecF64 magnitude, VecF64 sign) {
    return {_mm256_blendv_pd(abs(magnitude).v, _mm256_or_pd(magnitude.v, _mm256_set1_pd(-0.0)),
                             sign.v)};
  }
  friend Mask less(VecF64 a, VecF64 b) { return _mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ); }
  friend VecF64 select(Mask m, VecF64 a, VecF64 b) { return {_mm256_blendv_pd(b.v, a.v, m)}; }
  // The low bits of a, moved to where the exponent is: 2^n for a = n + Math::exponent_magic.
  friend VecF64 low_bits_to_exponent(VecF64 a) {
    return {_mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(a.v), 52))};
  }
  friend VecF64 split(VecF64 x, VecF64& e) {
    const __m256i bits = _mm256_castpd_si256(x.v);
    // The biased exponent in the low bits of 2^52, as a double; then 2^52 + bias is taken off.
    const __m256i biased =
        _mm256_or_si256(_mm256_srli_epi64(bits, 52), _mm256_castpd_si256(_mm256_set1_pd(0x1p52)));
    e.v = _mm256_sub_pd(_mm256_castsi256_pd(biased), _mm256_set1_pd(0x1p52 + 1023));
    const __m256i mantissa = _mm256_and_si256(bits, _mm256_set1_epi64x(0x000fffffffffffff));
    return {_mm256_castsi256_pd(_mm256_or_si256(mantissa, _mm256_set1_epi64x(0x3ff0000000000000)))};
  }
  friend void zip(VecF64 a, VecF64 b, VecF64& low, VecF64& high) {
    const __m256d even = _mm256_unpacklo_pd(a.v, b.v), odd = _mm256_unpackhi_pd(a.v, b.v);
    low.v = _mm256_permute2f128_pd(even, odd, 0x20);
    high.v = _mm256_permute2f128_pd(even, odd, 0x31);
  }
};

// The lanes as doubles, in their order.
inline void widen(VecF32 a, VecF64 (&out)[2]) {
  out[0].v = _mm256_cvtps_pd(_mm256_castps256_ps128(a.v));
  out[1].v = _mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1));
}

}  // namespace
