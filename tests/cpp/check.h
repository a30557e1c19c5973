// What the kernel check is made of: arrays that notice a step outside, reproducible numbers, a hash
// of results, and failures that name kernel, size and level.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cinttypes>
#include <cmath>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

#include "base/view.h"
#include "kernels/table.h"

namespace densecore::check {

// What runs at the moment. Global, because the handler of a crash must know it too.
struct Context {
  const char* level = "";
  const char* dtype = "";
  const char* kernel = "";
  char size[160] = "";
};
inline Context context;
// Whether the page after an array may be read. Emulators load the elements that a mask leaves out.
inline bool allow_loads_outside = false;
inline int failures = 0;

[[gnu::format(printf, 1, 2)]] inline void describe(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(context.size, sizeof context.size, format, arguments);
  va_end(arguments);
}

[[gnu::format(printf, 1, 2)]] inline void fail(const char* format, ...) {
  std::fprintf(stderr, "FAILED %s %s %s, %s: ", context.level, context.dtype, context.kernel,
               context.size);
  std::va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  if (++failures == 20) {
    std::fprintf(stderr, "20 failures: enough\n");
    std::exit(1);
  }
}

inline void report_crash(int signal) {
  char text[400];
  const char* what = signal == SIGILL ? "an instruction that this processor does not have"
                                      : "read or wrote outside its arrays";
  const int size = std::snprintf(text, sizeof text, "FAILED %s %s %s, %s: %s\n", context.level,
                                 context.dtype, context.kernel, context.size, what);
  if (write(STDERR_FILENO, text, static_cast<std::size_t>(size)) < 0) _exit(2);
  _exit(1);
}

// A matrix whose last element touches a page that must not be read. Before the first element and
// between the rows lie NaNs: a load of one spoils the result, a store over one is found.
template <class T>
class Guarded {
 public:
  explicit Guarded(index_t capacity) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t wanted = static_cast<std::size_t>(capacity + margin) * sizeof(T);
    bytes_ = (wanted + page - 1) / page * page;
    void* memory =
        mmap(nullptr, bytes_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const int protection = allow_loads_outside ? PROT_READ : PROT_NONE;
    if (memory == MAP_FAILED ||
        mprotect(static_cast<char*>(memory) + bytes_, page, protection) != 0)
      std::abort();
    begin_ = static_cast<T*>(memory);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(begin_, bytes_ + static_cast<std::size_t>(sysconf(_SC_PAGESIZE))); }

  // value(i, j) for every element.
  template <class Value>
  MatrixView<T> fill(index_t rows, index_t cols, index_t stride, Value value) {
    const index_t size = rows == 0 ? 0 : (rows - 1) * stride + cols;
    const index_t capacity = static_cast<index_t>(bytes_ / sizeof(T)) - margin;
    if (size > capacity) {
      fail("the check itself: %td elements do not fit in a guarded array", size);
      std::exit(2);
    }
    T* data = begin_ + capacity + margin - size;
    std::memset(static_cast<void*>(data - margin), 0xff,
                static_cast<std::size_t>(size + margin) * sizeof(T));
    view_ = {data, rows, cols, stride};
    for (index_t i = 0; i < rows; ++i)
      for (index_t j = 0; j < cols; ++j) data[i * stride + j] = static_cast<T>(value(i, j));
    return view_;
  }
  MatrixView<T> fill(index_t rows, index_t cols, index_t stride) {
    return fill(rows, cols, stride, [](index_t, index_t) { return 0; });
  }

  void check_outside(const char* name) const {
    for (index_t j = -margin; j < 0; ++j)
      if (!untouched(view_.data[j])) fail("%s: element %td was written", name, j);
    for (index_t i = 0; i + 1 < view_.rows; ++i)
      for (index_t j = view_.cols; j < view_.stride; ++j)
        if (!untouched(view_.row(i)[j])) fail("%s: wrote between rows %td and %td", name, i, i + 1);
  }

 private:
  static constexpr index_t margin = 64;

  static bool untouched(const T& element) {
    unsigned char bytes[sizeof(T)], wanted[sizeof(T)];
    std::memcpy(bytes, &element, sizeof(T));
    std::memset(wanted, 0xff, sizeof(T));
    return std::memcmp(bytes, wanted, sizeof(T)) == 0;
  }

  std::size_t bytes_;
  T* begin_;
  MatrixView<T> view_;
};

// SplitMix64 (Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014). Numbers
// are made of integers alone: the same on every machine, which a library's logarithm does not give.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // Uniform in [-1, 1), exact in either dtype.
  double symmetric() {
    return static_cast<double>(static_cast<std::int64_t>(bits()) >> 40) * 0x1p-23;
  }
  // Uniform in [0, 1).
  double positive() { return static_cast<double>(bits() >> 40) * 0x1p-24; }

 private:
  std::uint64_t state_;
};

// FNV-1a over the bits of results. All NaNs count as one: processors differ in their payload.
class Hash {
 public:
  template <class T>
  void add(T value) {
    if (value != value) value = std::numeric_limits<T>::quiet_NaN();
    unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    for (const unsigned char byte : bytes) value_ = (value_ ^ byte) * 0x100000001b3;
  }
  template <class T>
  void add(MatrixView<T> matrix) {
    for (index_t i = 0; i < matrix.rows; ++i)
      for (index_t j = 0; j < matrix.cols; ++j) add(matrix.row(i)[j]);
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

// NaN where NaN is expected, infinity where infinity is, else within `limit`.
inline bool is_close(double found, double expected, double limit) {
  if (std::isnan(expected)) return std::isnan(found);
  if (std::isinf(expected)) return found == expected;
  return std::abs(found - expected) <= limit;
}

// limit(i, j) for every element.
template <class T, class Limit>
void compare(const char* name, MatrixView<T> found, MatrixView<T> expected, Limit limit) {
  for (index_t i = 0; i < found.rows; ++i)
    for (index_t j = 0; j < found.cols; ++j) {
      const double f = static_cast<double>(found.row(i)[j]);
      const double e = static_cast<double>(expected.row(i)[j]);
      if (is_close(f, e, limit(i, j))) continue;
      fail("%s[%td][%td]: found %.17g, expected %.17g within %.3g", name, i, j, f, e, limit(i, j));
      return;
    }
}

template <class T>
double largest(MatrixView<T> matrix) {
  double result = 0;
  for (index_t i = 0; i < matrix.rows; ++i)
    for (index_t j = 0; j < matrix.cols; ++j)
      if (std::isfinite(matrix.row(i)[j]))
        result = std::fmax(result, std::abs(static_cast<double>(matrix.row(i)[j])));
  return result;
}

// Around the vector widths 2 to 16 and the widths of tiles.
inline constexpr index_t widths[] = {1,  2,  3,  4,  5,  7,  8,  9,  12, 15,  16,  17,
                                     24, 31, 32, 33, 48, 63, 64, 65, 96, 127, 128, 130};

template <class T>
struct Kernels {
  const KernelTable<T>& tested;
  const KernelTable<T>& portable;
  static constexpr double eps = std::numeric_limits<T>::epsilon();
};

// Runs one check under the kernel's name and prints its hash.
template <class Check>
void report(const std::string& kernel, Check check) {
  context.kernel = kernel.c_str();
  Hash hash;
  Numbers numbers(20240601);
  check(numbers, hash);
  std::printf("%s %s %s %016" PRIx64 "\n", context.level, context.dtype, kernel.c_str(),
              hash.value());
  std::fflush(stdout);
}

}  // namespace densecore::check
