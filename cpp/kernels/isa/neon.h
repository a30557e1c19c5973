// NEON, the baseline of 64-bit ARM: 4 floats or 2 doubles, with FMA. Tails are loaded and stored in
// halves.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace {

// 16 accumulators, 4 vectors of B and a broadcast: 21 of the 32 registers, and as many independent
// sums as four units of a latency of four take. Six rows would fit in 29, but GCC then spills one
// vector in every round.
constexpr int tile_rows = 4;
constexpr int tile_vectors = 4;

struct VecF32 {
  using T = float;
  using Mask = uint32x4_t;
  using Half = VecF32;
  static constexpr int width = 4;
  float32x4_t v;

  static VecF32 load(const T* p) { return {vld1q_f32(p)}; }
  static VecF32 load_partial(const T* p, std::ptrdiff_t n) {
    if (n == 1) return {vld1q_lane_f32(p, vdupq_n_f32(0), 0)};
    const float32x4_t low = vcombine_f32(vld1_f32(p), vdup_n_f32(0));
    if (n == 2) return {low};
    return {vld1q_lane_f32(p + 2, low, 2)};
  }
  void store(T* p) const { vst1q_f32(p, v); }
  void store_partial(T* p, std::ptrdiff_t n) const {
    float32x4_t rest = v;
    if (n & 2) {
      vst1_f32(p, vget_low_f32(rest));
      rest = vextq_f32(rest, rest, 2);
      p += 2;
    }
    if (n & 1) vst1q_lane_f32(p, rest, 0);
  }
  static VecF32 set(T x) { return {vdupq_n_f32(x)}; }
  // `set` for a constant of a loop: opaque, so that it stays in a register. GCC would load it from
  // memory at every use, and the loads would take longer than the arithmetic.
  static VecF32 constant(T x) {
    VecF32 a = set(x);
    asm("" : "+w"(a.v));
    return a;
  }

  friend VecF32 operator+(VecF32 a, VecF32 b) { return {vaddq_f32(a.v, b.v)}; }
  friend VecF32 operator-(VecF32 a, VecF32 b) { return {vsubq_f32(a.v, b.v)}; }
  friend VecF32 operator*(VecF32 a, VecF32 b) { return {vmulq_f32(a.v, b.v)}; }
  friend VecF32 operator/(VecF32 a, VecF32 b) { return {vdivq_f32(a.v, b.v)}; }
  friend VecF32 fma(VecF32 a, VecF32 b, VecF32 c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
  friend VecF32 fnma(VecF32 a, VecF32 b, VecF32 c) { return {vfmsq_f32(c.v, a.v, b.v)}; }
  // Compared and selected: the instructions fmin and fmax give NaN when either operand is NaN,
  // fminnm and fmaxnm the number, and neither always the second operand.
  friend VecF32 min(VecF32 a, VecF32 b) { return select(less(a, b), a, b); }
  friend VecF32 max(VecF32 a, VecF32 b) { return select(less(b, a), a, b); }
  friend VecF32 sqrt(VecF32 a) { return {vsqrtq_f32(a.v)}; }
  friend VecF32 abs(VecF32 a) { return {vabsq_f32(a.v)}; }
  friend VecF32 copysign(VecF32 magnitude, VecF32 sign) {
    return {vbslq_f32(vdupq_n_u32(0x80000000), sign.v, magnitude.v)};
  }
  friend Mask less(VecF32 a, VecF32 b) { return vcltq_f32(a.v, b.v); }
  friend VecF32 select(Mask m, VecF32 a, VecF32 b) { return {vbslq_f32(m, a.v, b.v)}; }
  // The low bits of a, moved to where the exponent is: 2^n for a = n + Math::exponent_magic.
  friend VecF32 low_bits_to_exponent(VecF32 a) {
    return {vreinterpretq_f32_s32(vshlq_n_s32(vreinterpretq_s32_f32(a.v), 23))};
  }
  friend VecF32 split(VecF32 x, VecF32& e) {
    const uint32x4_t bits = vreinterpretq_u32_f32(x.v);
    const int32x4_t biased = vreinterpretq_s32_u32(vshrq_n_u32(bits, 23));
    e.v = vcvtq_f32_s32(vsubq_s32(biased, vdupq_n_s32(127)));
    const uint32x4_t mantissa = vandq_u32(bits, vdupq_n_u32(0x007fffff));
    return {vreinterpretq_f32_u32(vorrq_u32(mantissa, vdupq_n_u32(0x3f800000)))};
  }
  // Lane k in every lane: bytes 4k to 4k + 3, four times.
  friend VecF32 spread(VecF32 a, std::ptrdiff_t k) {
    const uint32x4_t bytes = vdupq_n_u32(0x03020100 + 0x04040404 * static_cast<std::uint32_t>(k));
    return {
        vreinterpretq_f32_u8(vqtbl1q_u8(vreinterpretq_u8_f32(a.v), vreinterpretq_u8_u32(bytes)))};
  }
  // The lanes of a and b alternately: the first half of both in `low`, the second in `high`.
  friend void zip(VecF32 a, VecF32 b, VecF32& low, VecF32& high) {
    low.v = vzip1q_f32(a.v, b.v);
    high.v = vzip2q_f32(a.v, b.v);
  }
};

struct VecF64 {
  using T = double;
  using Mask = uint64x2_t;
  using Half = VecF64;
  static constexpr int width = 2;
  float64x2_t v;

