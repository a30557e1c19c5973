// The vectors of AVX2 with FMA: 8 floats or 4 doubles, and 4 floats for what is narrower. The level
// avx2 computes with them, and avx512 where its own would be half empty: they wait less for each
// other. Tails are loaded under a mask and stored in halves: AVX2's masked stores are microcoded on
// several processors, and what AVX-512's have stored cannot be loaded before it is in the cache,
// which single rows of small networks would wait for. Within the level avx512 they have its masks
// for loads, and its `scale`.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace {

// Eight or four lanes of ones, then zeros: a mask of the first n lanes starts at lane (width - n).
alignas(32) constexpr std::int32_t lanes_i32[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
alignas(32) constexpr std::int64_t lanes_i64[8] = {-1, -1, -1, -1};

// The number of a lane for `spread`, from memory to all lanes: from a general register it would be
// a shuffle of its own.
constexpr std::int32_t numbers_i32[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
alignas(16) constexpr std::int32_t four_numbers_i32[4][4] = {
    {0, 0, 0, 0}, {1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}};
constexpr std::int64_t pair_numbers_i64[4] = {0x100000000, 0x300000002, 0x500000004, 0x700000006};

#ifdef __AVX512VL__
inline __mmask8 first_lanes_mask(std::ptrdiff_t n) { return static_cast<__mmask8>((1u << n) - 1); }
#endif

// Only what the kernels that take a `Half` need.
struct F32x4 {
  using T = float;
  using Mask = __m128;
  using Half = F32x4;
  static constexpr int width = 4;
  __m128 v;

  static F32x4 load(const T* p) { return {_mm_loadu_ps(p)}; }
#ifdef __AVX512VL__
  static F32x4 load_partial(const T* p, std::ptrdiff_t n) {
    return {_mm_maskz_loadu_ps(first_lanes_mask(n), p)};
  }
#else
  static F32x4 load_partial(const T* p, std::ptrdiff_t n) {
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes_i32 + (8 - n)));
    return {_mm_maskload_ps(p, first)};
  }
#endif
  void store_partial(T* p, std::ptrdiff_t n) const {
    __m128 rest = v;
    if (n & 2) {
      _mm_storel_pi(reinterpret_cast<__m64*>(p), rest);
      rest = _mm_movehl_ps(rest, rest);
      p += 2;
    }
    if (n & 1) _mm_store_ss(p, rest);
  }
  void store(T* p) const { _mm_storeu_ps(p, v); }
  static F32x4 set(T x) { return {_mm_set1_ps(x)}; }
  // `set` for a constant of a loop: opaque, so that it stays in a register. GCC would load it from
  // memory at every use, and the loads would take longer than the arithmetic.
  static F32x4 constant(T x) {
    F32x4 a = set(x);
    asm("" : "+x"(a.v));
    return a;
  }

  friend F32x4 operator+(F32x4 a, F32x4 b) { return {_mm_add_ps(a.v, b.v)}; }
  friend F32x4 operator-(F32x4 a, F32x4 b) { return {_mm_sub_ps(a.v, b.v)}; }
  friend F32x4 operator*(F32x4 a, F32x4 b) { return {_mm_mul_ps(a.v, b.v)}; }
  friend F32x4 operator/(F32x4 a, F32x4 b) { return {_mm_div_ps(a.v, b.v)}; }
  friend F32x4 fma(F32x4 a, F32x4 b, F32x4 c) { return {_mm_fmadd_ps(a.v, b.v, c.v)}; }
  friend F32x4 fnma(F32x4 a, F32x4 b, F32x4 c) { return {_mm_fnmadd_ps(a.v, b.v, c.v)}; }
  friend F32x4 min(F32x4 a, F32x4 b) { return {_mm_min_ps(a.v, b.v)}; }
  friend F32x4 max(F32x4 a, F32x4 b) { return {_mm_max_ps(a.v, b.v)}; }
  friend F32x4 abs(F32x4 a) { return {_mm_andnot_ps(_mm_set1_ps(-0.0f), a.v)}; }
  friend F32x4 copysign(F32x4 magnitude, F32x4 sign) {
    const __m128 top = _mm_set1_ps(-0.0f);
    return {_mm_or_ps(_mm_andnot_ps(top, magnitude.v), _mm_and_ps(top, sign.v))};
  }
  friend Mask less(F32x4 a, F32x4 b) { return _mm_cmplt_ps(a.v, b.v); }
  friend F32x4 select(Mask m, F32x4 a, F32x4 b) { return {_mm_blendv_ps(b.v, a.v, m)}; }
  // The low bits of a, moved to where the exponent is: 2^n for a = n + Math::exponent_magic.
  friend F32x4 low_bits_to_exponent(F32x4 a) {
    return {_mm_castsi128_ps(_mm_slli_epi32(_mm_castps_si128(a.v), 23))};
  }
  friend F32x4 split(F32x4 x, F32x4& e) {
    const __m128i bits = _mm_castps_si128(x.v);
    e.v = _mm_cvtepi32_ps(_mm_sub_epi32(_mm_srli_epi32(bits, 23), _mm_set1_epi32(127)));
    const __m128i mantissa = _mm_and_si128(bits, _mm_set1_epi32(0x007fffff));
    return {_mm_castsi128_ps(_mm_or_si128(mantissa, _mm_set1_epi32(0x3f800000)))};
  }
#ifdef __AVX512VL__
  friend F32x4 scale(F32x4 a, F32x4 n) { return {_mm_scalef_ps(a.v, n.v)}; }
#endif
  // Lane k in every lane.
  friend F32x4 spread(F32x4 a, std::ptrdiff_t k) {
    const auto* const number = reinterpret_cast<const __m128i*>(four_numbers_i32[k]);
    return {_mm_permutevar_ps(a.v, _mm_load_si128(number))};
  }
  // The lanes of a and b alternately: the first half of both in `low`, the second in `high`.
  friend void zip(F32x4 a, F32x4 b, F32x4& low, F32x4& high) {
    low.v = _mm_unpacklo_ps(a.v, b.v);
    high.v = _mm_unpackhi_ps(a.v, b.v);
  }
};

