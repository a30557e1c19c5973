// An owned block of memory: aligned to a cache line, zeroed, never resized.
//
// It is never resized because NumPy views point into it and may outlive the model.
#pragma once

#include <cstddef>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace densecore {

template <class T>
class AlignedBuffer {
 public:
  static constexpr std::size_t alignment = 64;
  // Kernels may load (never store) one whole vector at the last element, so every buffer ends in
  // this many readable zero bytes.
  static constexpr std::size_t slack = 64;

  AlignedBuffer() = default;

  explicit AlignedBuffer(std::size_t size) : size_(size) {
    if (size > (std::numeric_limits<std::size_t>::max() / 2 - slack) / sizeof(T))
      throw std::bad_alloc();
    const std::size_t bytes = size * sizeof(T) + slack;
    if (bytes >= huge_page) alignment_ = std::align_val_t{huge_page};
    data_ = static_cast<T*>(::operator new(bytes, alignment_));
#if defined(__linux__)
    // Down the rows of a large matrix every step is another small page: more of them than the
    // processor keeps addresses of. The advice may be ignored.
    if (bytes >= huge_page) madvise(data_, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
    std::memset(static_cast<void*>(data_), 0, bytes);
  }

  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        alignment_(other.alignment_) {}

  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(alignment_, other.alignment_);
    return *this;
  }

  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

  ~AlignedBuffer() {
    if (data_ != nullptr) ::operator delete(data_, alignment_);
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t huge_page = std::size_t{1} << 21;

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::align_val_t alignment_{alignment};
};

// Makes room for `size` elements; what it held is lost when it grows.
template <class T>
void reserve(AlignedBuffer<T>& buffer, std::ptrdiff_t size) {
  if (buffer.size() < static_cast<std::size_t>(size))
    buffer = AlignedBuffer<T>(static_cast<std::size_t>(size));
}

}  // namespace densecore
