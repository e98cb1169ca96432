// Squared distances and dot products between the rows of two matrices: the shared work of one-class SVM, SSAD
// and kernel density estimation.
//
// Squared distances are sums of squared differences, never |a|^2 + |b|^2 - 2 ab: rows that are close to each
// other keep a relative error of rounding size, a row's distance to itself is exactly 0, and d(a, b) = d(b,
// a) to the bit. Processors that add and multiply-add in different units (AMD Zen) compute it at the same
// speed.
#pragma once

#include <cstddef>

namespace deepsad::kernels {

/// Rows of one panel of packed rows.
inline constexpr std::size_t kPanelRows = 32;
/// Features after which a partial sum is added to the result: bounds the rounding error of long rows, and
/// keeps a panel's piece in the first-level cache.
inline constexpr std::size_t kPairChunk = 256;

/// Panels that n rows fill.
[[nodiscard]] constexpr std::size_t n_panels(std::size_t n) noexcept {
  return (n + kPanelRows - 1) / kPanelRows;
}

/// Copies n rows of d floats, `stride` apart, to panels [panel][feature][32 rows]; rows beyond n are 0.
/// packed: n_panels(n) * d * 32 floats, 64-byte aligned.
void pack_rows(const float* rows, std::size_t stride, std::size_t n, std::size_t d, float* packed) noexcept;

/// dst[i * ld + j] = sum_k (a[i * stride + k] - b_j[k])^2 for i < m and the 32 `panels` rows b_j of `packed`
/// (the zero rows that fill the last panel included). A pair's bits depend on its two rows alone: not on m,
/// i, j or the panels. dst: 64-byte aligned, ld >= 32 panels and a multiple of 16; nothing overlaps.
void squared_distances(const float* a, std::size_t stride, std::size_t m, const float* packed,
                       std::size_t panels, std::size_t d, float* dst, std::size_t ld) noexcept;

/// The same with sum_k a[i * stride + k] b_j[k].
void dot_products(const float* a, std::size_t stride, std::size_t m, const float* packed, std::size_t panels,
                  std::size_t d, float* dst, std::size_t ld) noexcept;

}  // namespace deepsad::kernels
