#include "kernels/winograd1d/winograd1d.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/dispatch.h"
#include "kernels/winograd1d/winograd1d_reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd1d/winograd1d.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

#ifndef DEEPSAD_WINOGRAD1D_CONSTANTS
#define DEEPSAD_WINOGRAD1D_CONSTANTS
namespace deepsad::kernels::winograd1d {

constexpr std::size_t kTaps = 5;
constexpr std::size_t kOutputs = 4;                    // columns of a tile
constexpr std::size_t kPoints = kOutputs + kTaps - 1;  // 0, 1, -1, 2, -2, 1/2, -1/2, infinity
constexpr std::size_t kTileRows = 2;
constexpr std::size_t kWindow = kTaps + kTileRows - 1;  // input rows behind a tile

constexpr std::size_t kPointFloats = kPoints * kLanes;    // one transformed position of one channel
constexpr std::size_t kGradientScratch = 160 * 1024 / 4;  // floats that stay in a second-level cache

/// Transformation of the weights of a row (G of docs/kernels.md): point p takes kWeights[p][k] w[k].
constexpr float kWeights[kPoints][kTaps] = {
    {1, 0, 0, 0, 0},
    {-2.0F / 9, -2.0F / 9, -2.0F / 9, -2.0F / 9, -2.0F / 9},
    {-2.0F / 9, 2.0F / 9, -2.0F / 9, 2.0F / 9, -2.0F / 9},
    {1.0F / 90, 2.0F / 90, 4.0F / 90, 8.0F / 90, 16.0F / 90},
    {1.0F / 90, -2.0F / 90, 4.0F / 90, -8.0F / 90, 16.0F / 90},
    {32.0F / 45, 16.0F / 45, 8.0F / 45, 4.0F / 45, 2.0F / 45},
    {32.0F / 45, -16.0F / 45, 8.0F / 45, -4.0F / 45, 2.0F / 45},
    {0, 0, 0, 0, 1},
};

/// Vectors of one row of one tile column. One more than the channels need keeps rows off the same cache sets.
constexpr std::size_t row_floats(std::size_t channels) {
  return channels * kPointFloats + kLanes;
}
constexpr std::size_t tile_columns(const ConvShape& s) {
  return (s.out_width + kOutputs - 1) / kOutputs;
}
/// Transformed rows of x that the weight gradient reads.
constexpr std::size_t gradient_rows(const ConvShape& s) {
  return s.out_height + kTaps - 1;
}
/// Tile columns of the weight gradient that are in work at a time: what they need stays in the cache.
constexpr std::size_t gradient_columns(const ConvShape& s) {
  const std::size_t per_column = kPointFloats * (gradient_rows(s) + s.out_channels * s.out_height);
  const std::size_t fitting = std::max<std::size_t>(1, kGradientScratch / per_column);
  const std::size_t passes = (tile_columns(s) + fitting - 1) / fitting;
  return (tile_columns(s) + passes - 1) / passes;
}
constexpr std::size_t round_up(std::size_t n, std::size_t step) {
  return (n + step - 1) / step * step;
}
/// Sums of the weight gradient in the transformed space.
constexpr std::size_t gradient_sums(const ConvShape& s) {
  return round_up(s.out_channels * s.in_channels * kTaps, kLanes);
}

/// Output channels that the weight gradient of a single input channel takes together at most.
constexpr std::size_t kMostTogether = 2;
constexpr std::size_t single_channel_scratch(const ConvShape& s) {
  // Transformed x of a tile column, dy of the channels together, one vector for each sum, the sums.
  return kPoints * (gradient_rows(s) + 1) * kLanes + kMostTogether * s.out_height * kOutputs * kLanes +
         s.out_channels * kPoints * kTaps * kLanes + kPoints * gradient_sums(s);
}

}  // namespace deepsad::kernels::winograd1d
#endif

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

using namespace winograd1d;

/// The 8 input columns of a tile, transformed: out[p * step] for point p.
HWY_INLINE void transform_input(const V (&in)[kPoints], float* out, std::size_t step) {
  const D d;
  const V five_and_quarter = hn::Set(d, 5.25F);
  hn::Store(hn::MulAdd(five_and_quarter, hn::Sub(in[4], in[2]), hn::Sub(in[0], in[6])), d, out);
  hn::Store(hn::MulAdd(five_and_quarter, hn::Sub(in[3], in[5]), hn::Sub(in[7], in[1])), d, out + 7 * step);
  const auto pair = [&](V even, V odd, std::size_t p) DEEPSAD_KERNEL_LAMBDA {
    hn::Store(hn::Add(even, odd), d, out + p * step);
    hn::Store(hn::Sub(even, odd), d, out + (p + 1) * step);
  };
  const V four_and_quarter = hn::Set(d, 4.25F);
  pair(hn::NegMulAdd(four_and_quarter, in[4], hn::Add(in[2], in[6])),
       hn::NegMulAdd(four_and_quarter, in[3], hn::Add(in[1], in[5])), 1);
  const V quarter = hn::Set(d, 0.25F), half = hn::Set(d, 0.5F), two = hn::Set(d, 2.0F);
  const V five_quarters = hn::Set(d, 1.25F), five_halves = hn::Set(d, 2.5F);
  pair(hn::MulAdd(quarter, in[2], hn::NegMulAdd(five_quarters, in[4], in[6])),
       hn::MulAdd(half, in[1], hn::NegMulAdd(five_halves, in[3], hn::Mul(two, in[5]))), 3);
  const V four = hn::Set(d, 4.0F), five = hn::Set(d, 5.0F);
  pair(hn::MulAdd(four, in[2], hn::NegMulAdd(five, in[4], in[6])),
       hn::MulAdd(two, in[1], hn::NegMulAdd(five_halves, in[3], hn::Mul(half, in[5]))), 5);
}

/// The 4 outputs of a tile from the products at its 8 points.
template <std::size_t kRows>
HWY_INLINE void transform_output(const V (&m)[kPoints][kRows], std::size_t row, V (&out)[kOutputs]) {
  const D d;
  const V sum1 = hn::Add(m[1][row], m[2][row]), difference1 = hn::Sub(m[1][row], m[2][row]);
  const V sum2 = hn::Add(m[3][row], m[4][row]), difference2 = hn::Sub(m[3][row], m[4][row]);
  const V sum3 = hn::Add(m[5][row], m[6][row]), difference3 = hn::Sub(m[5][row], m[6][row]);
  out[0] = hn::Add(hn::Add(m[0][row], sum1), hn::Add(sum2, sum3));
  out[1] = hn::MulAdd(hn::Set(d, 2.0F), difference2, hn::MulAdd(hn::Set(d, 0.5F), difference3, difference1));
  out[2] = hn::MulAdd(hn::Set(d, 4.0F), sum2, hn::MulAdd(hn::Set(d, 0.25F), sum3, sum1));
  out[3] = hn::Add(hn::MulAdd(hn::Set(d, 8.0F), difference2, difference1),
                   hn::MulAdd(hn::Set(d, 0.125F), difference3, m[7][row]));
}

