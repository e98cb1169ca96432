// Sums over all 5x5 patches of a map, which are what is left of a weight gradient where the output's gradient
// is an affine map of the output. Included once per instruction set (see dispatch.h).
//
// Tap k = (ky, kx) of the patches reads x[q], q = p + k - padding, tap l the same point moved by the lag l -
// k. So the second moment of two taps is the sum of x[q] x[q + lag] over the q that p can reach: over all of
// the map, 41 lags instead of 325 pairs, less the rows and columns at the edges that tap k does not reach. Of
// two channels, the first tap in reading order may belong to either.
#if defined(DEEPSAD_PATCH_MOMENTS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DEEPSAD_PATCH_MOMENTS_INL_H
#undef DEEPSAD_PATCH_MOMENTS_INL_H
#else
#define DEEPSAD_PATCH_MOMENTS_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/conv2d/conv2d.h"
#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

using winograd1d::kLags;
using winograd1d::kPatchRow;
using winograd1d::kReach;
using winograd1d::kTaps;
using winograd1d::patch_edge;

constexpr std::size_t kPatch = kTaps * kTaps;
/// Lags (0, 0 ... 4), (1 ... 4, -4 ... 4), and the sum of x itself.
constexpr std::size_t kFirstRowLags = kTaps, kRowLags = 2 * kReach + 1;
constexpr std::size_t kSumOfX = kFirstRowLags + kReach * kRowLags;
static_assert(kSumOfX < kLags && kLags % kVector == 0);

/// The lag between two taps of which the first comes first in reading order.
constexpr std::size_t lag_of(std::size_t k, std::size_t l) {
  const std::size_t rows = l / kTaps - k / kTaps, columns = kReach + l % kTaps - k % kTaps;
  return rows == 0 ? columns - kReach : kFirstRowLags + (rows - 1) * kRowLags + columns;
}
constexpr auto kLagOf = [] {
  std::array<std::array<std::uint8_t, kPatch>, kPatch> lags{};
  for (std::size_t k = 0; k < kPatch; ++k) {
    for (std::size_t l = k; l < kPatch; ++l) lags[k][l] = static_cast<std::uint8_t>(lag_of(k, l));
  }
  return lags;
}();

// Terms are all of one sign in images, and the gradient is the small rest of sums of them, so that these must
// be precise: each lane is summed in float, strip by strip, and what is put together of the lanes' sums in
// double.
using DoubleD = hn::ScalableTag<double>;

/// sums[j] += sum over i < n of a[i step] b[i step + first + j], vectors of points; first is -4 where kCount
/// is 9, else 0.
template <std::size_t kCount>
HWY_NOINLINE void add_lags(const float* a, const float* b, std::size_t n, std::size_t step, float* sums) {
  const D d;
  b -= (kCount == kRowLags ? kReach : 0) * kLanes;
  for (std::size_t part = 0; part < kParts; ++part, a += kVector, b += kVector, sums += kVector) {
    V acc[kCount];
    HWY_UNROLL(9)
    for (std::size_t j = 0; j < kCount; ++j) acc[j] = hn::Zero(d);
    std::size_t i = 0;
    if constexpr (kParts == 1) {  // registers for two points of a row, which share what they read
      if (step == kLanes) {
        for (; i + 2 <= n; i += 2) {
          const V a0 = hn::Load(d, a + i * kLanes), a1 = hn::Load(d, a + (i + 1) * kLanes);
          V read = in_register(hn::Load(d, b + i * kLanes));
          HWY_UNROLL(9)
          for (std::size_t j = 0; j < kCount; ++j) {
            acc[j] = hn::MulAdd(a0, read, acc[j]);
            read = in_register(hn::Load(d, b + (i + j + 1) * kLanes));
            acc[j] = hn::MulAdd(a1, read, acc[j]);
          }
        }
      }
    }
    for (; i < n; ++i) {
      const V value = hn::Load(d, a + i * step);
      HWY_UNROLL(9)
      for (std::size_t j = 0; j < kCount; ++j) {
        acc[j] = hn::MulAdd(value, hn::Load(d, b + i * step + j * kLanes), acc[j]);
      }
    }
    HWY_UNROLL(9)
    for (std::size_t j = 0; j < kCount; ++j) {
      hn::Store(hn::Add(hn::Load(d, sums + j * kLanes), acc[j]), d, sums + j * kLanes);
    }
  }
}

