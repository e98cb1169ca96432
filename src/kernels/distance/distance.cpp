#include "kernels/distance/distance.h"

#include <algorithm>
#include <cstddef>

#include "kernels/dispatch.h"
#include "kernels/distance/distance_reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/distance/distance.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

// A tile is kRows rows of a times two vectors of a panel, one accumulator each, so that every load of the
// panel serves kRows rows: 24 of 32 registers on AVX-512, 8 of 16 on AVX2 (where the difference needs more).
constexpr std::size_t kVectors = 2;
constexpr std::size_t kTileRows = kParts == 1 ? 12 : 4;
// Rows of a for which a panel's piece stays in the first-level cache.
constexpr std::size_t kBlockRows = 96;

template <bool kDistance, std::size_t kRows>
HWY_NOINLINE void tile(const float* a, std::size_t stride, const float* piece, std::size_t n, bool first,
                       float* dst, std::size_t ld) {
  const D d;
  V acc[kRows][kVectors];
  HWY_UNROLL(12)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) acc[r][v] = hn::Zero(d);
  }
  for (std::size_t k = 0; k < n; ++k) {
    V b[kVectors];
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) b[v] = hn::Load(d, piece + k * kPanelRows + v * kVector);
    HWY_UNROLL(12)
    for (std::size_t r = 0; r < kRows; ++r) {
      const V x = hn::Set(d, a[r * stride + k]);
      HWY_UNROLL(2)
      for (std::size_t v = 0; v < kVectors; ++v) {
        if constexpr (kDistance) {
          const V difference = hn::Sub(x, b[v]);
          acc[r][v] = hn::MulAdd(difference, difference, acc[r][v]);
        } else {
          acc[r][v] = hn::MulAdd(x, b[v], acc[r][v]);
        }
      }
    }
  }
  HWY_UNROLL(12)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) {
      float* to = dst + r * ld + v * kVector;
      hn::Store(first ? acc[r][v] : hn::Add(hn::Load(d, to), acc[r][v]), d, to);
    }
  }
}

template <bool kDistance>
void pairs(const float* a, std::size_t stride, std::size_t m, const float* packed, std::size_t panels,
           std::size_t d, float* dst, std::size_t ld) {
  for (std::size_t block = 0; block < m; block += kBlockRows) {
    const std::size_t end = std::min(m, block + kBlockRows);
    for (std::size_t p = 0; p < panels; ++p) {
      for (std::size_t k = 0; k < d; k += kPairChunk) {
        const std::size_t n = std::min(kPairChunk, d - k);
        for (std::size_t part = 0; part < kPanelRows; part += kVectors * kVector) {
          const float* piece = packed + (p * d + k) * kPanelRows + part;
          const auto run = [&](auto rows, std::size_t i) {
            tile<kDistance, rows>(a + i * stride + k, stride, piece, n, k == 0,
                                  dst + i * ld + p * kPanelRows + part, ld);
          };
          std::size_t i = block;
          for (; i + kTileRows <= end; i += kTileRows)
            run(std::integral_constant<std::size_t, kTileRows>(), i);
          for (; i + 4 <= end; i += 4) run(std::integral_constant<std::size_t, 4>(), i);
          for (; i < end; ++i) run(std::integral_constant<std::size_t, 1>(), i);
        }
      }
    }
  }
}

}  // namespace

void squared_distances(const float* a, std::size_t stride, std::size_t m, const float* packed,
                       std::size_t panels, std::size_t d, float* dst, std::size_t ld) noexcept {
  pairs<true>(a, stride, m, packed, panels, d, dst, ld);
}

void dot_products(const float* a, std::size_t stride, std::size_t m, const float* packed, std::size_t panels,
                  std::size_t d, float* dst, std::size_t ld) noexcept {
  pairs<false>(a, stride, m, packed, panels, d, dst, ld);
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

void pack_rows(const float* rows, std::size_t stride, std::size_t n, std::size_t d, float* packed) noexcept {
  for (std::size_t first = 0; first < n; first += kPanelRows, packed += d * kPanelRows) {
    const std::size_t in_panel = std::min(kPanelRows, n - first);
    if (in_panel < kPanelRows) std::fill_n(packed, d * kPanelRows, 0.0F);
    for (std::size_t r = 0; r < in_panel; ++r) {
      const float* row = rows + (first + r) * stride;
      for (std::size_t k = 0; k < d; ++k) packed[k * kPanelRows + r] = row[k];
    }
  }
}

void squared_distances(const float* a, std::size_t stride, std::size_t m, const float* packed,
                       std::size_t panels, std::size_t d, float* dst, std::size_t ld) noexcept {
  DEEPSAD_CALL_KERNEL(squared_distances, a, stride, m, packed, panels, d, dst, ld);
}

void dot_products(const float* a, std::size_t stride, std::size_t m, const float* packed, std::size_t panels,
                  std::size_t d, float* dst, std::size_t ld) noexcept {
  DEEPSAD_CALL_KERNEL(dot_products, a, stride, m, packed, panels, d, dst, ld);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