/// Transposed: the 4 output gradients of a tile at its 8 points: out[p * step].
HWY_INLINE void transform_gradient(const V (&g)[kOutputs], float* out, std::size_t step) {
  const D d;
  hn::Store(g[0], d, out);
  hn::Store(g[3], d, out + 7 * step);
  const auto pair = [&](V even, V odd, std::size_t p) DEEPSAD_KERNEL_LAMBDA {
    hn::Store(hn::Add(even, odd), d, out + p * step);
    hn::Store(hn::Sub(even, odd), d, out + (p + 1) * step);
  };
  pair(hn::Add(g[0], g[2]), hn::Add(g[1], g[3]), 1);
  pair(hn::MulAdd(hn::Set(d, 4.0F), g[2], g[0]),
       hn::MulAdd(hn::Set(d, 8.0F), g[3], hn::Mul(hn::Set(d, 2.0F), g[1])), 3);
  pair(hn::MulAdd(hn::Set(d, 0.25F), g[2], g[0]),
       hn::MulAdd(hn::Set(d, 0.125F), g[3], hn::Mul(hn::Set(d, 0.5F), g[1])), 5);
}

/// Transforms n rows, `step` floats apart, for the tile column whose first input column is `first` (negative
/// in the padding). out: points `out_point_step`, rows `out_step` apart.
void transform_rows(std::size_t n, const float* row, std::size_t step, std::size_t map_width,
                    std::ptrdiff_t first, float* out, std::size_t out_step, std::size_t out_point_step) {
  const D d;
  const std::ptrdiff_t width = static_cast<std::ptrdiff_t>(map_width);
  const bool inside = first >= 0 && first + static_cast<std::ptrdiff_t>(kPoints) <= width;
  for (std::size_t i = 0; i < n; ++i, row += step, out += out_step) {
    for (std::size_t part = 0; part < kParts; ++part) {
      V in[kPoints];
      if (inside) {
        const float* at = row + static_cast<std::size_t>(first) * kLanes + part * kVector;
        HWY_UNROLL(8)
        for (std::size_t q = 0; q < kPoints; ++q) in[q] = hn::Load(d, at + q * kLanes);
      } else {
        HWY_UNROLL(8)
        for (std::size_t q = 0; q < kPoints; ++q) {
          const std::ptrdiff_t column = first + static_cast<std::ptrdiff_t>(q);
          in[q] = column >= 0 && column < width
                      ? hn::Load(d, row + static_cast<std::size_t>(column) * kLanes + part * kVector)
                      : hn::Zero(d);
        }
      }
      transform_input(in, out + part * kVector, out_point_step);
    }
  }
}

/// Fetches two rows of four points, of which the processor does not see that they come next: tiles go down
/// the map, so that no two of them lie in one piece. Points behind the end do no harm.
HWY_INLINE void prefetch_tile(const float* point, std::size_t row_step) {
  HWY_UNROLL(2)
  for (std::size_t r = 0; r < kTileRows; ++r) {
    HWY_UNROLL(4)
    for (std::size_t j = 0; j < kOutputs; ++j) hwy::Prefetch(point + r * row_step + j * kLanes);
  }
}

// ------------------------------------------------------------------------------------------------- forward
//
// A tile is 4 columns x 2 rows of one output channel: 8 points x 2 rows = 16 accumulators, which stay in
// registers from the first product to the finished outputs. Per point and input channel 6 vectors and 5
// broadcast weights are loaded for 10 multiply-adds. AVX2's 16 registers hold half of the points at a time.

struct ForwardTile {
  std::array<const float*, kWindow> row;  // transformed input rows, channel 0
  std::size_t channels;
  const float* u;  // packed weights of the output channel: [input channel][point][kernel row]
  float* y;        // first output, or null: not wanted
  std::size_t y_row_step;
  std::size_t rows, columns;  // outputs that exist, <= 2 and <= 4
  // Only with the pool: its first window and the sums of the channel.
  float* pooled;
  std::uint8_t* winner;
  float* sums;  // vectors [kSums][lanes]; null: no moments wanted
  bool first;   // of the channel: sets the shift
};
enum Sums : std::size_t { kShift, kSum, kSquares, kSums };

/// Which rows of a tile's window lie inside the map: [kTop, kEnd). Rows in the padding of the usual 5x5
/// layers, padding 2, are left out at compile time; other paddings read rows of zeros there.
template <std::size_t kTop, std::size_t kEnd>
struct Rows {
  static constexpr bool inside(std::size_t row) { return kTop <= row && row < kEnd; }
};

/// acc[p] <- the products of points kFirst .. kFirst + kCount - 1.
template <std::size_t kFirst, std::size_t kCount, class RowsInside>
HWY_INLINE void add_points(const ForwardTile& t, std::size_t part, V (&acc)[kPoints][kTileRows]) {
  const D d;
  HWY_UNROLL(8)
  for (std::size_t p = kFirst; p < kFirst + kCount; ++p) {
    HWY_UNROLL(2)
    for (std::size_t r = 0; r < kTileRows; ++r) acc[p][r] = hn::Zero(d);
  }
  const float* u = t.u;
  std::size_t at = part * kVector;
  for (std::size_t c = 0; c < t.channels; ++c, at += kPointFloats, u += kPoints * kTaps) {
    HWY_UNROLL(8)
    for (std::size_t p = kFirst; p < kFirst + kCount; ++p) {
      V above = hn::Zero(d);
      if constexpr (RowsInside::inside(0)) above = in_register(hn::Load(d, t.row[0] + at + p * kLanes));
      HWY_UNROLL(5)
      for (std::size_t k = 0; k < kTaps; ++k) {
        // The tap reads window row k for the tile's first row and row k + 1 for its second.
        const bool first = RowsInside::inside(k), second = RowsInside::inside(k + 1);
        if (!first && !second) continue;
        const V weight = in_register(hn::Set(d, u[p * kTaps + k]));
        if (first) acc[p][0] = hn::MulAdd(weight, above, acc[p][0]);
        if (second) {
          above = in_register(hn::Load(d, t.row[k + 1] + at + p * kLanes));
          acc[p][1] = hn::MulAdd(weight, above, acc[p][1]);
        }
      }
    }
  }
}