struct F32x8 {
  using T = float;
  using Mask = __m256;
  using Half = F32x4;
  static constexpr int width = 8;
  __m256 v;

  static F32x8 load(const T* p) { return {_mm256_loadu_ps(p)}; }
#ifdef __AVX512VL__
  static F32x8 load_partial(const T* p, std::ptrdiff_t n) {
    return {_mm256_maskz_loadu_ps(first_lanes_mask(n), p)};
  }
#else
  static F32x8 load_partial(const T* p, std::ptrdiff_t n) {
    const __m256i first =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes_i32 + (width - n)));
    return {_mm256_maskload_ps(p, first)};
  }
#endif
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
  void store(T* p) const { _mm256_storeu_ps(p, v); }
  Half lower() const { return {_mm256_castps256_ps128(v)}; }
  static F32x8 set(T x) { return {_mm256_set1_ps(x)}; }
  // `set` for a constant of a loop: opaque, so that it stays in a register. GCC would load it from
  // memory at every use, and the loads would take longer than the arithmetic.
  static F32x8 constant(T x) {
    F32x8 a = set(x);
    asm("" : "+x"(a.v));
    return a;
  }

  friend F32x8 operator+(F32x8 a, F32x8 b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend F32x8 operator-(F32x8 a, F32x8 b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend F32x8 operator*(F32x8 a, F32x8 b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend F32x8 operator/(F32x8 a, F32x8 b) { return {_mm256_div_ps(a.v, b.v)}; }
  friend F32x8 fma(F32x8 a, F32x8 b, F32x8 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  friend F32x8 fnma(F32x8 a, F32x8 b, F32x8 c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
  friend F32x8 min(F32x8 a, F32x8 b) { return {_mm256_min_ps(a.v, b.v)}; }
  friend F32x8 max(F32x8 a, F32x8 b) { return {_mm256_max_ps(a.v, b.v)}; }
  friend F32x8 sqrt(F32x8 a) { return {_mm256_sqrt_ps(a.v)}; }
  friend F32x8 abs(F32x8 a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
  friend F32x8 copysign(F32x8 magnitude, F32x8 sign) {
    return {_mm256_blendv_ps(abs(magnitude).v, _mm256_or_ps(magnitude.v, _mm256_set1_ps(-0.0f)),
                             sign.v)};
  }
  friend Mask less(F32x8 a, F32x8 b) { return _mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ); }
  friend F32x8 select(Mask m, F32x8 a, F32x8 b) { return {_mm256_blendv_ps(b.v, a.v, m)}; }
  // The low bits of a, moved to where the exponent is: 2^n for a = n + Math::exponent_magic.
  friend F32x8 low_bits_to_exponent(F32x8 a) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a.v), 23))};
  }
  friend F32x8 split(F32x8 x, F32x8& e) {
    const __m256i bits = _mm256_castps_si256(x.v);
    const __m256i exponent = _mm256_sub_epi32(_mm256_srli_epi32(bits, 23), _mm256_set1_epi32(127));
    e.v = _mm256_cvtepi32_ps(exponent);
    const __m256i mantissa = _mm256_and_si256(bits, _mm256_set1_epi32(0x007fffff));
    return {_mm256_castsi256_ps(_mm256_or_si256(mantissa, _mm256_set1_epi32(0x3f800000)))};
  }
