// Counter-based random numbers: every number is a pure function of (seed, stream, block, index).
//
// There is no state to save, no order to keep: the same seed means the same weights, the same
// shuffles and the same masks on every machine and for any number of threads. The normal
// distribution uses no libm function, because libm differs between platforms in the last bit.
#pragma once

#include <cstdint>

#include "base/view.h"

namespace densecore {

// The purpose of a stream of numbers. Streams with the same seed are independent.
enum class Stream : std::uint64_t {
  initializer = 1,
  shuffle = 2,
  dropout = 3,
  noise = 4,
  sample = 5
};

// Numbers 4 i to 4 i + 3 of a sequence, from the counter with i in front.
struct PhiloxBlock {
  std::uint64_t word[4];
};
PhiloxBlock philox(const std::uint64_t key[2], const std::uint64_t counter[4]);

// In the open interval (0, 1): neither end occurs, so that a logarithm is always finite.
constexpr double uniform_of(std::uint64_t word) {
  return (static_cast<double>(word >> 11) + 0.5) * 0x1p-53;
}

// An indexable sequence of random numbers. `block` separates the uses of one stream (the tensor's
// number for initialisers, the epoch for shuffles).
class Random {
 public:
  Random(std::uint64_t seed, Stream stream, std::uint64_t block);

  std::uint64_t bits(std::uint64_t index);
  double uniform(std::uint64_t index);
  double normal(std::uint64_t index);
  // Normal cut off at two standard deviations, as Keras's *_normal initialisers.
  double truncated_normal(std::uint64_t index);

 private:
  std::uint64_t key_[2];
  std::uint64_t block_;
  std::uint64_t cached_ = ~std::uint64_t{0};
  PhiloxBlock cache_{};
};

// The standard normal quantile function, relative error about 1e-15 for 0 < p < 1.
double normal_quantile(double p);

// Writes a permutation of 0 .. n-1 (Fisher-Yates).
void permutation(Random& random, index_t n, index_t* out);

}  // namespace densecore