/// The pool and the sums of a finished tile. A window whose four points do not all exist is dropped.
template <bool kWhole>
HWY_INLINE void pool_tile(const ForwardTile& t, std::size_t part, const V (&out)[kTileRows][kOutputs]) {
  const D d;
  const hn::RebindToSigned<D> d32;
  const hn::Rebind<std::uint8_t, D> d8;
  const std::size_t offset = part * kVector;
  HWY_UNROLL(2)
  for (std::size_t j = 0; j < kOutputs; j += 2) {
    if (!kWhole && (t.rows < kTileRows || j + 2 > t.columns)) break;
    V best = out[0][j];
    auto position = hn::Zero(d32);
    HWY_UNROLL(3)
    for (std::size_t k = 1; k < 4; ++k) {
      const V value = out[k / 2][j + k % 2];
      const auto larger = hn::Gt(value, best);  // the first of equals wins
      best = hn::IfThenElse(larger, value, best);
      position =
          hn::IfThenElse(hn::RebindMask(d32, larger), hn::Set(d32, static_cast<std::int32_t>(k)), position);
    }
    hn::Store(best, d, t.pooled + j / 2 * kLanes + offset);
    hn::StoreU(hn::DemoteTo(d8, position), d8, t.winner + j / 2 * kLanes + offset);
  }
  if (t.sums == nullptr) return;
  if (t.first) hn::Store(out[0][0], d, t.sums + kShift * kLanes + offset);
  const V shift = hn::Load(d, t.sums + kShift * kLanes + offset);
  V sum[2] = {hn::Zero(d), hn::Zero(d)}, squares[2] = {hn::Zero(d), hn::Zero(d)};
  HWY_UNROLL(2)
  for (std::size_t r = 0; r < kTileRows; ++r) {
    HWY_UNROLL(4)
    for (std::size_t j = 0; j < kOutputs; ++j) {
      if (!kWhole && (r >= t.rows || j >= t.columns)) continue;
      const V difference = hn::Sub(out[r][j], shift);
      sum[j % 2] = hn::Add(sum[j % 2], difference);
      squares[j % 2] = hn::MulAdd(difference, difference, squares[j % 2]);
    }
  }
  float* const sums = t.sums + offset;
  hn::Store(hn::Add(hn::Load(d, sums + kSum * kLanes), hn::Add(sum[0], sum[1])), d, sums + kSum * kLanes);
  hn::Store(hn::Add(hn::Load(d, sums + kSquares * kLanes), hn::Add(squares[0], squares[1])), d,
            sums + kSquares * kLanes);
}

/// kWhole: all 2 x 4 outputs exist.
template <bool kWhole, bool kPool, class RowsInside>
HWY_NOINLINE void forward_tile(const ForwardTile& t) {
  const D d;
  for (std::size_t part = 0; part < kParts; ++part) {
    V acc[kPoints][kTileRows];
    if constexpr (kParts == 1) {
      add_points<0, kPoints, RowsInside>(t, part, acc);
    } else {
      add_points<0, kPoints / 2, RowsInside>(t, part, acc);
      add_points<kPoints / 2, kPoints / 2, RowsInside>(t, part, acc);
    }
    V out[kTileRows][kOutputs];
    HWY_UNROLL(2)
    for (std::size_t r = 0; r < kTileRows; ++r) {
      transform_output(acc, r, out[r]);
      if (kPool && t.y == nullptr) continue;
      float* y = t.y + r * t.y_row_step + part * kVector;
      HWY_UNROLL(4)
      for (std::size_t j = 0; j < kOutputs; ++j) {
        if (kWhole || (r < t.rows && j < t.columns)) hn::Store(out[r][j], d, y + j * kLanes);
      }
    }
    if constexpr (kPool) pool_tile<kWhole>(t, part, out);
  }
}

}  // namespace

void winograd1d_pack(const ConvShape& s, ConvWeights form, const float* w, float* packed) noexcept {
  constexpr std::size_t kWeightsOfMap = kTaps * kTaps;
  for (std::size_t o = 0; o < s.out_channels; ++o) {
    for (std::size_t c = 0; c < s.in_channels; ++c, packed += kPoints * kTaps) {
      for (std::size_t a = 0; a < kTaps; ++a) {
        float row[kTaps];
        for (std::size_t b = 0; b < kTaps; ++b) {
          row[b] = form == ConvWeights::as_is
                       ? w[(o * s.in_channels + c) * kWeightsOfMap + a * kTaps + b]
                       : w[(c * s.out_channels + o) * kWeightsOfMap + kWeightsOfMap - 1 - (a * kTaps + b)];
        }
        for (std::size_t p = 0; p < kPoints; ++p) {
          float sum = 0;
          for (std::size_t b = 0; b < kTaps; ++b) sum += kWeights[p][b] * row[b];
          packed[p * kTaps + a] = sum;
        }
      }
    }
  }
}

namespace {

/// Sums of a channel about a shift, one for each lane, as the tiles of a column leave them.
struct ChannelSums {
  double sum[kLanes], squares[kLanes];

  /// Takes over the sums in float, which start anew: few additions each keep their errors small.
  void fold(float* sums) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      sum[l] += static_cast<double>(sums[kSum * kLanes + l]);
      squares[l] += static_cast<double>(sums[kSquares * kLanes + l]);
    }
    std::fill_n(sums + kSum * kLanes, 2 * kLanes, 0.0F);
  }
  /// Mean of the valid lanes and squares about it; n points in each lane.
  void moments(const float* shift, std::size_t n_valid, double n, double& mean, double& m2) const {
    double lane_mean[kLanes];
    double total = 0;
    for (std::size_t l = 0; l < n_valid; ++l) {
      lane_mean[l] = static_cast<double>(shift[l]) + sum[l] / n;
      total += lane_mean[l];
    }
    mean = total / static_cast<double>(n_valid);
    m2 = 0;
    for (std::size_t l = 0; l < n_valid; ++l) {
      const double difference = lane_mean[l] - mean;
      m2 += std::max(0.0, squares[l] - sum[l] * sum[l] / n) + n * difference * difference;
    }
  }
};
constexpr std::size_t kSumsFloats = kSums * kLanes + sizeof(ChannelSums) / sizeof(float);
static_assert(kSumsFloats == (3 + 4) * kLanes);  // winograd1d_forward_scratch_size()