#ifdef __AVX512VL__
  friend F32x8 scale(F32x8 a, F32x8 n) { return {_mm256_scalef_ps(a.v, n.v)}; }
#endif
  // Lane k in every lane.
  friend F32x8 spread(F32x8 a, std::ptrdiff_t k) {
    return {_mm256_permutevar8x32_ps(a.v, _mm256_set1_epi32(numbers_i32[k]))};
  }
  // The lanes of a and b alternately: the first half of both in `low`, the second in `high`.
  friend void zip(F32x8 a, F32x8 b, F32x8& low, F32x8& high) {
    const __m256 even = _mm256_unpacklo_ps(a.v, b.v), odd = _mm256_unpackhi_ps(a.v, b.v);
    low.v = _mm256_permute2f128_ps(even, odd, 0x20);
    high.v = _mm256_permute2f128_ps(even, odd, 0x31);
  }
};

struct F64x4 {
  using T = double;
  using Mask = __m256d;
  using Half = F64x4;
  static constexpr int width = 4;
  __m256d v;

  static F64x4 load(const T* p) { return {_mm256_loadu_pd(p)}; }
#ifdef __AVX512VL__
  static F64x4 load_partial(const T* p, std::ptrdiff_t n) {
    return {_mm256_maskz_loadu_pd(first_lanes_mask(n), p)};
  }
#else
  static F64x4 load_partial(const T* p, std::ptrdiff_t n) {
    const __m256i first =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes_i64 + (width - n)));
    return {_mm256_maskload_pd(p, first)};
  }
#endif
  void store_partial(T* p, std::ptrdiff_t n) const {
    __m128d half = _mm256_castpd256_pd128(v);
    if (n & 2) {
      _mm_storeu_pd(p, half);
      half = _mm256_extractf128_pd(v, 1);
      p += 2;
    }
    if (n & 1) _mm_store_sd(p, half);
  }
  void store(T* p) const { _mm256_storeu_pd(p, v); }
  static F64x4 set(T x) { return {_mm256_set1_pd(x)}; }
  // `set` for a constant of a loop: opaque, so that it stays in a register. GCC would load it from
  // memory at every use, and the loads would take longer than the arithmetic.
  static F64x4 constant(T x) {
    F64x4 a = set(x);
    asm("" : "+x"(a.v));
    return a;
  }

  friend F64x4 operator+(F64x4 a, F64x4 b) { return {_mm256_add_pd(a.v, b.v)}; }
  friend F64x4 operator-(F64x4 a, F64x4 b) { return {_mm256_sub_pd(a.v, b.v)}; }
  friend F64x4 operator*(F64x4 a, F64x4 b) { return {_mm256_mul_pd(a.v, b.v)}; }
  friend F64x4 operator/(F64x4 a, F64x4 b) { return {_mm256_div_pd(a.v, b.v)}; }
  friend F64x4 fma(F64x4 a, F64x4 b, F64x4 c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
  friend F64x4 fnma(F64x4 a, F64x4 b, F64x4 c) { return {_mm256_fnmadd_pd(a.v, b.v, c.v)}; }
  friend F64x4 min(F64x4 a, F64x4 b) { return {_mm256_min_pd(a.v, b.v)}; }
  friend F64x4 max(F64x4 a, F64x4 b) { return {_mm256_max_pd(a.v, b.v)}; }
  friend F64x4 sqrt(F64x4 a) { return {_mm256_sqrt_pd(a.v)}; }
  friend F64x4 abs(F64x4 a) { return {_mm256_andnot_pd(_mm256_set1_pd(-0.0), a.v)}; }
  friend F64x4 copysign(F64x4 magnitude, F64x4 sign) {
    return {_mm256_blendv_pd(abs(magnitude).v, _mm256_or_pd(magnitude.v, _mm256_set1_pd(-0.0)),
                             sign.v)};
  }
  friend Mask less(F64x4 a, F64x4 b) { return _mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ); }
  friend F64x4 select(Mask m, F64x4 a, F64x4 b) { return {_mm256_blendv_pd(b.v, a.v, m)}; }
  // The low bits of a, moved to where the exponent is: 2^n for a = n + Math::exponent_magic.
  friend F64x4 low_bits_to_exponent(F64x4 a) {
    return {_mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(a.v), 52))};
  }
  friend F64x4 split(F64x4 x, F64x4& e) {
    const __m256i bits = _mm256_castpd_si256(x.v);
    // The biased exponent in the low bits of 2^52, as a double; then 2^52 + bias is taken off.
    const __m256i biased =
        _mm256_or_si256(_mm256_srli_epi64(bits, 52), _mm256_castpd_si256(_mm256_set1_pd(0x1p52)));
    e.v = _mm256_sub_pd(_mm256_castsi256_pd(biased), _mm256_set1_pd(0x1p52 + 1023));
    const __m256i mantissa = _mm256_and_si256(bits, _mm256_set1_epi64x(0x000fffffffffffff));
    return {_mm256_castsi256_pd(_mm256_or_si256(mantissa, _mm256_set1_epi64x(0x3ff0000000000000)))};
  }
