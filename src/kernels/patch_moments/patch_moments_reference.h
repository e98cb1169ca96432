// The sums of patch_moments.h as they are written, one loop per index.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/layout.h"
#include "kernels/patch_moments/patch_moments.h"

namespace deepsad::kernels::reference {

/// The place of the moment of tap k of channel c and tap l >= k of channel other.
constexpr std::size_t moment_index(std::size_t n_channels, std::size_t c, std::size_t k, std::size_t other,
                                   std::size_t l) {
  constexpr std::size_t kTaps = 25, kPairs = kTaps * (kTaps + 1) / 2;
  const std::size_t before = k * kTaps - k * (k - 1) / 2;  // pairs whose first tap is less than k
  return (c * n_channels + other) * kPairs + before + l - k;
}
/// The place of the sum of tap k of channel c.
constexpr std::size_t patch_sum_index(std::size_t n_channels, std::size_t c, std::size_t k) {
  return moment_index(n_channels, n_channels, 0, 0, 0) + c * 25 + k;
}

/// f(index of a moment, its value) for sample l of x.
template <class T, class F>
void for_each_patch_moment(const ConvShape& s, const T* x, std::size_t sample, F f) {
  const std::size_t n = s.in_channels;
  const auto at = [&](std::size_t c, std::size_t tap, std::size_t i, std::size_t j) {
    const std::size_t row = i + tap / 5, column = j + tap % 5;
    if (row < s.padding || row - s.padding >= s.height || column < s.padding ||
        column - s.padding >= s.width) {
      return 0.0;
    }
    return static_cast<double>(
        x[((c * s.height + row - s.padding) * s.width + column - s.padding) * kLanes + sample]);
  };
  const auto over_patches = [&](auto value) {
    double sum = 0;
    for (std::size_t i = 0; i < s.out_height; ++i) {
      for (std::size_t j = 0; j < s.out_width; ++j) sum += value(i, j);
    }
    return sum;
  };
  for (std::size_t c = 0; c < n; ++c) {
    for (std::size_t k = 0; k < 25; ++k) {
      f(patch_sum_index(n, c, k), over_patches([&](std::size_t i, std::size_t j) { return at(c, k, i, j); }));
      for (std::size_t other = 0; other < n; ++other) {
        for (std::size_t l = k; l < 25; ++l) {
          f(moment_index(n, c, k, other, l),
            over_patches([&](std::size_t i, std::size_t j) { return at(c, k, i, j) * at(other, l, i, j); }));
        }
      }
    }
  }
}

template <class T>
void patch_moments_of_samples(const ConvShape& s, const T* x, std::size_t n_valid, T* rows,
                              T* /*scratch*/) noexcept {
  const std::size_t size = patch_moments_size(s);
  std::fill_n(rows, n_valid * size, T{0});
  for (std::size_t l = 0; l < n_valid; ++l, rows += size) {
    for_each_patch_moment(s, x, l, [&](std::size_t i, double value) { rows[i] = static_cast<T>(value); });
  }
}

template <class T>
void patch_moments_of_group(const ConvShape& s, const T* x, std::size_t n_valid, double* sums,
                            T* /*scratch*/) noexcept {
  std::fill_n(sums, patch_moments_size(s), 0.0);
  for (std::size_t l = 0; l < n_valid; ++l) {
    for_each_patch_moment(s, x, l, [&](std::size_t i, double value) { sums[i] += value; });
  }
}

template <class T>
void sum_of_rows(std::size_t size, const T* values, const std::uint32_t* rows, std::size_t n,
                 double* sums) noexcept {
  std::fill_n(sums, size, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < size; ++k) sums[k] += static_cast<double>(values[rows[i] * size + k]);
  }
}

}  // namespace deepsad::kernels::reference