template <bool kWhole, bool kPool>
auto tile_for(std::size_t first_inside, std::size_t inside_end) {
  if (first_inside == 2 && inside_end == kWindow) return forward_tile<kWhole, kPool, Rows<2, kWindow>>;
  if (first_inside == 0 && inside_end == kWindow - 2)
    return forward_tile<kWhole, kPool, Rows<0, kWindow - 2>>;
  return forward_tile<kWhole, kPool, Rows<0, kWindow>>;
}

template <bool kPool>
HWY_INLINE void forward(const ConvShape& s, const float* x, const float* packed, const PooledOutput& output,
                        float* scratch) {
  // A ring of transformed rows, and a row of zeros for those in the padding.
  const std::size_t row_step = row_floats(s.in_channels);
  float* const zeros = scratch + kWindow * row_step;
  std::fill_n(zeros, row_step, 0.0F);
  float* const sums = zeros + row_step;  // of each channel, then its ChannelSums
  const bool moments = kPool && output.mean != nullptr;
  if (moments) std::fill_n(sums, s.out_channels * kSumsFloats, 0.0F);
  const auto channel_sums = [&](std::size_t o) {
    return reinterpret_cast<ChannelSums*>(sums + o * kSumsFloats + kSums * kLanes);
  };
  const std::size_t map = s.out_height * s.out_width * kLanes, weights_step = s.in_channels * kPoints * kTaps;
  const std::size_t pooled_width = s.out_width / 2, pooled_map = s.out_height / 2 * pooled_width * kLanes;
  const std::ptrdiff_t padding = static_cast<std::ptrdiff_t>(s.padding);
  ForwardTile t;
  t.channels = s.in_channels;
  t.y_row_step = s.out_width * kLanes;
  t.sums = nullptr;
  for (std::size_t column = 0; column < s.out_width; column += kOutputs) {
    t.columns = std::min(kOutputs, s.out_width - column);
    std::ptrdiff_t next = -padding;  // first input row that was not transformed yet
    for (std::size_t i = 0; i < s.out_height; i += kTileRows) {
      const std::ptrdiff_t top = static_cast<std::ptrdiff_t>(i) - padding;
      for (; next < top + static_cast<std::ptrdiff_t>(kWindow); ++next) {
        if (next < 0 || next >= static_cast<std::ptrdiff_t>(s.height)) continue;
        transform_rows(s.in_channels, x + static_cast<std::size_t>(next) * s.width * kLanes,
                       s.height * s.width * kLanes, s.width, static_cast<std::ptrdiff_t>(column) - padding,
                       scratch + static_cast<std::size_t>(next) % kWindow * row_step, kPointFloats, kLanes);
      }
      for (std::size_t k = 0; k < kWindow; ++k) {
        const std::ptrdiff_t row = top + static_cast<std::ptrdiff_t>(k);
        t.row[k] = row < 0 || row >= static_cast<std::ptrdiff_t>(s.height)
                       ? zeros
                       : scratch + static_cast<std::size_t>(row) % kWindow * row_step;
      }
      t.rows = std::min(kTileRows, s.out_height - i);
      const std::size_t point = (i * s.out_width + column) * kLanes;
      const std::size_t below =
          i + kTileRows < s.out_height ? point + kTileRows * t.y_row_step : (column + kOutputs) * kLanes;
      const std::size_t window = (i / 2 * pooled_width + column / 2) * kLanes;
      t.first = column == 0 && i == 0;
      const std::size_t first_inside = top < 0 ? static_cast<std::size_t>(-top) : 0;
      const std::size_t inside_end = std::min(kWindow, static_cast<std::size_t>(std::max<std::ptrdiff_t>(
                                                           0, static_cast<std::ptrdiff_t>(s.height) - top)));
      const auto tile = t.rows == kTileRows && t.columns == kOutputs
                            ? tile_for<true, kPool>(first_inside, inside_end)
                            : tile_for<false, kPool>(first_inside, inside_end);
      // Addresses are computed, not advanced in t: g++ would add to two of them at once, with a load of what
      // was just stored in two parts, for which the processor waits.
      for (std::size_t o = 0; o < s.out_channels; ++o) {
        t.u = packed + o * weights_step;
        t.y = output.y == nullptr ? nullptr : output.y + o * map + point;
        if constexpr (kPool) {
          t.pooled = output.pooled + o * pooled_map + window;
          t.winner = output.winner + o * pooled_map + window;
        }
        if (moments) t.sums = sums + o * kSumsFloats;
        if (t.y != nullptr) prefetch_tile(output.y + o * map + below, t.y_row_step);
        tile(t);
      }
    }
    if (!moments) continue;
    for (std::size_t o = 0; o < s.out_channels; ++o) channel_sums(o)->fold(sums + o * kSumsFloats);
  }
  if (!moments) return;
  const double n = static_cast<double>(s.out_height * s.out_width);
  for (std::size_t o = 0; o < s.out_channels; ++o) {
    channel_sums(o)->moments(sums + o * kSumsFloats + kShift * kLanes, output.n_valid, n, output.mean[o],
                             output.m2[o]);
  }
}

}  // namespace

void winograd1d_forward(const ConvShape& s, const float* x, const float* packed, float* y,
                        float* scratch) noexcept {
  forward<false>(
      s, x, packed,
      {.y = y, .pooled = nullptr, .winner = nullptr, .n_valid = kLanes, .mean = nullptr, .m2 = nullptr},
      scratch);
}

void winograd1d_forward_pool(const ConvShape& s, const float* x, const float* packed,
                             const PooledOutput& output, float* scratch) noexcept {
  forward<true>(s, x, packed, output, scratch);
}

// ----------------------------------------------------------------------------------------- weight gradient
//
// For one point, input channel and kOc output channels: 5 kernel rows x kOc accumulators walk down the rows
// of some tile columns: 5 + kOc loads for 5 kOc multiply-adds. The lanes are summed at the end.

