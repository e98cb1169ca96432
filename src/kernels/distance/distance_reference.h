// Squared distances and dot products as they are written in distance.h: the scalar set.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/distance/distance.h"

namespace deepsad::kernels::reference {

template <class T, class Term>
void sum_over_pairs(const T* a, std::size_t stride, std::size_t m, const T* packed, std::size_t panels,
                    std::size_t d, T* dst, std::size_t ld, Term term) noexcept {
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t p = 0; p < panels; ++p) {
      const T* panel = packed + p * d * kPanelRows;
      T* to = dst + i * ld + p * kPanelRows;
      std::fill_n(to, kPanelRows, T{0});
      for (std::size_t first = 0; first < d; first += kPairChunk) {
        T sum[kPanelRows] = {};
        for (std::size_t k = first; k < std::min(d, first + kPairChunk); ++k)
          for (std::size_t j = 0; j < kPanelRows; ++j)
            sum[j] += term(a[i * stride + k], panel[k * kPanelRows + j]);
        for (std::size_t j = 0; j < kPanelRows; ++j) to[j] += sum[j];
      }
    }
  }
}

template <class T>
void squared_distances(const T* a, std::size_t stride, std::size_t m, const T* packed, std::size_t panels,
                       std::size_t d, T* dst, std::size_t ld) noexcept {
  sum_over_pairs(a, stride, m, packed, panels, d, dst, ld, [](T x, T y) { return (x - y) * (x - y); });
}

template <class T>
void dot_products(const T* a, std::size_t stride, std::size_t m, const T* packed, std::size_t panels,
                  std::size_t d, T* dst, std::size_t ld) noexcept {
  sum_over_pairs(a, stride, m, packed, panels, d, dst, ld, [](T x, T y) { return x * y; });
}

}  // namespace deepsad::kernels::reference
