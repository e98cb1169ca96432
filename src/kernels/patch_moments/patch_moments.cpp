#include "kernels/patch_moments/patch_moments.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/dispatch.h"
#include "kernels/patch_moments/patch_moments_reference.h"

// Tap k = (ky, kx) of the patches reads x[q], q = p + k - padding, tap l the same point moved by the lag l -
// k. So the second moment of two taps is the sum of x[q] x[q + lag] over the q that p can reach: over all of
// the map, 41 lags instead of 325 pairs, less the rows and columns at the edges that tap k does not reach. Of
// two channels, the first tap in reading order may belong to either.
#ifndef DEEPSAD_PATCH_MOMENTS_LAGS
#define DEEPSAD_PATCH_MOMENTS_LAGS
namespace deepsad::kernels::patch_moments {

constexpr std::size_t kTaps = 5;  // of an axis
constexpr std::size_t kPatch = kTaps * kTaps, kReach = kTaps - 1;
constexpr std::size_t kMostChannels = 4;  // moments grow with their square
/// Lags (0, 0 ... 4), (1 ... 4, -4 ... 4), and the sum of x itself.
constexpr std::size_t kFirstRowLags = kTaps, kRowLags = 2 * kReach + 1;
constexpr std::size_t kSumOfX = kFirstRowLags + kReach * kRowLags;
constexpr std::size_t kLags = kSumOfX + 1;

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

/// Rows or columns at either edge of the input that not every tap reaches.
constexpr std::size_t edge_of(const ConvShape& s) {
  return kReach > s.padding ? kReach - s.padding : 0;
}
constexpr std::size_t padded_row(const ConvShape& s) {
  return (s.width + 2 * kReach) * kLanes;
}
constexpr std::size_t padded_map(const ConvShape& s) {
  return (s.height + kReach) * padded_row(s);
}

}  // namespace deepsad::kernels::patch_moments
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/patch_moments/patch_moments.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/cache_control.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

using namespace patch_moments;

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

/// The moments of a group, sample by sample in the lanes. Terms are all of one sign in images, and the
/// gradient is the small rest of sums of them: each lane is summed strip by strip.
class GroupMoments {
 public:
  /// x [in_channels][height][width][16]; scratch: patch_moments_scratch_size(), in use as long as this
  /// object.
  GroupMoments(const ConvShape& s, const float* x, std::size_t n_valid, float* scratch)
      : n_(s.in_channels),
        edge_(edge_of(s)),
        height_(s.height),
        width_(s.width),
        padding_(s.padding),
        row_step_(padded_row(s)),
        moments_(scratch) {
    float* const maps = moments_ + patch_moments_size(s) * kLanes;
    strips_ = maps + n_ * padded_map(s);
    for (std::size_t c = 0; c < n_; ++c)
      pad(x + c * height_ * width_ * kLanes, n_valid, maps + c * padded_map(s));
    const auto origin = [&](std::size_t c) { return maps + c * padded_map(s) + kReach * kLanes; };
    for (std::size_t c = 0; c < n_; ++c) {
      for (std::size_t other = 0; other < n_; ++other) add_pair(c, other, origin(c), origin(other));
    }
    const std::size_t used = reference::patch_sum_index(n_, n_, 0);
    std::fill(moments_ + used * kLanes, maps, 0.0F);
  }

  [[nodiscard]] const float* values() const { return moments_; }  ///< [patch_moments_size][16]

 private:
  /// x with zeros on both sides, behind the last row and in lanes without a sample.
  void pad(const float* x, std::size_t n_valid, float* to) const {
    const D d;
    const ValidLanes valid(n_valid);
    for (std::size_t i = 0; i < height_; ++i, to += row_step_) {
      std::fill_n(to, kReach * kLanes, 0.0F);
      for (std::size_t j = 0; j < width_; ++j, x += kLanes) {
        for (std::size_t part = 0; part < kParts; ++part) {
          hn::Store(hn::IfThenElseZero(valid.part[part], hn::Load(d, x + part * kVector)), d,
                    to + (kReach + j) * kLanes + part * kVector);
        }
      }
      std::fill_n(to + (kReach + width_) * kLanes, kReach * kLanes, 0.0F);
    }
    std::fill_n(to, kReach * row_step_, 0.0F);
  }

  /// sums [lag][16] += those of n points of two channels.
  void add_strip(const float* a, const float* b, std::size_t n, std::size_t step, float* sums) const {
    const D d;
    add_lags<kFirstRowLags>(a, b, n, step, sums);
    for (std::size_t rows = 1; rows <= kReach; ++rows) {
      add_lags<kRowLags>(a, b + rows * row_step_, n, step,
                         sums + (kFirstRowLags + (rows - 1) * kRowLags) * kLanes);
    }
    if (a != b) return;
    for (std::size_t part = 0; part < kLanes; part += kVector) {
      float* const sum = sums + kSumOfX * kLanes + part;
      V total = hn::Zero(d);
      for (std::size_t i = 0; i < n; ++i) total = hn::Add(total, hn::Load(d, a + i * step + part));
      hn::Store(hn::Add(hn::Load(d, sum), total), d, sum);
    }
  }

