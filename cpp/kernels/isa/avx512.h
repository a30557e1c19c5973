// AVX-512 F, BW, DQ, VL: 16 floats or 8 doubles. Tails are masked.
#pragma once

#include <immintrin.h>

#include <cstddef>

#include "kernels/isa/avx2_vectors.h"

namespace {

// 24 accumulators, 4 vectors of B and a broadcast: 29 of the 32 registers.
constexpr int tile_rows = 6;
constexpr int tile_vectors = 4;

struct VecF32 {
  using T = float;
  using Mask = __mmask16;
  using Half = F32x8;
  static constexpr int width = 16;
  __m512 v;

  static Mask first(std::ptrdiff_t n) { return static_cast<Mask>((1u << n) - 1); }
  static VecF32 load(const T* p) { return {_mm512_loadu_ps(p)}; }
  static VecF32 load_partial(const T* p, std::ptrdiff_t n) {
    return {_mm512_maskz_loadu_ps(first(n), p)};
  }
  void store(T* p) const { _mm512_storeu_ps(p, v); }
  void store_partial(T* p, std::ptrdiff_t n) const { _mm512_mask_storeu_ps(p, first(n), v); }
  Half lower() const { return {_mm512_castps512_ps256(v)}; }
  Half upper() const { return {_mm512_extractf32x8_ps(v, 1)}; }
  static VecF32 join(Half low, Half high) {
    return {_mm512_insertf32x8(_mm512_castps256_ps512(low.v), high.v, 1)};
  }
  static VecF32 set(T x) { return {_mm512_set1_ps(x)}; }
  // `set` for a constant of a loop: opaque, so that it stays in a register. GCC would load it from
  // memory at every use, and the loads would take longer than the arithmetic.
  static VecF32 constant(T x) {
    VecF32 a = set(x);
    asm("" : "+v"(a.v));
    return a;
  }

  friend VecF32 operator+(VecF32 a, VecF32 b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend VecF32 operator-(VecF32 a, VecF32 b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend VecF32 operator*(VecF32 a, VecF32 b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend VecF32 operator/(VecF32 a, VecF32 b) { return {_mm512_div_ps(a.v, b.v)}; }
  friend VecF32 fma(VecF32 a, VecF32 b, VecF32 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  friend VecF32 fnma(VecF32 a, VecF32 b, VecF32 c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
  friend VecF32 min(VecF32 a, VecF32 b) { return {_mm512_min_ps(a.v, b.v)}; }
  friend VecF32 max(VecF32 a, VecF32 b) { return {_mm512_max_ps(a.v, b.v)}; }
  friend VecF32 sqrt(VecF32 a) { return {_mm512_sqrt_ps(a.v)}; }
  friend VecF32 abs(VecF32 a) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.v)}; }
  friend VecF32 copysign(VecF32 magnitude, VecF32 sign) {
    // Where the first operand has a 1, the second's bit, else the third's.
    const __m512i top = _mm512_castps_si512(_mm512_set1_ps(-0.0f));
    return {_mm512_castsi512_ps(_mm512_ternarylogic_epi32(top, _mm512_castps_si512(sign.v),
                                                          _mm512_castps_si512(magnitude.v), 0xCA))};
  }
  friend Mask less(VecF32 a, VecF32 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
  friend VecF32 select(Mask m, VecF32 a, VecF32 b) { return {_mm512_mask_blend_ps(m, b.v, a.v)}; }
  // The low bits of a, moved to where the exponent is: 2^n for a = n + Math::exponent_magic.
  friend VecF32 low_bits_to_exponent(VecF32 a) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a.v), 23))};
  }
  // a * 2^n for integral n, rounded once, also when the result is subnormal.
  friend VecF32 scale(VecF32 a, VecF32 n) { return {_mm512_scalef_ps(a.v, n.v)}; }
  friend VecF32 split(VecF32 x, VecF32& e) {
    e.v = _mm512_getexp_ps(x.v);
    return {_mm512_getmant_ps(x.v, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src)};
  }
  // Lane k in every lane.
  friend VecF32 spread(VecF32 a, std::ptrdiff_t k) {
    return {_mm512_permutexvar_ps(_mm512_set1_epi32(numbers_i32[k]), a.v)};
  }
  // The lanes of a and b alternately: the first half of both in `low`, the second in `high`.
  friend void zip(VecF32 a, VecF32 b, VecF32& low, VecF32& high) {
    const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
    low.v = _mm512_permutex2var_ps(a.v, first, b.v);
    high.v = _mm512_permutex2var_ps(a.v, second, b.v);
  }
};