namespace {

struct GradientTile {
  const float* v;  // transformed x of the channel and point: [column][row]
  std::size_t v_column_step;
  const float* g;  // transformed dy of the first channel and point: [column][row]
  std::size_t g_column_step, g_channel_step;
  std::size_t columns, rows;
  float* sums;  // kernel row 0 of the first output channel; added to
  std::size_t sums_channel_step;
};

template <std::size_t kOc>
HWY_NOINLINE void gradient_tile(const GradientTile& t) {
  const D d;
  constexpr std::size_t kSums = kOc * kTaps;
  constexpr std::size_t kPadded = (kSums + 3) / 4 * 4;
  V acc[kPadded];
  HWY_UNROLL(32)
  for (std::size_t k = 0; k < kPadded; ++k) acc[k] = hn::Zero(d);
  for (std::size_t column = 0; column < t.columns; ++column) {
    const float* v = t.v + column * t.v_column_step;
    const float* g = t.g + column * t.g_column_step;
    for (std::size_t i = 0; i < t.rows * kParts; ++i, v += kVector, g += kVector) {
      V gradient[kOc];
      HWY_UNROLL(4)
      for (std::size_t o = 0; o < kOc; ++o) gradient[o] = in_register(hn::Load(d, g + o * t.g_channel_step));
      HWY_UNROLL(5)
      for (std::size_t a = 0; a < kTaps; ++a) {
        const V value = in_register(hn::Load(d, v + a * kLanes));
        HWY_UNROLL(4)
        for (std::size_t o = 0; o < kOc; ++o) {
          acc[o * kTaps + a] = hn::MulAdd(gradient[o], value, acc[o * kTaps + a]);
        }
      }
    }
  }
  alignas(64) float sums[kPadded];
  HWY_UNROLL(8)
  for (std::size_t k = 0; k < kPadded; k += 4) sum_lanes(acc + k, sums + k);
  for (std::size_t o = 0; o < kOc; ++o) {
    for (std::size_t a = 0; a < kTaps; ++a) t.sums[o * t.sums_channel_step + a] += sums[o * kTaps + a];
  }
}

/// dw[b] += sum over points of kWeights[p][b] sums[p], for every weight row.
void add_weight_gradient(std::size_t n_rows, std::size_t step, const float* sums, float* dw) {
  const D d;
  for (std::size_t r = 0; r < n_rows; r += kVector) {
    V m[kPoints];
    for (std::size_t p = 0; p < kPoints; ++p) m[p] = hn::LoadU(d, sums + p * step + r);
    alignas(64) float out[kTaps][kVector];
    for (std::size_t b = 0; b < kTaps; ++b) {
      V sum = hn::Mul(hn::Set(d, kWeights[0][b]), m[0]);
      for (std::size_t p = 1; p < kPoints; ++p) sum = hn::MulAdd(hn::Set(d, kWeights[p][b]), m[p], sum);
      hn::Store(sum, d, out[b]);
    }
    const std::size_t n = std::min(kVector, n_rows - r);
    for (std::size_t l = 0; l < n; ++l) {
      for (std::size_t b = 0; b < kTaps; ++b) dw[(r + l) * kTaps + b] += out[b][l];
    }
  }
}

/// Transforms n <= 4 columns of dy of one output channel, rows `step` apart: out [point][row].
HWY_INLINE void transform_gradient_rows(std::size_t rows, const float* dy, std::size_t step, std::size_t n,
                                        float* out, std::size_t point_step) {
  const D d;
  for (std::size_t i = 0; i < rows; ++i, dy += step, out += kLanes) {
    for (std::size_t part = 0; part < kParts; ++part) {
      V g[kOutputs];
      HWY_UNROLL(4)
      for (std::size_t j = 0; j < kOutputs; ++j) {
        g[j] = j < n ? hn::Load(d, dy + j * kLanes + part * kVector) : hn::Zero(d);
      }
      transform_gradient(g, out + part * kVector, point_step);
    }
  }
}

// A single input channel has too few products for the transformed dy to be stored and loaded again. Here two
// points a and -a, kOc output channels and 5 kernel rows are a tile; dy of the tile's column lies in the
// first-level cache, and its two points are made anew in registers. The sums stay vectors until all columns
// are done.

struct PairTile {
  const float* v;  // transformed x at the first point: [row]
  std::size_t v_point_step;
  const float* g;  // [channel][row][4 columns]
  std::size_t rows;
  float* acc;  // vectors [2 points][5 kernel rows][kOc]; added to
};

/// The points of a pair: 0 and infinity, 1 and -1, 2 and -2, 1/2 and -1/2.
constexpr std::size_t first_point(std::size_t pair) {
  return pair == 0 ? 0 : 2 * pair - 1;
}
constexpr std::size_t second_point(std::size_t pair) {
  return pair == 0 ? kPoints - 1 : 2 * pair;
}

template <std::size_t kPair, std::size_t kOc>
HWY_NOINLINE void pair_tile(const PairTile& t) {
  const D d;
  constexpr std::size_t kSums = 2 * kTaps * kOc;
  V acc[kSums];
  HWY_UNROLL(20)
  for (std::size_t k = 0; k < kSums; ++k) acc[k] = hn::Load(d, t.acc + k * kVector);
  const float* v[2] = {t.v, t.v + t.v_point_step};
  const std::size_t channel_step = t.rows * kOutputs * kLanes;
  for (std::size_t i = 0; i < t.rows; ++i) {
    HWY_UNROLL(2)
    for (std::size_t part = 0; part < kParts; ++part) {
      V point[2][kOc];
      HWY_UNROLL(2)
      for (std::size_t o = 0; o < kOc; ++o) {
        const float* g = t.g + o * channel_step + i * kOutputs * kLanes + part * kVector;
        const V g0 = hn::Load(d, g), g3 = hn::Load(d, g + 3 * kLanes);
        if constexpr (kPair == 0) {
          point[0][o] = in_register(g0);
          point[1][o] = in_register(g3);
        } else {
          const V g1 = hn::Load(d, g + kLanes), g2 = hn::Load(d, g + 2 * kLanes);
          V even, odd;
          if constexpr (kPair == 1) {
            even = hn::Add(g0, g2);
            odd = hn::Add(g1, g3);
          } else {
            const float a = kPair == 2 ? 2.0F : 0.5F;
            even = hn::MulAdd(hn::Set(d, a * a), g2, g0);
            odd = hn::Mul(hn::Set(d, a), hn::MulAdd(hn::Set(d, a * a), g3, g1));
          }
          point[0][o] = in_register(hn::Add(even, odd));
          point[1][o] = in_register(hn::Sub(even, odd));
        }
      }
      HWY_UNROLL(2)
      for (std::size_t p = 0; p < 2; ++p) {
        HWY_UNROLL(5)
        for (std::size_t a = 0; a < kTaps; ++a) {
          const V value = in_register(hn::Load(d, v[p] + (i + a) * kLanes + part * kVector));
          HWY_UNROLL(2)
          for (std::size_t o = 0; o < kOc; ++o) {
            V& sum = acc[(p * kTaps + a) * kOc + o];
            sum = hn::MulAdd(point[p][o], value, sum);
          }
        }
      }
    }
  }
  HWY_UNROLL(20)
  for (std::size_t k = 0; k < kSums; ++k) hn::Store(acc[k], d, t.acc + k * kVector);
}

template <std::size_t kOc>
void pair_tiles(const float* v, std::size_t v_step, const float* g, std::size_t rows, float* acc) {
  constexpr std::size_t kSums = 2 * kTaps * kOc * kVector;
  const auto tile = [&](std::size_t pair) {
    return PairTile{v + first_point(pair) * v_step, (second_point(pair) - first_point(pair)) * v_step, g,
                    rows, acc + pair * kSums};
  };
  pair_tile<0, kOc>(tile(0));
  pair_tile<1, kOc>(tile(1));
  pair_tile<2, kOc>(tile(2));
  pair_tile<3, kOc>(tile(3));
}

/// Adds up the lanes of the sums of kOc output channels: sums[point][channel][kernel row], points `step`
/// apart.
template <std::size_t kOc>
void sum_pairs(const float* acc, std::size_t step, float* sums) {
  const D d;
  constexpr std::size_t kSums = kPoints * kTaps * kOc;  // a multiple of 4
  alignas(64) float scalars[kSums];
  for (std::size_t k = 0; k < kSums; k += 4) {
    V v[4];
    HWY_UNROLL(4)
    for (std::size_t j = 0; j < 4; ++j) v[j] = hn::Load(d, acc + (k + j) * kVector);
    sum_lanes(v, scalars + k);
  }
  const float* scalar = scalars;
  for (std::size_t pair = 0; pair < kPoints / 2; ++pair) {
    for (const std::size_t p : {first_point(pair), second_point(pair)}) {
      for (std::size_t a = 0; a < kTaps; ++a) {
        for (std::size_t o = 0; o < kOc; ++o) sums[p * step + o * kTaps + a] = *scalar++;
      }
    }
  }
}

/// Output channels whose products are made together: as many as the registers hold.
constexpr std::size_t kTogether = kParts == 1 ? kMostTogether : 1;

/// The weight gradient with one input channel. fill(channel, column, n, g) writes dy of one output channel
/// and of the n <= 4 columns from `column` on: [row][4 columns], zero in columns that do not exist.
template <class Fill>
HWY_INLINE void single_channel_gradient(const ConvShape& s, const float* x, float* dw, float* scratch,
                                        Fill fill) {
  const std::size_t v_step = (gradient_rows(s) + 1) * kLanes;
  const std::size_t g_channel = s.out_height * kOutputs * kLanes;
  constexpr std::size_t kAccPerChannel = kPoints * kTaps * kVector;
  const std::size_t sums_step = gradient_sums(s);
  float* const v = scratch;
  float* const g = v + kPoints * v_step;
  float* const acc = g + kMostTogether * g_channel;
  float* const sums = acc + s.out_channels * kAccPerChannel;
  std::fill_n(v, kPoints * v_step, 0.0F);  // rows in the padding stay zero
  std::fill_n(acc, s.out_channels * kAccPerChannel, 0.0F);
  const std::size_t top = std::min(s.padding, gradient_rows(s));
  const std::size_t rows = std::min(s.height, gradient_rows(s) - top);
  for (std::size_t column = 0; column < s.out_width; column += kOutputs) {
    const std::size_t n = std::min(kOutputs, s.out_width - column);
    transform_rows(rows, x, s.width * kLanes, s.width,
                   static_cast<std::ptrdiff_t>(column) - static_cast<std::ptrdiff_t>(s.padding),
                   v + top * kLanes, kLanes, v_step);
    for (std::size_t o = 0, together = 0; o < s.out_channels; o += together) {
      together = std::min(kTogether, s.out_channels - o);
      for (std::size_t k = 0; k < together; ++k) fill(o + k, column, n, g + k * g_channel);
      float* const sum = acc + o * kAccPerChannel;
      if (together == kTogether) {
        pair_tiles<kTogether>(v, v_step, g, s.out_height, sum);
      } else {
        pair_tiles<1>(v, v_step, g, s.out_height, sum);
      }
    }
  }
  for (std::size_t o = 0, together = 0; o < s.out_channels; o += together) {
    together = std::min(kTogether, s.out_channels - o);
    const auto sum = together == kTogether ? sum_pairs<kTogether> : sum_pairs<1>;
    sum(acc + o * kAccPerChannel, sums_step, sums + o * kTaps);
  }
  add_weight_gradient(s.out_channels * kTaps, sums_step, sums, dw);
}

/// The gradient at the points of one channel's output, from what PooledGradient says.
class UnpoolChannel {
 public:
  UnpoolChannel(const PooledGradient& dy, std::size_t c) {
    const D d;
    const float inv_std = dy.inv_std[c];
    // inv_std (g - mean_g - xhat mean_gx), the last two terms first
    mean_ = hn::Set(d, dy.mean[c]);
    scale_ = hn::Set(d, inv_std);
    constant_ = hn::Set(d, -inv_std * dy.mean_g[c]);
    slope_ = hn::Set(d, -inv_std * inv_std * dy.mean_gx[c]);
  }
  /// What the winner of a window gets that the others do not: g of the window, or none.
  struct Window {
    V winner_term;
    hn::Vec<hn::RebindToSigned<D>> position;
  };
  HWY_INLINE Window window(const float* g, const std::uint8_t* winner) const {
    const hn::RebindToSigned<D> d32;
    const hn::Rebind<std::uint8_t, D> d8;
    return {hn::MulAdd(scale_, hn::Load(D(), g), constant_), hn::PromoteTo(d32, hn::LoadU(d8, winner))};
  }
  HWY_INLINE Window no_window() const { return {constant_, hn::Set(hn::RebindToSigned<D>(), -1)}; }
  /// At point k of the window, whose output is x.
  HWY_INLINE V gradient(const Window& window, std::size_t k, V x, M valid) const {
    const hn::RebindToSigned<D> d32;
    const auto won = hn::RebindMask(D(), hn::Eq(window.position, hn::Set(d32, static_cast<std::int32_t>(k))));
    const V value = hn::MulAdd(slope_, hn::Sub(x, mean_), hn::IfThenElse(won, window.winner_term, constant_));
    return hn::IfThenElseZero(valid, value);
  }

