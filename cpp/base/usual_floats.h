// The rounding and the subnormal numbers that all results are defined by.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace densecore {

// While it lives, the calling thread rounds to nearest, keeps subnormal numbers, and gets no signal
// for an overflow. Other libraries change that for their thread: one that is linked with
// -ffast-math when it is loaded, others by fesetround or feenableexcept. A thread inherits it from
// the one that makes it, so that results would depend on the number of threads, too. Where nothing
// was changed it costs one read of a register.
class UsualFloats {
 public:
  UsualFloats() noexcept : before_(read()) {
    if ((before_ & mask) != usual) write((before_ & ~mask) | usual);
  }
  ~UsualFloats() {
    if ((before_ & mask) != usual) write(before_);
  }
  UsualFloats(const UsualFloats&) = delete;
  UsualFloats& operator=(const UsualFloats&) = delete;

 private:
#if defined(__SSE2__)
  using Word = unsigned;
  // Flush to zero, rounding, what raises no signal, subnormal inputs are zero.
  static constexpr Word mask = 0x8000 | 0x6000 | 0x1f80 | 0x0040;
  static constexpr Word usual = 0x1f80;
  static Word read() noexcept { return _mm_getcsr(); }
  static void write(Word word) noexcept { _mm_setcsr(word); }
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
  using Word = std::uint64_t;
  // Default NaN, flush to zero, rounding, what raises a signal, flush to zero of half precision.
  static constexpr Word mask = 0x03c00000 | 0x00089f00;
  static constexpr Word usual = 0;
  static Word read() noexcept {
    Word word;
    asm volatile("mrs %0, fpcr" : "=r"(word));
    return word;
  }
  static void write(Word word) noexcept { asm volatile("msr fpcr, %0" : : "r"(word)); }
#else
  using Word = unsigned;
  static constexpr Word mask = 0, usual = 0;
  static Word read() noexcept { return 0; }
  static void write(Word) noexcept {}
#endif

  Word before_;
};

}  // namespace densecore
