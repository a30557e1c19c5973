// What dropout multiplies with: 0, or a factor where 16 random bits are small enough.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "base/philox.h"
#include "kernels/elementwise.h"

namespace {

constexpr index_t drop_block = 16;  // elements of a block of random numbers

template <class T>
struct DropVectors {
  using Random [[gnu::vector_size(drop_block * sizeof(std::uint16_t))]] = std::uint16_t;
  using Comparison [[gnu::vector_size(drop_block * sizeof(std::int16_t))]] = std::int16_t;
  using Word = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  using Mask [[gnu::vector_size(drop_block * sizeof(T))]] = Word;
  using Words [[gnu::vector_size(4 * sizeof(std::uint64_t))]] = std::uint64_t;
};

// The factors of the elements of one block. The numbers go from registers to registers: a vector
// that is loaded from where four words were just stored waits until all of them are in the cache.
template <class T>
inline void drop_of_block(const std::uint64_t (&word)[4], std::uint32_t most, T factor, T* out) {
  using Vectors = DropVectors<T>;
  if constexpr (std::endian::native == std::endian::little) {
    const typename Vectors::Words words = {word[0], word[1], word[2], word[3]};
    const auto random = reinterpret_cast<typename Vectors::Random>(words);
    const typename Vectors::Random limit =
        static_cast<std::uint16_t>(most) - typename Vectors::Random{};
    const typename Vectors::Comparison kept = random <= limit;
    const auto bits = __builtin_bit_cast(typename Vectors::Word, factor);
    const typename Vectors::Mask mask =
        __builtin_convertvector(kept, typename Vectors::Mask) & bits;
    __builtin_memcpy(out, &mask, sizeof mask);
  } else {
    for (index_t i = 0; i < drop_block; ++i)
      out[i] = (word[i / 4] >> (16 * (i % 4)) & 0xffffu) <= most ? factor : T(0);
  }
}

template <class V>
void drop(const densecore::DropNumbers& numbers, index_t rows, index_t cols, typename V::T factor,
          typename V::T* out, index_t ld) {
  using T = typename V::T;
  const std::uint64_t *key = numbers.key, *counter = numbers.counter;
  const std::uint32_t most = numbers.kept - 1;  // 2^16 itself has no place in 16 bits
  std::uint64_t word[4];
  for (index_t i = 0; i < rows; ++i, out += ld) {
    std::uint64_t block = counter[0];
    const std::uint64_t row = counter[1] + static_cast<std::uint64_t>(i);
    for (index_t j = 0; j < cols; j += drop_block) {
      philox_words(key, block++, row, counter[2], counter[3], word);
      if (j + drop_block <= cols) {
        drop_of_block(word, most, factor, out + j);
        continue;
      }
      alignas(64) T last[drop_block];
      drop_of_block(word, most, factor, last);
      for_each_vector<V>(
          cols - j, [&](index_t k, auto part) __attribute__((always_inline)) {
            part.store(part.load(last + k), out + j + k);
          });
    }
  }
}

}  // namespace
