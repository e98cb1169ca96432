// What the vector kernels share: vectors of the batch-innermost layout, masks of valid lanes, and the
// transposition between it and rows of samples. Included once per instruction set (see dispatch.h).
#if defined(DEEPSAD_LANES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DEEPSAD_LANES_INL_H
#undef DEEPSAD_LANES_INL_H
#else
#define DEEPSAD_LANES_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "kernels/dispatch.h"
#include "kernels/layout.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using M = hn::Mask<D>;
constexpr std::size_t kVector = hn::MaxLanes(D());  // lanes of one vector: 16 (AVX-512) or 8 (AVX2)
constexpr std::size_t kParts = kLanes / kVector;    // vectors per point
static_assert(kLanes % kVector == 0);

/// The lanes of each part of a point that are below n_valid.
struct ValidLanes {
  M part[kParts];
  explicit ValidLanes(std::size_t n_valid) {
    for (std::size_t p = 0; p < kParts; ++p) {
      const std::size_t before = p * kVector;
      part[p] = hn::FirstN(D(), n_valid > before ? std::min(n_valid - before, kVector) : 0);
    }
  }
};

/// v, as a value that the compiler must hold in a register: g++ otherwise folds the load of a vector with
/// several uses into each multiply-add, which makes loads the limit.
HWY_INLINE V in_register(V v) {
#if HWY_TARGET == HWY_AVX3
  asm("" : "+v"(v.raw));
#else
  asm("" : "+x"(v.raw));
#endif
  return v;
}

/// Calls f(std::integral_constant<size>, first) for blocks of kMax rows and then 8, 4, 2, 1.
template <std::size_t kMax, class F>
HWY_INLINE void for_each_block(std::size_t n, F f) {
  std::size_t first = 0;
  for (; first + kMax <= n; first += kMax) f(std::integral_constant<std::size_t, kMax>(), first);
  if constexpr (kMax > 1) {
    for_each_block<kMax / 2>(
        n - first, [&](auto size, std::size_t rest) DEEPSAD_KERNEL_LAMBDA { f(size, first + rest); });
  }
}

/// Transposes the 4x4 floats of every 128-bit block: lane k of v[r] becomes lane r of v[k].
HWY_INLINE void transpose_blocks(V (&v)[4]) {
  const D d;
  const hn::Repartition<double, D> pairs;
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, v[0], v[1]));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, v[2], v[3]));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, v[0], v[1]));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, v[2], v[3]));
  v[0] = hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23));
  v[1] = hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23));
  v[2] = hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23));
  v[3] = hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23));
}

/// A vector of the 4 floats at rows[0], rows[4], rows[8], ...; block b holds those of row 4 b.
template <class Tag>
HWY_INLINE hn::Vec<Tag> load_blocks(Tag d, const float* const* rows, std::size_t column) {
  if constexpr (hn::MaxLanes(d) == 4) {
    return hn::LoadU(d, rows[0] + column);
  } else {
    const hn::Half<Tag> half;
    return hn::Combine(d, load_blocks(half, rows + hn::MaxLanes(half), column),
                       load_blocks(half, rows, column));
  }
}
template <class W>
HWY_INLINE void store_blocks(W v, float* const* rows, std::size_t column) {
  const hn::DFromV<W> d;
  if constexpr (hn::MaxLanes(d) == 4) {
    hn::StoreU(v, d, rows[0] + column);
  } else {
    const hn::Half<decltype(d)> half;
    store_blocks(hn::LowerHalf(half, v), rows, column);
    store_blocks(hn::UpperHalf(half, v), rows + hn::MaxLanes(half), column);
  }
}

/// The blocks of 128 bits added up.
template <class W>
HWY_INLINE auto add_blocks(W v) {
  const hn::DFromV<W> dv;
  if constexpr (hn::MaxLanes(dv) == 4) {
    return v;
  } else {
    const hn::Half<decltype(dv)> half;
    return add_blocks(hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

/// sums[k] = sum of the lanes of v[k], k < 4.
HWY_INLINE void sum_lanes(const V* v, float* sums) {
  const D d;
  const hn::Repartition<double, D> pairs;
  // In every block: lanes 0+2 and 1+3 of v[0] and v[1], then the sums of the four vectors side by side.
  const V v01 = hn::Add(hn::InterleaveLower(d, v[0], v[1]), hn::InterleaveUpper(d, v[0], v[1]));
  const V v23 = hn::Add(hn::InterleaveLower(d, v[2], v[3]), hn::InterleaveUpper(d, v[2], v[3]));
  const auto low = hn::InterleaveLower(pairs, hn::BitCast(pairs, v01), hn::BitCast(pairs, v23));
  const auto high = hn::InterleaveUpper(pairs, hn::BitCast(pairs, v01), hn::BitCast(pairs, v23));
  hn::Store(add_blocks(hn::Add(hn::BitCast(d, low), hn::BitCast(d, high))), hn::FixedTag<float, 4>(), sums);
}

/// dst[j][l] = rows[l][j], j < n, l < 16; dst 64-byte aligned, rows need no alignment.
inline void gather_columns(const float* const* rows, std::size_t n, float* dst) {
  const D d;
  const std::size_t whole = n / 4 * 4;
  for (std::size_t j = 0; j < whole; j += 4) {
    for (std::size_t first = 0; first < kLanes; first += kVector) {
      V v[4];
      HWY_UNROLL(4)
      for (std::size_t r = 0; r < 4; ++r) v[r] = load_blocks(d, rows + first + r, j);
      transpose_blocks(v);
      HWY_UNROLL(4)
      for (std::size_t k = 0; k < 4; ++k) hn::Store(v[k], d, dst + (j + k) * kLanes + first);
    }
  }
  for (std::size_t j = whole; j < n; ++j) {
    for (std::size_t l = 0; l < kLanes; ++l) dst[j * kLanes + l] = rows[l][j];
  }
}

/// rows[l][j] = src[j][l], j < n, l < 16; src 64-byte aligned, rows need no alignment.
inline void scatter_columns(const float* src, std::size_t n, float* const* rows) {
  const D d;
  const std::size_t whole = n / 4 * 4;
  for (std::size_t j = 0; j < whole; j += 4) {
    for (std::size_t first = 0; first < kLanes; first += kVector) {
      V v[4];
      HWY_UNROLL(4)
      for (std::size_t k = 0; k < 4; ++k) v[k] = hn::Load(d, src + (j + k) * kLanes + first);
      transpose_blocks(v);
      HWY_UNROLL(4)
      for (std::size_t r = 0; r < 4; ++r) store_blocks(v[r], rows + first + r, j);
    }
  }
  for (std::size_t j = whole; j < n; ++j) {
    for (std::size_t l = 0; l < kLanes; ++l) rows[l][j] = src[j * kLanes + l];
  }
}

}  // namespace
#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard, toggled per target