  static VecF64 load(const T* p) { return {vld1q_f64(p)}; }
  static VecF64 load_partial(const T* p, std::ptrdiff_t) {
    return {vcombine_f64(vld1_f64(p), vdup_n_f64(0))};
  }
  void store(T* p) const { vst1q_f64(p, v); }
  void store_partial(T* p, std::ptrdiff_t) const { vst1q_lane_f64(p, v, 0); }
  static VecF64 set(T x) { return {vdupq_n_f64(x)}; }
  // `set` for a constant of a loop: opaque, so that it stays in a register. GCC would load it from
  // memory at every use, and the loads would take longer than the arithmetic.
  static VecF64 constant(T x) {
    VecF64 a = set(x);
    asm("" : "+w"(a.v));
    return a;
  }

  friend VecF64 operator+(VecF64 a, VecF64 b) { return {vaddq_f64(a.v, b.v)}; }
  friend VecF64 operator-(VecF64 a, VecF64 b) { return {vsubq_f64(a.v, b.v)}; }
  friend VecF64 operator*(VecF64 a, VecF64 b) { return {vmulq_f64(a.v, b.v)}; }
  friend VecF64 operator/(VecF64 a, VecF64 b) { return {vdivq_f64(a.v, b.v)}; }
  friend VecF64 fma(VecF64 a, VecF64 b, VecF64 c) { return {vfmaq_f64(c.v, a.v, b.v)}; }
  friend VecF64 fnma(VecF64 a, VecF64 b, VecF64 c) { return {vfmsq_f64(c.v, a.v, b.v)}; }
  friend VecF64 min(VecF64 a, VecF64 b) { return select(less(a, b), a, b); }
  friend VecF64 max(VecF64 a, VecF64 b) { return select(less(b, a), a, b); }
  friend VecF64 sqrt(VecF64 a) { return {vsqrtq_f64(a.v)}; }
  friend VecF64 abs(VecF64 a) { return {vabsq_f64(a.v)}; }
  friend VecF64 copysign(VecF64 magnitude, VecF64 sign) {
    return {vbslq_f64(vdupq_n_u64(0x8000000000000000), sign.v, magnitude.v)};
  }
  friend Mask less(VecF64 a, VecF64 b) { return vcltq_f64(a.v, b.v); }
  friend VecF64 select(Mask m, VecF64 a, VecF64 b) { return {vbslq_f64(m, a.v, b.v)}; }
  // The low bits of a, moved to where the exponent is: 2^n for a = n + Math::exponent_magic.
  friend VecF64 low_bits_to_exponent(VecF64 a) {
    return {vreinterpretq_f64_s64(vshlq_n_s64(vreinterpretq_s64_f64(a.v), 52))};
  }
  friend VecF64 split(VecF64 x, VecF64& e) {
    const uint64x2_t bits = vreinterpretq_u64_f64(x.v);
    const int64x2_t biased = vreinterpretq_s64_u64(vshrq_n_u64(bits, 52));
    e.v = vcvtq_f64_s64(vsubq_s64(biased, vdupq_n_s64(1023)));
    const uint64x2_t mantissa = vandq_u64(bits, vdupq_n_u64(0x000fffffffffffff));
    return {vreinterpretq_f64_u64(vorrq_u64(mantissa, vdupq_n_u64(0x3ff0000000000000)))};
  }
  friend VecF64 spread(VecF64 a, std::ptrdiff_t k) {
    return {k == 0 ? vdupq_laneq_f64(a.v, 0) : vdupq_laneq_f64(a.v, 1)};
  }
  // The lanes of a and b alternately: the first half of both in `low`, the second in `high`.
  friend void zip(VecF64 a, VecF64 b, VecF64& low, VecF64& high) {
    low.v = vzip1q_f64(a.v, b.v);
    high.v = vzip2q_f64(a.v, b.v);
  }
};

// The lanes as doubles, in their order.
inline void widen(VecF32 a, VecF64 (&out)[2]) {
  out[0].v = vcvt_f64_f32(vget_low_f32(a.v));
  out[1].v = vcvt_high_f64_f32(a.v);
}

}  // namespace