  /// Rows or columns at the edges, from 0 to 2 edge_ - 1, that tap k of an axis does not reach: the first k -
  /// padding, and from edge_ + k on.
  struct Unreached {
    std::array<std::size_t, 2 * kReach> at;
    std::size_t n = 0;
  };
  [[nodiscard]] Unreached unreached(std::size_t k) const {
    Unreached list;
    for (std::size_t i = 0; i < 2 * edge_; ++i) {
      if (i + padding_ < k || i >= edge_ + k) list.at[list.n++] = i;
    }
    return list;
  }
  [[nodiscard]] std::size_t at_edge(std::size_t i, std::size_t n) const {
    return i < edge_ ? i : n - 2 * edge_ + i;
  }

  /// The moments of taps k of channel c with taps l >= k of another: a, b are their padded maps.
  void add_pair(std::size_t c, std::size_t other, const float* a, const float* b) {
    const D d;
    constexpr std::size_t kStrip = kLags * kLanes;
    float* const total = strips_;
    float* const of_rows = total + kStrip;                   // [edge row][lag]
    float* const of_columns = of_rows + 2 * edge_ * kStrip;  // [edge column][lag]
    std::fill_n(strips_, (1 + 4 * edge_) * kStrip, 0.0F);
    for (std::size_t i = edge_; i < height_ - edge_; ++i) {
      add_strip(a + i * row_step_, b + i * row_step_, width_, kLanes, total);
    }
    for (std::size_t i = 0; i < 2 * edge_; ++i) {
      const std::size_t row = at_edge(i, height_) * row_step_, column = at_edge(i, width_) * kLanes;
      add_strip(a + row, b + row, width_, kLanes, of_rows + i * kStrip);
      add_strip(a + column, b + column, height_, row_step_, of_columns + i * kStrip);
      for (std::size_t k = 0; k < kStrip; k += kVector) {
        hn::Store(hn::Add(hn::Load(d, total + k), hn::Load(d, of_rows + i * kStrip + k)), d, total + k);
      }
    }
    for (std::size_t k = 0; k < kPatch; ++k) {
      const Unreached rows = unreached(k / kTaps), columns = unreached(k % kTaps);
      // The sum of one lag over the points that tap k reaches; value(point) is its term there.
      const auto reached = [&](std::size_t lag, std::size_t part, auto value) DEEPSAD_KERNEL_LAMBDA {
        const std::size_t at = lag * kLanes + part;
        V sum = hn::Load(d, total + at);
        for (std::size_t i = 0; i < rows.n; ++i) {
          sum = hn::Sub(sum, hn::Load(d, of_rows + rows.at[i] * kStrip + at));
        }
        for (std::size_t j = 0; j < columns.n; ++j) {
          sum = hn::Sub(sum, hn::Load(d, of_columns + columns.at[j] * kStrip + at));
          for (std::size_t i = 0; i < rows.n; ++i) {
            sum = hn::Add(sum, value(at_edge(rows.at[i], height_) * row_step_ +
                                     at_edge(columns.at[j], width_) * kLanes + part));
          }
        }
        return sum;
      };
      for (std::size_t part = 0; part < kLanes; part += kVector) {
        float* to = moments_ + reference::moment_index(n_, c, k, other, k) * kLanes + part;
        for (std::size_t l = k; l < kPatch; ++l, to += kLanes) {
          const float* const moved = b + (l / kTaps - k / kTaps) * row_step_ + l % kTaps * kLanes;
          const std::size_t left = k % kTaps * kLanes;
          const auto product = [&](std::size_t point) DEEPSAD_KERNEL_LAMBDA {
            return hn::Mul(hn::Load(d, a + point), hn::Load(d, moved + point - left));
          };
          hn::Store(reached(kLagOf[k][l], part, product), d, to);
        }
        if (c != other) continue;
        const auto itself = [&](std::size_t point) DEEPSAD_KERNEL_LAMBDA { return hn::Load(d, a + point); };
        hn::Store(reached(kSumOfX, part, itself), d,
                  moments_ + reference::patch_sum_index(n_, c, k) * kLanes + part);
      }
    }
  }

  std::size_t n_, edge_, height_, width_, padding_, row_step_;
  float* moments_;
  float* strips_;
};

}  // namespace

void patch_moments_of_samples(const ConvShape& s, const float* x, std::size_t n_valid, float* rows,
                              float* scratch) noexcept {
  const std::size_t size = patch_moments_size(s);
  float* const unused = scratch;
  const GroupMoments moments(s, x, n_valid, scratch + size);
  float* pointers[kLanes];
  for (std::size_t l = 0; l < kLanes; ++l) pointers[l] = l < n_valid ? rows + l * size : unused;
  scatter_columns(moments.values(), size, pointers);
}