 private:
  V mean_, scale_, constant_, slope_;
};

/// Columns of the gradient that PooledGradient describes.
class UnpoolColumn {
 public:
  UnpoolColumn(const ConvShape& s, const PooledGradient& dy)
      : dy_(dy), channels_(s.out_channels), height_(s.out_height), width_(s.out_width), valid_(dy.n_valid) {}

  /// From the stored output of the convolution.
  HWY_NOINLINE void from_memory(std::size_t c, std::size_t column, std::size_t n, float* out) const {
    const std::size_t map = height_ * width_ * kLanes, row_step = width_ * kLanes;
    const float* z = dy_.x + c * map + column * kLanes;
    // What comes after the channels that are taken together.
    const float* ahead = dy_.x + (c + kTogether < channels_ ? (c + kTogether) * map + column * kLanes
                                                            : (column + kOutputs) * kLanes);
    const D d;
    const UnpoolChannel channel(dy_, c);
    const std::size_t pooled_height = height_ / 2, pooled_width = width_ / 2;
    // Two rows of four columns, kWhole: of which all exist and lie in two windows.
    const auto fill = [&](std::size_t i, auto whole, float* to) DEEPSAD_KERNEL_LAMBDA {
      constexpr bool kWhole = decltype(whole)::value;
      prefetch_tile(ahead + i * row_step, row_step);
      HWY_UNROLL(2)
      for (std::size_t j = 0; j < kOutputs; j += 2) {
        const bool has_window = kWhole || (i / 2 < pooled_height && (column + j) / 2 < pooled_width);
        const std::size_t at = ((c * pooled_height + i / 2) * pooled_width + (column + j) / 2) * kLanes;
        HWY_UNROLL(2)
        for (std::size_t part = 0; part < kParts; ++part) {
          const auto window =
              has_window ? channel.window(dy_.g + at + part * kVector, dy_.winner + at + part * kVector)
                         : channel.no_window();
          HWY_UNROLL(4)
          for (std::size_t k = 0; k < 4; ++k) {
            const std::size_t row = k / 2, at_column = j + k % 2;
            if (!kWhole && i + row >= height_) continue;
            V value = hn::Zero(d);
            if (kWhole || at_column < n) {
              const float* from = z + (i + row) * row_step + at_column * kLanes + part * kVector;
              value = channel.gradient(window, k, hn::Load(d, from), valid_.part[part]);
            }
            hn::Store(value, d, to + (row * kOutputs + at_column) * kLanes + part * kVector);
          }
        }
      }
    };
    const std::size_t whole_rows =
        n == kOutputs && (column + kOutputs) / 2 <= pooled_width ? 2 * pooled_height : 0;
    std::size_t i = 0;
    for (; i < whole_rows; i += 2, out += 2 * kOutputs * kLanes) fill(i, std::true_type(), out);
    for (; i < height_; i += 2, out += 2 * kOutputs * kLanes) fill(i, std::false_type(), out);
  }