struct VecF64 {
  using T = double;
  using Mask = __mmask8;
  using Half = F64x4;
  static constexpr int width = 8;
  __m512d v;

  static Mask first(std::ptrdiff_t n) { return static_cast<Mask>((1u << n) - 1); }
  static VecF64 load(const T* p) { return {_mm512_loadu_pd(p)}; }
  static VecF64 load_partial(const T* p, std::ptrdiff_t n) {
    return {_mm512_maskz_loadu_pd(first(n), p)};
  }
  void store(T* p) const { _mm512_storeu_pd(p, v); }
  void store_partial(T* p, std::ptrdiff_t n) const { _mm512_mask_storeu_pd(p, first(n), v); }
  Half lower() const { return {_mm512_castpd512_pd256(v)}; }
  Half upper() const { return {_mm512_extractf64x4_pd(v, 1)}; }
  static VecF64 join(Half low, Half high) {
    return {_mm512_insertf64x4(_mm512_castpd256_pd512(low.v), high.v, 1)};
  }
  static VecF64 set(T x) { return {_mm512_set1_pd(x)}; }
  // `set` for a constant of a loop: opaque, so that it stays in a register. GCC would load it from
  // memory at every use, and the loads would take longer than the arithmetic.
  static VecF64 constant(T x) {
    VecF64 a = set(x);
    asm("" : "+v"(a.v));
    return a;
  }

  friend VecF64 operator+(VecF64 a, VecF64 b) { return {_mm512_add_pd(a.v, b.v)}; }
  friend VecF64 operator-(VecF64 a, VecF64 b) { return {_mm512_sub_pd(a.v, b.v)}; }
  friend VecF64 operator*(VecF64 a, VecF64 b) { return {_mm512_mul_pd(a.v, b.v)}; }
  friend VecF64 operator/(VecF64 a, VecF64 b) { return {_mm512_div_pd(a.v, b.v)}; }
  friend VecF64 fma(VecF64 a, VecF64 b, VecF64 c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
  friend VecF64 fnma(VecF64 a, VecF64 b, VecF64 c) { return {_mm512_fnmadd_pd(a.v, b.v, c.v)}; }
  friend VecF64 min(VecF64 a, VecF64 b) { return {_mm512_min_pd(a.v, b.v)}; }
  friend VecF64 max(VecF64 a, VecF64 b) { return {_mm512_max_pd(a.v, b.v)}; }
  friend VecF64 sqrt(VecF64 a) { return {_mm512_sqrt_pd(a.v)}; }
  friend VecF64 abs(VecF64 a) { return {_mm512_andnot_pd(_mm512_set1_pd(-0.0), a.v)}; }
  friend VecF64 copysign(VecF64 magnitude, VecF64 sign) {
    const __m512i top = _mm512_castpd_si512(_mm512_set1_pd(-0.0));
    return {_mm512_castsi512_pd(_mm512_ternarylogic_epi64(top, _mm512_castpd_si512(sign.v),
                                                          _mm512_castpd_si512(magnitude.v), 0xCA))};
  }
  friend Mask less(VecF64 a, VecF64 b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ); }
  friend VecF64 select(Mask m, VecF64 a, VecF64 b) { return {_mm512_mask_blend_pd(m, b.v, a.v)}; }
  // The low bits of a, moved to where the exponent is: 2^n for a = n + Math::exponent_magic.
  friend VecF64 low_bits_to_exponent(VecF64 a) {
    return {_mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(a.v), 52))};
  }
  friend VecF64 scale(VecF64 a, VecF64 n) { return {_mm512_scalef_pd(a.v, n.v)}; }
  friend VecF64 split(VecF64 x, VecF64& e) {
    e.v = _mm512_getexp_pd(x.v);
    return {_mm512_getmant_pd(x.v, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src)};
  }
  friend VecF64 spread(VecF64 a, std::ptrdiff_t k) {
    return {_mm512_permutexvar_pd(_mm512_set1_epi64(k), a.v)};
  }
  friend void zip(VecF64 a, VecF64 b, VecF64& low, VecF64& high) {
    const __m512i first = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
    const __m512i second = _mm512_add_epi64(first, _mm512_set1_epi64(4));
    low.v = _mm512_permutex2var_pd(a.v, first, b.v);
    high.v = _mm512_permutex2var_pd(a.v, second, b.v);
  }
};

