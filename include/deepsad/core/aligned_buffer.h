// Owning memory aligned for vector loads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace deepsad {

/// Alignment of every buffer that kernels touch: one cache line, one AVX-512 vector.
inline constexpr std::size_t kAlignment = 64;

namespace detail {
/// As std::aligned_alloc(kAlignment, bytes), nullptr included; free with std::free. Large blocks ask the
/// system for huge pages: a batch's activations span more small pages than a processor keeps translations of.
[[nodiscard]] void* allocate_aligned(std::size_t bytes);
}  // namespace detail

/// n elements of a trivial type, 64-byte aligned, zero-initialised. Movable, not copyable.
template <class T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t n) { resize(n); }
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer() { std::free(data_); }

  /// Sets the size and zeroes the contents; shrinking keeps the memory.
  void resize(std::size_t n) {
    if (n > capacity_) {
      if (n > (std::numeric_limits<std::size_t>::max() - kAlignment) / sizeof(T)) throw std::bad_alloc();
      const std::size_t bytes = (n * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
      void* memory = detail::allocate_aligned(bytes);
      if (memory == nullptr) throw std::bad_alloc();
      std::free(data_);
      data_ = static_cast<T*>(memory);
      capacity_ = n;
    }
    size_ = n;
    std::fill_n(data_, n, T{});
  }

  [[nodiscard]] T* data() { return data_; }
  [[nodiscard]] const T* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::span<T> span() { return {data_, size_}; }
  [[nodiscard]] std::span<const T> span() const { return {data_, size_}; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  [[nodiscard]] const T* begin() const { return data_; }
  [[nodiscard]] const T* end() const { return data_ + size_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// An owning row-major matrix: rows x cols, 64-byte aligned start, no padding between rows.
template <class T>
struct Matrix {
  Matrix() = default;
  Matrix(std::size_t n_rows, std::size_t n_cols) : values(n_rows * n_cols), rows(n_rows), cols(n_cols) {}
  [[nodiscard]] std::span<T> row(std::size_t i) { return {values.data() + i * cols, cols}; }
  [[nodiscard]] std::span<const T> row(std::size_t i) const { return {values.data() + i * cols, cols}; }
  AlignedBuffer<T> values;
  std::size_t rows = 0;
  std::size_t cols = 0;
};

}  // namespace deepsad