  /// Without what is proportional to the output: inv_std (g - mean_g), g of the winners.
  HWY_NOINLINE void from_winners(std::size_t c, std::size_t column, std::size_t n, float* out) const {
    const D d;
    const hn::RebindToSigned<D> d32;
    const hn::Rebind<std::uint8_t, D> d8;
    const V scale = hn::Set(d, dy_.inv_std[c]), constant = hn::Set(d, -dy_.inv_std[c] * dy_.mean_g[c]);
    const std::size_t pooled_height = height_ / 2, pooled_width = width_ / 2;
    const std::size_t windows = std::min(kOutputs / 2, pooled_width - std::min(pooled_width, column / 2));
    if (height_ % 2 != 0 || windows < kOutputs / 2) {  // there are points in no window, or none
      for (std::size_t i = 0; i < height_ * kOutputs; ++i) {
        for (std::size_t part = 0; part < kParts; ++part) {
          const V value = i % kOutputs < n ? hn::IfThenElseZero(valid_.part[part], constant) : hn::Zero(d);
          hn::Store(value, d, out + i * kLanes + part * kVector);
        }
      }
    }
    const std::size_t map = c * pooled_height * pooled_width * kLanes;
    for (std::size_t i = 0; i < pooled_height; ++i, out += 2 * kOutputs * kLanes) {
      for (std::size_t j = 0; j < windows; ++j) {
        const std::size_t at = map + (i * pooled_width + column / 2 + j) * kLanes;
        // Of the next column, of which the processor does not see that it comes: no two rows lie in one
        // piece.
        hwy::Prefetch(dy_.g + at + kOutputs / 2 * kLanes);
        hwy::Prefetch(dy_.winner + at + kOutputs / 2 * kLanes);
        HWY_UNROLL(2)
        for (std::size_t part = 0; part < kParts; ++part) {
          const M valid = valid_.part[part];
          const V others = hn::IfThenElseZero(valid, constant);
          const V winner = hn::IfThenElseZero(
              valid, hn::MulAdd(scale, hn::Load(d, dy_.g + at + part * kVector), constant));
          const auto position = hn::PromoteTo(d32, hn::LoadU(d8, dy_.winner + at + part * kVector));
          float* const to = out + 2 * j * kLanes + part * kVector;
          HWY_UNROLL(4)
          for (std::size_t k = 0; k < 4; ++k) {
            const auto won = hn::RebindMask(d, hn::Eq(position, hn::Set(d32, static_cast<std::int32_t>(k))));
            hn::Store(hn::IfThenElse(won, winner, others), d, to + (k / 2 * kOutputs + k % 2) * kLanes);
          }
        }
      }
    }
  }