/// The sums of all lags over strips of n points of two channels, vectors [lag][16]; added to.
HWY_INLINE void add_strip(const float* a, const float* b, std::size_t n, std::size_t step, std::size_t row,
                          float* sums) {
  const D d;
  add_lags<kFirstRowLags>(a, b, n, step, sums);
  for (std::size_t rows = 1; rows <= kReach; ++rows) {
    add_lags<kRowLags>(a, b + rows * row, n, step, sums + (kFirstRowLags + (rows - 1) * kRowLags) * kLanes);
  }
  if (a != b) return;
  for (std::size_t part = 0; part < kLanes; part += kVector) {
    float* const sum = sums + kSumOfX * kLanes + part;
    V total = hn::Zero(d);
    for (std::size_t i = 0; i < n; ++i) total = hn::Add(total, hn::Load(d, a + i * step + part));
    hn::Store(hn::Add(hn::Load(d, sum), total), d, sum);
  }
}

/// The first and second moments of the patches that a convolution with padding <= 4 reads: sums over its
/// output points and the valid lanes.
class PatchMoments {
 public:
  /// x [in_channels][height][width][16]; scratch: patch_moments_scratch(), in use as long as this object.
  /// Both sides are at least twice patch_edge().
  PatchMoments(const ConvShape& s, const float* x, std::size_t n_valid, float* scratch)
      : channels_(s.in_channels), moments_(reinterpret_cast<double*>(scratch)) {
    const std::size_t row = (s.width + 2 * kReach) * kLanes, map = (s.height + kReach) * row;
    const std::size_t edges = 2 * patch_edge(s);
    double* const strips = sums(channels_);
    auto* const maps = reinterpret_cast<float*>(strips + kLags * (1 + 2 * edges + edges * edges));
    std::fill(moments_, strips, 0.0);
    for (std::size_t c = 0; c < channels_; ++c) {
      pad(s, x + c * s.height * s.width * kLanes, n_valid, row, maps + c * map);
    }
    for (std::size_t c = 0; c < channels_; ++c) {
      for (std::size_t other = 0; other < channels_; ++other) {
        add_pair(s, c, other, maps + c * map + kReach * kLanes, maps + other * map + kReach * kLanes, row,
                 maps + channels_ * map, strips);
      }
    }
  }

  /// dw[c][k] += constant sum_p patch(p)[c][k] + slope sum_p patch(p)[c][k] (w . patch(p)); w, dw
  /// [in_channels][25] of one output channel.
  void add_affine(double constant, double slope, const float* w, float* dw) const {
    const DoubleD d;
    constexpr std::size_t kStep = hn::MaxLanes(d);
    for (std::size_t c = 0; c < channels_; ++c, dw += kPatch) {
      for (std::size_t first = 0; first < kPatch; first += kStep) {
        auto second = hn::Zero(d);
        for (std::size_t l = 0; l < channels_ * kPatch; ++l) {
          second = hn::MulAdd(hn::Set(d, static_cast<double>(w[l])), hn::Load(d, row(l, c) + first), second);
        }
        const auto sum = hn::MulAdd(hn::Set(d, slope), second,
                                    hn::Mul(hn::Set(d, constant), hn::Load(d, sums(c) + first)));
        alignas(64) double lanes[kStep];
        hn::Store(sum, d, lanes);
        for (std::size_t k = first; k < std::min(first + kStep, kPatch); ++k) {
          dw[k] = static_cast<float>(static_cast<double>(dw[k]) + lanes[k - first]);
        }
      }
    }
  }

 private:
  /// The moments of tap l % 25 of channel l / 25 with all taps of a channel.
  double* row(std::size_t l, std::size_t channel) const {
    return moments_ + (l * channels_ + channel) * kPatchRow;
  }
  /// The sums of all taps of a channel.
  double* sums(std::size_t channel) const { return row(channels_ * kPatch, channel); }

  /// x with zeros on both sides, behind the last row and in lanes without a sample.
  static void pad(const ConvShape& s, const float* x, std::size_t n_valid, std::size_t row, float* to) {
    const D d;
    const ValidLanes valid(n_valid);
    for (std::size_t i = 0; i < s.height; ++i, to += row) {
      std::fill_n(to, kReach * kLanes, 0.0F);
      for (std::size_t j = 0; j < s.width; ++j, x += kLanes) {
        for (std::size_t part = 0; part < kParts; ++part) {
          hn::Store(hn::IfThenElseZero(valid.part[part], hn::Load(d, x + part * kVector)), d,
                    to + (kReach + j) * kLanes + part * kVector);
        }
      }
      std::fill_n(to + (kReach + s.width) * kLanes, kReach * kLanes, 0.0F);
    }
    std::fill_n(to, kReach * row, 0.0F);
  }

