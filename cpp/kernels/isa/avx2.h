// AVX2 with FMA: 8 floats or 4 doubles.
#pragma once

#include "kernels/isa/avx2_vectors.h"

namespace {

// 12 accumulators, 2 vectors of B and a broadcast: 15 of the 16 registers.
constexpr int tile_rows = 6;
constexpr int tile_vectors = 2;

using VecF32 = F32x8;
using VecF64 = F64x4;

// The lanes as doubles, in their order.
inline void widen(VecF32 a, VecF64 (&out)[2]) {
  out[0].v = _mm256_cvtps_pd(_mm256_castps256_ps128(a.v));
  out[1].v = _mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1));
}

}  // namespace