 private:
  PooledGradient dy_;
  std::size_t channels_, height_, width_;
  ValidLanes valid_;
};

/// The weight gradient with several input channels. transform(channel, column, n, out, point_step) writes the
/// transformed dy of one output channel and of the n <= 4 columns from `column` on: [point][row].
template <class Transform>
HWY_INLINE void several_channels_gradient(const ConvShape& s, const float* x, float* dw, float* scratch,
                                          Transform transform) {
  const std::size_t pass = gradient_columns(s);
  const std::size_t v_column_step = gradient_rows(s) * kLanes, v_point_step = pass * v_column_step + kLanes;
  const std::size_t g_column_step = s.out_height * kLanes, g_channel_step = pass * g_column_step;
  const std::size_t g_point_step = s.out_channels * g_channel_step + kLanes;
  const std::size_t sums_step = gradient_sums(s);
  float* const sums = scratch;
  float* const v = sums + kPoints * sums_step;
  float* const g = v + kPoints * v_point_step;
  // Rows of v that lie in the padding stay zero.
  std::fill(scratch, g, 0.0F);
  const std::size_t top = std::min(s.padding, gradient_rows(s));
  const std::size_t rows = std::min(s.height, gradient_rows(s) - top);
  GradientTile t;
  t.v_column_step = v_column_step;
  t.g_column_step = g_column_step;
  t.g_channel_step = g_channel_step;
  t.rows = s.out_height;
  t.sums_channel_step = s.in_channels * kTaps;
  for (std::size_t first = 0; first < tile_columns(s); first += pass) {
    t.columns = std::min(pass, tile_columns(s) - first);
    for (std::size_t k = 0; k < t.columns; ++k) {
      const std::size_t column = (first + k) * kOutputs, n = std::min(kOutputs, s.out_width - column);
      for (std::size_t o = 0; o < s.out_channels; ++o) {
        transform(o, column, n, g + k * g_column_step + o * g_channel_step, g_point_step);
      }
    }
    for (std::size_t c = 0; c < s.in_channels; ++c) {
      for (std::size_t k = 0; k < t.columns; ++k) {
        const std::size_t column = (first + k) * kOutputs;
        transform_rows(rows, x + c * s.height * s.width * kLanes, s.width * kLanes, s.width,
                       static_cast<std::ptrdiff_t>(column) - static_cast<std::ptrdiff_t>(s.padding),
                       v + k * v_column_step + top * kLanes, kLanes, v_point_step);
      }
      for (std::size_t p = 0; p < kPoints; ++p) {
        t.v = v + p * v_point_step;
        for (std::size_t o = 0, outputs = 0; o < s.out_channels; o += outputs) {
          const std::size_t left = s.out_channels - o;
          constexpr std::size_t kMost = kParts == 1 ? 4 : 2;
          outputs = left >= kMost ? kMost : left >= 2 ? 2 : 1;
          t.g = g + p * g_point_step + o * g_channel_step;
          t.sums = sums + p * sums_step + (o * s.in_channels + c) * kTaps;
          if (outputs == kMost) {
            gradient_tile<kMost>(t);
          } else if (outputs == 2) {
            gradient_tile<2>(t);
          } else {
            gradient_tile<1>(t);
          }
        }
      }
    }
  }
  add_weight_gradient(s.out_channels * s.in_channels * kTaps, sums_step, sums, dw);
}

}  // namespace

void winograd1d_weight_gradient_unpool(const ConvShape& s, const float* x, const PooledGradient& dy,
                                       float* dw, float* scratch) noexcept {
  const UnpoolColumn unpool(s, dy);
  const auto fill = [&](std::size_t o, std::size_t column, std::size_t n, float* out) {
    if (dy.x == nullptr) {
      unpool.from_winners(o, column, n, out);
    } else {
      unpool.from_memory(o, column, n, out);
    }
  };
  if (s.in_channels == 1) {
    single_channel_gradient(s, x, dw, scratch, fill);
  } else {
    constexpr std::size_t kRow = kOutputs * kLanes;
    float* const made = scratch;  // dy of one channel and tile column: stays in the first-level cache
    several_channels_gradient(
        s, x, dw, scratch + s.out_height * kRow,
        [&](std::size_t o, std::size_t column, std::size_t n, float* out, std::size_t point_step) {
          fill(o, column, n, made);
          transform_gradient_rows(s.out_height, made, kRow, kOutputs, out, point_step);
        });
  }
}

void winograd1d_weight_gradient(const ConvShape& s, const float* x, const float* dy, float* dw,
                                float* scratch) noexcept {
  if (s.in_channels == 1) {
    const auto copy = [&](std::size_t c, std::size_t column, std::size_t n, float* out) {
      for (std::size_t i = 0; i < s.out_height; ++i, out += kOutputs * kLanes) {
        std::copy_n(dy + ((c * s.out_height + i) * s.out_width + column) * kLanes, n * kLanes, out);
        std::fill_n(out + n * kLanes, (kOutputs - n) * kLanes, 0.0F);
      }
    };
    return single_channel_gradient(s, x, dw, scratch, copy);
  }
  several_channels_gradient(
      s, x, dw, scratch,
      [&](std::size_t o, std::size_t column, std::size_t n, float* out, std::size_t point_step) {
        transform_gradient_rows(s.out_height, dy + (o * s.out_height * s.out_width + column) * kLanes,
                                s.out_width * kLanes, n, out, point_step);
      });
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

using namespace winograd1d;

bool winograd1d_serves(const ConvShape& s) noexcept {
  return s.kernel == kTaps && s.stride == 1;
}

std::size_t winograd1d_packed_size(const ConvShape& s) noexcept {
  return s.out_channels * s.in_channels * kPoints * kTaps;
}
std::size_t winograd1d_forward_scratch_size(const ConvShape& s) noexcept {
  // The ring and the row of zeros; shift and sums of each channel in float, and in double.
  return (kWindow + 1) * row_floats(s.in_channels) + s.out_channels * (3 + 4) * kLanes;
}
std::size_t winograd1d_pool_scratch_size(const ConvShape& s) noexcept {
  // The reference stores all of an output that is not wanted.
  const std::size_t all = s.out_channels * s.out_height * s.out_width * kLanes;
  return std::max(winograd1d_forward_scratch_size(s), active_isa() == Isa::scalar ? all : 0);
}
std::size_t winograd1d_gradient_scratch_size(const ConvShape& s) noexcept {
  if (s.in_channels == 1) return single_channel_scratch(s);
  return kPoints * (gradient_sums(s) + 2 * kLanes) +
         gradient_columns(s) * kPointFloats * (gradient_rows(s) + s.out_channels * s.out_height);
}

std::size_t winograd1d_unpool_scratch_size(const ConvShape& s) noexcept {
  // Of several channels, dy of a tile column on top. The reference stores all of dy.
  return std::max(winograd1d_gradient_scratch_size(s) + s.out_height * kOutputs * kLanes,
                  s.out_channels * s.out_height * s.out_width * kLanes);
}

void winograd1d_pack(const ConvShape& s, ConvWeights form, const float* w, float* packed) noexcept {
  DEEPSAD_CALL_KERNEL(winograd1d_pack, s, form, w, packed);
}
void winograd1d_forward(const ConvShape& s, const float* x, const float* packed, float* y,
                        float* scratch) noexcept {
  DEEPSAD_CALL_KERNEL(winograd1d_forward, s, x, packed, y, scratch);
}
void winograd1d_forward_pool(const ConvShape& s, const float* x, const float* packed,
                             const PooledOutput& output, float* scratch) noexcept {
  DEEPSAD_CALL_KERNEL(winograd1d_forward_pool, s, x, packed, output, scratch);
}
void winograd1d_weight_gradient(const ConvShape& s, const float* x, const float* dy, float* dw,
                                float* scratch) noexcept {
  DEEPSAD_CALL_KERNEL(winograd1d_weight_gradient, s, x, dy, dw, scratch);
}

void winograd1d_weight_gradient_unpool(const ConvShape& s, const float* x, const PooledGradient& dy,
                                       float* dw, float* scratch) noexcept {
  DEEPSAD_CALL_KERNEL(winograd1d_weight_gradient_unpool, s, x, dy, dw, scratch);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
