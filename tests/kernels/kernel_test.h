// What the kernel tests share: buffers with guards and poison, inputs, bounds of rounding errors.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/random.h"
#include "kernels/layout.h"

namespace deepsad::kernels::test {

/// n elements between two guards of one cache line; `offset` elements off the 64-byte boundary. Starts as NaN
/// (or 0xFF bytes), so that a kernel that forgets to write an element, or adds to one it should set, is seen.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::size_t n, std::size_t offset = 0)
      : size_(n), begin_(kGuard + offset), memory_((begin_ + n + kGuard) * sizeof(T)) {
    std::memset(memory_.data(), kPattern, memory_.size());
    if constexpr (std::is_floating_point_v<T>) fill(std::numeric_limits<T>::quiet_NaN());
  }
  Guarded(const Guarded& other) : size_(other.size_), begin_(other.begin_), memory_(other.memory_.size()) {
    std::memcpy(memory_.data(), other.memory_.data(), memory_.size());
  }
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() = default;

  T* data() { return reinterpret_cast<T*>(memory_.data()) + begin_; }
  const T* data() const { return reinterpret_cast<const T*>(memory_.data()) + begin_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  void fill(T value) { std::fill_n(data(), size_, value); }

  /// True while nothing outside the n elements was written.
  [[nodiscard]] bool guards_intact() const {
    const auto is_pattern = [](std::uint8_t byte) { return byte == kPattern; };
    const std::uint8_t* bytes = memory_.data();
    const std::size_t first = begin_ * sizeof(T), last = (begin_ + size_) * sizeof(T);
    return std::all_of(bytes, bytes + first, is_pattern) &&
           std::all_of(bytes + last, bytes + memory_.size(), is_pattern);
  }

 private:
  static constexpr std::size_t kGuard = 64 / sizeof(T);
  static constexpr std::uint8_t kPattern = 0xFF;
  std::size_t size_, begin_;
  AlignedBuffer<std::uint8_t> memory_;
};

/// Uniform in [-1, 1).
template <class T>
void fill_uniform(Guarded<T>& values, RandomStream& random) {
  for (T& value : values) value = static_cast<T>(static_cast<float>(random.uniform(-1, 1)));
}
/// Integers of [-4, 4]: their products and the sums of up to a million of them are exact in float.
template <class T>
void fill_integers(Guarded<T>& values, RandomStream& random) {
  for (T& value : values) value = static_cast<T>(std::floor(random.uniform(-4, 5)));
}
inline std::size_t pick(RandomStream& random, const std::vector<std::size_t>& choices) {
  return choices[static_cast<std::size_t>(random.uniform(0, static_cast<double>(choices.size())))];
}

template <class To, class From>
std::vector<To> convert(const Guarded<From>& values) {
  return std::vector<To>(values.data(), values.data() + values.size());
}
inline std::vector<double> absolute(std::vector<double> values) {
  for (double& value : values) value = std::abs(value);
  return values;
}

/// |got - want| <= k eps magnitude, magnitude the sum of the absolute terms of each result. A sum of n terms
/// in float has a standard error below sqrt(n) eps magnitude / 2 for roundings of random sign; k = 4 +
/// sqrt(n) leaves a factor of two and room for the roundings of the terms themselves.
inline void expect_close(const float* got, const std::vector<double>& want,
                         const std::vector<double>& magnitude, std::size_t n_terms, const std::string& what) {
  const double k = 4 + std::sqrt(static_cast<double>(n_terms));
  const double eps = static_cast<double>(std::numeric_limits<float>::epsilon());
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - want[i]);
    if (!(error <= k * eps * magnitude[i])) {  // also catches NaN
      ADD_FAILURE() << what << ": element " << i << " is " << got[i] << ", want " << want[i] << " +- "
                    << k * eps * magnitude[i];
      return;
    }
  }
}
inline void expect_equal(const float* got, const std::vector<double>& want, const std::string& what) {
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (static_cast<double>(got[i]) != want[i]) {
      ADD_FAILURE() << what << ": element " << i << " is " << got[i] << ", want exactly " << want[i];
      return;
    }
  }
}

}  // namespace deepsad::kernels::test