  /// sums[lag] <- the lanes of vectors[lag][16] added up.
  static void add_up(const float* vectors, double* sums) {
    const D d;
    for (std::size_t k = 0; k < kLags; k += 4) {
      V v[4];
      HWY_UNROLL(4)
      for (std::size_t j = 0; j < 4; ++j) {
        v[j] = hn::Load(d, vectors + (k + j) * kLanes);
        if constexpr (kParts == 2) v[j] = hn::Add(v[j], hn::Load(d, vectors + (k + j) * kLanes + kVector));
      }
      alignas(16) float four[4];
      sum_lanes(v, four);
      std::copy_n(four, 4, sums + k);
    }
  }

  template <bool kSubtract>
  static HWY_INLINE void accumulate(const double* from, double* to) {
    const DoubleD d;
    for (std::size_t k = 0; k < kLags; k += hn::MaxLanes(d)) {
      const auto a = hn::LoadU(d, to + k), b = hn::LoadU(d, from + k);
      hn::StoreU(kSubtract ? hn::Sub(a, b) : hn::Add(a, b), d, to + k);
    }
  }

  /// The moments of taps k of channel c with taps l >= k of another: a, b are their padded maps, vectors
  /// [lag][16] the sums of a strip, total [lag] and what is behind it those of all of them.
  void add_pair(const ConvShape& s, std::size_t c, std::size_t other, const float* a, const float* b,
                std::size_t row_step, float* vectors, double* total) {
    const std::size_t edge = patch_edge(s), edges = 2 * edge;
    double* const of_rows = total + kLags;               // [edge row][lag]
    double* const of_columns = of_rows + edges * kLags;  // [edge column][lag]
    double* const of_points = of_columns + edges * kLags;
    const auto at_edge = [edge](std::size_t i, std::size_t n)
                             DEEPSAD_KERNEL_LAMBDA { return i < edge ? i : n - 2 * edge + i; };
    const auto strip = [&](std::size_t at, std::size_t n, std::size_t step, double* to)
                           DEEPSAD_KERNEL_LAMBDA {
                             std::fill_n(vectors, kLags * kLanes, 0.0F);
                             add_strip(a + at, b + at, n, step, row_step, vectors);
                             add_up(vectors, to);
                           };
    std::fill_n(vectors, kLags * kLanes, 0.0F);
    for (std::size_t i = edge; i < s.height - edge; ++i) {
      add_strip(a + i * row_step, b + i * row_step, s.width, kLanes, row_step, vectors);
    }
    add_up(vectors, total);
    for (std::size_t i = 0; i < edges; ++i) {
      const std::size_t at = at_edge(i, s.height) * row_step;
      strip(at, s.width, kLanes, of_rows + i * kLags);
      accumulate<false>(of_rows + i * kLags, total);
      strip(at_edge(i, s.width) * kLanes, s.height, row_step, of_columns + i * kLags);
      for (std::size_t j = 0; j < edges; ++j) {
        strip(at + at_edge(j, s.width) * kLanes, 1, kLanes, of_points + (i * edges + j) * kLags);
      }
    }
    // Edge rows (columns) that tap k does not reach: the first k - padding, and from edge + k on.
    const auto for_unreached = [&](std::size_t k, auto f) DEEPSAD_KERNEL_LAMBDA {
      for (std::size_t i = 0; i + s.padding < k; ++i) f(i);
      for (std::size_t i = edge + k; i < edges; ++i) f(i);
    };
    double reached[kLags], column[kLags], of_tap[kLags];
    for (std::size_t ky = 0; ky < kTaps; ++ky) {
      std::copy_n(total, kLags, reached);
      for_unreached(
          ky, [&](std::size_t i) DEEPSAD_KERNEL_LAMBDA { accumulate<true>(of_rows + i * kLags, reached); });
      for (std::size_t kx = 0; kx < kTaps; ++kx) {
        std::copy_n(reached, kLags, of_tap);
        for_unreached(kx, [&](std::size_t j) DEEPSAD_KERNEL_LAMBDA {
          std::copy_n(of_columns + j * kLags, kLags, column);
          for_unreached(ky, [&](std::size_t i) DEEPSAD_KERNEL_LAMBDA {
            accumulate<true>(of_points + (i * edges + j) * kLags, column);
          });
          accumulate<true>(column, of_tap);
        });
        const std::size_t k = ky * kTaps + kx;
        if (c == other) sums(c)[k] = of_tap[kSumOfX];
        for (std::size_t l = k; l < kPatch; ++l) {
          row(c * kPatch + k, other)[l] = row(other * kPatch + l, c)[k] = of_tap[kLagOf[k][l]];
        }
      }
    }
  }

  std::size_t channels_;
  double* moments_;  // [channel and tap][channel][32], then the sums [channel][32]
};

}  // namespace
#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard, toggled per target