#ifdef __AVX512VL__
  friend F64x4 scale(F64x4 a, F64x4 n) { return {_mm256_scalef_pd(a.v, n.v)}; }
#endif
  friend F64x4 spread(F64x4 a, std::ptrdiff_t k) {
    const __m256i pair = _mm256_set1_epi64x(pair_numbers_i64[k]);
    return {_mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(a.v), pair))};
  }
  friend void zip(F64x4 a, F64x4 b, F64x4& low, F64x4& high) {
    const __m256d even = _mm256_unpacklo_pd(a.v, b.v), odd = _mm256_unpackhi_pd(a.v, b.v);
    low.v = _mm256_permute2f128_pd(even, odd, 0x20);
    high.v = _mm256_permute2f128_pd(even, odd, 0x31);
  }
};

// The lanes, times `weight`, added in double precision and by halves.
inline double sum_by_halves(F64x4 a, double weight) {
  const F64x4 w = a * F64x4::set(weight);
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(w.v), _mm256_extractf128_pd(w.v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}
inline double sum_by_halves(F32x4 a, double weight) {
  return sum_by_halves(F64x4{_mm256_cvtps_pd(a.v)}, weight);
}
inline double sum_by_halves(F32x8 a, double weight) {
  const F64x4 w = F64x4::set(weight), low = {_mm256_cvtps_pd(_mm256_castps256_ps128(a.v))},
              high = {_mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1))};
  return sum_by_halves(w * low + w * high, 1);
}

// Row i, column j to row j, column i: first within the halves of vectors, then the halves, one
// instruction a vector and stage.
inline void transpose_block(F32x8 (&r)[8]) {
  __m256 t[8];
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    const __m256 a = _mm256_unpacklo_ps(r[i].v, r[i + 1].v);
    const __m256 b = _mm256_unpackhi_ps(r[i].v, r[i + 1].v);
    const __m256 c = _mm256_unpacklo_ps(r[i + 2].v, r[i + 3].v);
    const __m256 d = _mm256_unpackhi_ps(r[i + 2].v, r[i + 3].v);
    t[i] = _mm256_shuffle_ps(a, c, 0x44), t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
    t[i + 2] = _mm256_shuffle_ps(b, d, 0x44), t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    r[c].v = _mm256_permute2f128_ps(t[c], t[c + 4], 0x20);
    r[c + 4].v = _mm256_permute2f128_ps(t[c], t[c + 4], 0x31);
  }
}
inline void transpose_block(F64x4 (&r)[4]) {
  __m256d t[4];
#pragma GCC unroll 2
  for (int i = 0; i < 4; i += 2) {
    t[i] = _mm256_unpacklo_pd(r[i].v, r[i + 1].v);
    t[i + 1] = _mm256_unpackhi_pd(r[i].v, r[i + 1].v);
  }
#pragma GCC unroll 2
  for (int c = 0; c < 2; ++c) {
    r[c].v = _mm256_permute2f128_pd(t[c], t[c + 2], 0x20);
    r[c + 2].v = _mm256_permute2f128_pd(t[c], t[c + 2], 0x31);
  }
}

}  // namespace
