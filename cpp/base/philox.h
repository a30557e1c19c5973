// Philox4x64-10 (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011): a bijection
// of the 256-bit counter under a 128-bit key. Equal to numpy.random.Philox, which a test asserts.
//
// Without linkage, as all that kernels include: each instruction set has its own copy.
#pragma once

#include <cstdint>

namespace {

struct WideProduct {
  std::uint64_t high, low;
};

// 64 x 64 -> 128 bits: one instruction where the compiler knows of it, else from halves (MSVC).
inline WideProduct wide_product(std::uint64_t a, std::uint64_t b) {
#if defined(__SIZEOF_INT128__)
  __extension__ using Product = unsigned __int128;
  const Product p = static_cast<Product>(a) * b;
  return {static_cast<std::uint64_t>(p >> 64), static_cast<std::uint64_t>(p)};
#else
  const std::uint64_t a0 = a & 0xffffffffu, a1 = a >> 32, b0 = b & 0xffffffffu, b1 = b >> 32;
  const std::uint64_t p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0, p11 = a1 * b1;
  const std::uint64_t middle = (p00 >> 32) + (p01 & 0xffffffffu) + (p10 & 0xffffffffu);
  return {p11 + (p01 >> 32) + (p10 >> 32) + (middle >> 32), (middle << 32) | (p00 & 0xffffffffu)};
#endif
}

inline void philox_words(const std::uint64_t key[2], std::uint64_t c0, std::uint64_t c1,
                         std::uint64_t c2, std::uint64_t c3, std::uint64_t (&out)[4]) {
  std::uint64_t k0 = key[0], k1 = key[1];
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const WideProduct p0 = wide_product(0xD2E7470EE14C6C93u, c0);
    const WideProduct p1 = wide_product(0xCA5A826395121157u, c2);
    c0 = p1.high ^ c1 ^ k0;
    c1 = p1.low;
    c2 = p0.high ^ c3 ^ k1;
    c3 = p0.low;
    k0 += 0x9E3779B97F4A7C15u;
    k1 += 0xBB67AE8584CAA73Bu;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

}  // namespace