void patch_moments_of_group(const ConvShape& s, const float* x, std::size_t n_valid, double* sums,
                            float* scratch) noexcept {
  const D d;
  const GroupMoments moments(s, x, n_valid, scratch);
  const float* from = moments.values();
  for (std::size_t k = 0; k < patch_moments_size(s); k += 4, from += 4 * kLanes) {
    V v[4];
    HWY_UNROLL(4)
    for (std::size_t j = 0; j < 4; ++j) {
      v[j] = hn::Load(d, from + j * kLanes);
      if constexpr (kParts == 2) v[j] = hn::Add(v[j], hn::Load(d, from + j * kLanes + kVector));
    }
    alignas(16) float four[4];
    sum_lanes(v, four);
    std::copy_n(four, 4, sums + k);
  }
}

void sum_of_rows(std::size_t size, const float* values, const std::uint32_t* rows, std::size_t n,
                 double* sums) noexcept {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> d32;
  std::fill_n(sums, size, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    const float* const row = values + rows[i] * size;
    const float* const next = values + rows[i + 1 < n ? i + 1 : i] * size;
    for (std::size_t k = 0; k < size; k += kLanes) {
      hwy::Prefetch(next + k);  // rows lie anywhere in memory
      for (std::size_t j = k; j < k + kLanes; j += hn::MaxLanes(d)) {
        hn::StoreU(hn::Add(hn::LoadU(d, sums + j), hn::PromoteTo(d, hn::Load(d32, row + j))), d, sums + j);
      }
    }
  }
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

using namespace patch_moments;

bool patch_moments_serve(const ConvShape& s) noexcept {
  constexpr std::size_t kLeastPadding = 2, kLargestMap = 64;
  const std::size_t edges = 2 * edge_of(s);
  return s.kernel == kTaps && s.stride == 1 && s.in_channels <= kMostChannels && s.padding >= kLeastPadding &&
         s.padding < kTaps && s.height >= edges && s.width >= edges && s.height <= kLargestMap &&
         s.width <= kLargestMap;
}

namespace {
constexpr std::size_t size_for(std::size_t in_channels) {
  return (reference::patch_sum_index(in_channels, in_channels, 0) + kLanes - 1) / kLanes * kLanes;
}
static_assert(size_for(kMostChannels) == kMostPatchMoments);
}  // namespace

std::size_t patch_moments_size(const ConvShape& s) noexcept {
  return size_for(s.in_channels);
}

std::size_t patch_moments_scratch_size(const ConvShape& s) noexcept {
  // A row for unused lanes, the moments, padded maps, the strips of a pair of channels.
  const std::size_t size = patch_moments_size(s);
  return size + size * kLanes + s.in_channels * padded_map(s) + (1 + 4 * edge_of(s)) * kLags * kLanes;
}

void patch_moments_of_samples(const ConvShape& s, const float* x, std::size_t n_valid, float* rows,
                              float* scratch) noexcept {
  DEEPSAD_CALL_KERNEL(patch_moments_of_samples, s, x, n_valid, rows, scratch);
}
void patch_moments_of_group(const ConvShape& s, const float* x, std::size_t n_valid, double* sums,
                            float* scratch) noexcept {
  DEEPSAD_CALL_KERNEL(patch_moments_of_group, s, x, n_valid, sums, scratch);
}
void sum_of_rows(std::size_t size, const float* values, const std::uint32_t* rows, std::size_t n,
                 double* sums) noexcept {
  DEEPSAD_CALL_KERNEL(sum_of_rows, size, values, rows, n, sums);
}

void add_patch_moments_gradient(const ConvShape& s, const double* moments, double a, double b, const float* w,
                                float* dw) noexcept {
  const std::size_t n = s.in_channels;
  double sums[kMostChannels * kPatch];
  for (std::size_t c = 0; c < n; ++c) {
    for (std::size_t k = 0; k < kPatch; ++k)
      sums[c * kPatch + k] = a * moments[reference::patch_sum_index(n, c, k)];
  }
  for (std::size_t c = 0; c < n; ++c) {
    for (std::size_t other = 0; other < n; ++other) {
      for (std::size_t k = 0; k < kPatch; ++k) {
        const double* const of = moments + reference::moment_index(n, c, k, other, k) - k;
        // The first tap in reading order is of channel c; of one tap, both orders of the channels are there.
        const double factor = b * static_cast<double>(w[c * kPatch + k]);
        double& sum = sums[c * kPatch + k];
        double row = of[k] * static_cast<double>(w[other * kPatch + k]);
        for (std::size_t l = k + 1; l < kPatch; ++l) {
          sums[other * kPatch + l] += factor * of[l];
          row += of[l] * static_cast<double>(w[other * kPatch + l]);
        }
        sum += b * row;
      }
    }
  }
  for (std::size_t k = 0; k < n * kPatch; ++k)
    dw[k] = static_cast<float>(static_cast<double>(dw[k]) + sums[k]);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