// Row i, column j to row j, column i. First within lanes of 128 bits, then whole lanes: one
// instruction a vector and stage, where zips across lanes would take a copy too.
inline void transpose_block(VecF32 (&r)[16]) {
  __m512 t[16];
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    const __m512 a = _mm512_unpacklo_ps(r[i].v, r[i + 1].v);
    const __m512 b = _mm512_unpackhi_ps(r[i].v, r[i + 1].v);
    const __m512 c = _mm512_unpacklo_ps(r[i + 2].v, r[i + 3].v);
    const __m512 d = _mm512_unpackhi_ps(r[i + 2].v, r[i + 3].v);
    const auto join_low = [](__m512 x, __m512 y) {
      return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
    };
    const auto join_high = [](__m512 x, __m512 y) {
      return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
    };
    t[i] = join_low(a, c), t[i + 1] = join_high(a, c);
    t[i + 2] = join_low(b, d), t[i + 3] = join_high(b, d);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512 even_top = _mm512_shuffle_f32x4(t[c], t[c + 4], 0x88);
    const __m512 odd_top = _mm512_shuffle_f32x4(t[c], t[c + 4], 0xdd);
    const __m512 even_end = _mm512_shuffle_f32x4(t[c + 8], t[c + 12], 0x88);
    const __m512 odd_end = _mm512_shuffle_f32x4(t[c + 8], t[c + 12], 0xdd);
    r[c].v = _mm512_shuffle_f32x4(even_top, even_end, 0x88);
    r[c + 4].v = _mm512_shuffle_f32x4(odd_top, odd_end, 0x88);
    r[c + 8].v = _mm512_shuffle_f32x4(even_top, even_end, 0xdd);
    r[c + 12].v = _mm512_shuffle_f32x4(odd_top, odd_end, 0xdd);
  }
}
inline void transpose_block(VecF64 (&r)[8]) {
  __m512d t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm512_unpacklo_pd(r[i].v, r[i + 1].v);
    t[i + 1] = _mm512_unpackhi_pd(r[i].v, r[i + 1].v);
  }
#pragma GCC unroll 2
  for (int c = 0; c < 2; ++c) {
    const __m512d even_top = _mm512_shuffle_f64x2(t[c], t[c + 2], 0x88);
    const __m512d odd_top = _mm512_shuffle_f64x2(t[c], t[c + 2], 0xdd);
    const __m512d even_end = _mm512_shuffle_f64x2(t[c + 4], t[c + 6], 0x88);
    const __m512d odd_end = _mm512_shuffle_f64x2(t[c + 4], t[c + 6], 0xdd);
    r[c].v = _mm512_shuffle_f64x2(even_top, even_end, 0x88);
    r[c + 2].v = _mm512_shuffle_f64x2(odd_top, odd_end, 0x88);
    r[c + 4].v = _mm512_shuffle_f64x2(even_top, even_end, 0xdd);
    r[c + 6].v = _mm512_shuffle_f64x2(odd_top, odd_end, 0xdd);
  }
}

// The lanes as doubles, in their order.
inline void widen(VecF32 a, VecF64 (&out)[2]) {
  out[0].v = _mm512_cvtps_pd(_mm512_castps512_ps256(a.v));
  out[1].v = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1));
}

// The lanes, times `weight`, added in double precision and by halves.
inline double sum_by_halves(VecF64 a, double weight) {
  const VecF64 w = a * VecF64::set(weight);
  return sum_by_halves(w.lower() + w.upper(), 1);
}
inline double sum_by_halves(VecF32 a, double weight) {
  VecF64 half[2];
  widen(a, half);
  const VecF64 w = VecF64::set(weight);
  return sum_by_halves(w * half[0] + w * half[1], 1);
}

}  // namespace
