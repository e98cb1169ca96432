#include "kernels/conv2d/conv2d.h"

#include <algorithm>
#include <cstddef>

#include "kernels/conv2d/conv2d_reference.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d/conv2d.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

// ----------------------------------------------------------------------------------------------------------
// forward
//
// A tile is kOc output channels times kPx neighbouring pixels of one output row, one accumulator each. Per
// tap: kOc broadcast weights and kPx input vectors for kOc * kPx multiply-adds. The budget is accumulators +
// operands <= 30 of 32 registers (AVX-512), 15 of 16 (AVX2); at least 8 accumulators hide the latency of the
// multiply-add (4 cycles, 2 units). On AVX2 a tile usually holds one half of the lanes (kTileParts = 1) and
// the other half follows.

/// Where a tile reads and writes.
struct Tile {
  const float* x;              // first input channel, first valid input row, column 0
  std::size_t channel_step;    // floats between input channels
  std::size_t row_step;        // floats between input rows
  std::size_t channels, rows;  // input channels, valid kernel rows
  std::size_t kernel;
  const float* w;  // packed weights of the first channel and valid kernel row
  std::size_t
      skipped_weights;  // floats between the last valid kernel row of a channel and the first of the next
  float* y;             // first pixel, first output channel
  std::size_t y_channel_step;
  bool accumulate;        // add to y, which holds the sum over earlier input channels
  std::ptrdiff_t column;  // input column of the first pixel's first tap; negative in the left padding
  std::ptrdiff_t stride, width;
  std::size_t pixels;  // pixels that exist, <= kPx
};

/// acc += the taps [first, last) of one kernel row, for pixels of which none (kChecked false) or some are
/// missing or in the padding. row: column 0 of the input row; w: weights of tap 0.
template <std::size_t kOc, std::size_t kVectors, std::size_t kTileParts, bool kChecked>
HWY_INLINE void add_taps(const Tile& t, std::size_t first, std::size_t last, const float* row, const float* w,
                         V (&acc)[kVectors][kOc]) {
  const D d;
  constexpr std::size_t kStep =
      kTileParts == kParts ? kVector : kLanes;  // floats between the tile's input vectors
  w += first * kOc;
  std::ptrdiff_t column = t.column + static_cast<std::ptrdiff_t>(first);
  for (std::size_t b = first; b < last; ++b, ++column, w += kOc) {
    if constexpr (kChecked) {
      std::ptrdiff_t at = column;
      HWY_UNROLL(16)
      for (std::size_t p = 0; p < kVectors / kTileParts; ++p, at += t.stride) {
        if (p >= t.pixels || at < 0 || at >= t.width) continue;
        HWY_UNROLL(2)
        for (std::size_t part = 0; part < kTileParts; ++part) {
          const V in = hn::Load(d, row + static_cast<std::size_t>(at) * kLanes + part * kVector);
          HWY_UNROLL(8)
          for (std::size_t o = 0; o < kOc; ++o) {
            // Not all kOc weights at once: beside the accumulators there are no registers for them.
            V& sum = acc[p * kTileParts + part][o];
            sum = hn::MulAdd(hn::Set(d, w[o]), in, sum);
          }
        }
      }
    } else {
      const float* x = row + static_cast<std::size_t>(column) * kLanes;
      if constexpr (kOc < kVectors) {
        V weight[kOc];
        HWY_UNROLL(8)
        for (std::size_t o = 0; o < kOc; ++o) weight[o] = hn::Set(d, w[o]);
        HWY_UNROLL(16)
        for (std::size_t v = 0; v < kVectors; ++v) {
          const V in = hn::Load(d, x + v * kStep);
          HWY_UNROLL(8)
          for (std::size_t o = 0; o < kOc; ++o) acc[v][o] = hn::MulAdd(weight[o], in, acc[v][o]);
        }
      } else {
        V in[kVectors];
        HWY_UNROLL(16)
        for (std::size_t v = 0; v < kVectors; ++v) in[v] = hn::Load(d, x + v * kStep);
        HWY_UNROLL(8)
        for (std::size_t o = 0; o < kOc; ++o) {
          const V weight = hn::Set(d, w[o]);
          HWY_UNROLL(16)
          for (std::size_t v = 0; v < kVectors; ++v) acc[v][o] = hn::MulAdd(weight, in[v], acc[v][o]);
        }
      }
    }
  }
}

template <std::size_t kOc, std::size_t kPx, std::size_t kTileParts>
HWY_NOINLINE void forward_tile(const Tile& t) {
  const D d;
  constexpr std::size_t kVectors = kPx * kTileParts;
  // Taps [fast_first, fast_last) need no check: the pixels of a whole tile lie inside the input's width.
  const std::ptrdiff_t room = t.width - t.column - static_cast<std::ptrdiff_t>(kPx - 1);
  const std::size_t kernel = t.kernel;
  std::size_t fast_first = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, -t.column));
  std::size_t fast_last = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, room));
  fast_last = t.stride == 1 ? std::min(fast_last, kernel) : 0;
  if (fast_first >= fast_last) fast_first = fast_last = kernel;
  for (std::size_t part = 0; part < kParts; part += kTileParts) {
    V acc[kVectors][kOc];
    HWY_UNROLL(16)
    for (std::size_t v = 0; v < kVectors; ++v) {
      HWY_UNROLL(8)
      for (std::size_t o = 0; o < kOc; ++o) acc[v][o] = hn::Zero(d);
    }
    const float* channel = t.x + part * kVector;
    const float* w = t.w;
    for (std::size_t c = 0; c < t.channels; ++c, channel += t.channel_step, w += t.skipped_weights) {
      const float* row = channel;
      for (std::size_t a = 0; a < t.rows; ++a, row += t.row_step, w += kernel * kOc) {
        add_taps<kOc, kVectors, kTileParts, false>(t, fast_first, fast_last, row, w, acc);
        if (fast_last - fast_first == kernel) continue;
        add_taps<kOc, kVectors, kTileParts, true>(t, 0, fast_first, row, w, acc);
        add_taps<kOc, kVectors, kTileParts, true>(t, fast_last, kernel, row, w, acc);
      }
    }
    HWY_UNROLL(16)
    for (std::size_t v = 0; v < kVectors; ++v) {
      if (v / kTileParts >= t.pixels) break;
      HWY_UNROLL(8)
      for (std::size_t o = 0; o < kOc; ++o) {
        float* to = t.y + o * t.y_channel_step + v / kTileParts * kLanes + (part + v % kTileParts) * kVector;
        hn::Store(t.accumulate ? hn::Add(hn::Load(d, to), acc[v][o]) : acc[v][o], d, to);
      }
    }
  }
}

struct ForwardKernel {
  void (*tile)(const Tile&);
  std::size_t channels, pixels;
};

/// The tile for a layer with `remaining` output channels left to do and rows of `width` pixels.
ForwardKernel forward_kernel(std::size_t remaining, std::size_t width) {
  if constexpr (kParts == 1) {
    // Rows of few channels are cut into equal tiles where that is possible: 28 = 2 * 14, 32 = 4 * 8.
    const bool eights = width % 8 == 0;
    if (remaining >= 8) return {forward_tile<8, 3, 1>, 8, 3};
    if (remaining >= 4) return {forward_tile<4, 6, 1>, 4, 6};
    if (remaining == 3) return {forward_tile<3, 8, 1>, 3, 8};
    if (remaining == 2)
      return eights ? ForwardKernel{forward_tile<2, 8, 1>, 2, 8} : ForwardKernel{forward_tile<2, 7, 1>, 2, 7};
    return eights ? ForwardKernel{forward_tile<1, 8, 1>, 1, 8} : ForwardKernel{forward_tile<1, 14, 1>, 1, 14};
  } else {
    if (remaining >= 4) return {forward_tile<4, 3, 1>, 4, 3};
    if (remaining == 3) return {forward_tile<3, 4, 1>, 3, 4};
    if (remaining == 2) return {forward_tile<2, 5, 1>, 2, 5};
    return {forward_tile<1, 7, 2>, 1, 7};
  }
}

/// Kernel rows [first, last) that lie inside a map of n rows when tap 0 lies on row `start`.
struct Range {
  std::size_t first, last;
};
Range valid_taps(std::ptrdiff_t start, std::size_t kernel, std::size_t n) {
  const std::ptrdiff_t first = std::max<std::ptrdiff_t>(0, -start);
  const std::ptrdiff_t last =
      std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(kernel), static_cast<std::ptrdiff_t>(n) - start);
  return {static_cast<std::size_t>(first), static_cast<std::size_t>(std::max(first, last))};
}

/// One block of output channels, for input channels [first_channel, first_channel + n_channels).
void forward_block(const ConvShape& s, const ForwardKernel& kernel, const float* x, const float* w,
                   std::size_t first_channel, std::size_t n_channels, float* y) {
  Tile t;
  t.channel_step = s.height * s.width * kLanes;
  t.row_step = s.width * kLanes;
  t.channels = n_channels;
  t.kernel = s.kernel;
  t.y_channel_step = s.out_height * s.out_width * kLanes;
  t.accumulate = first_channel != 0;
  t.stride = static_cast<std::ptrdiff_t>(s.stride);
  t.width = static_cast<std::ptrdiff_t>(s.width);
  const float* weights = w + first_channel * s.kernel * s.kernel * kernel.channels;
  const float* map = x + first_channel * t.channel_step;
  const std::ptrdiff_t padding = static_cast<std::ptrdiff_t>(s.padding);
  for (std::size_t i = 0; i < s.out_height; ++i) {
    const std::ptrdiff_t top = static_cast<std::ptrdiff_t>(i * s.stride) - padding;
    const Range taps = valid_taps(top, s.kernel, s.height);
    t.rows = taps.last - taps.first;
    t.x = t.rows == 0
              ? map
              : map + static_cast<std::size_t>(top + static_cast<std::ptrdiff_t>(taps.first)) * t.row_step;
    t.w = weights + taps.first * s.kernel * kernel.channels;
    t.skipped_weights = (s.kernel - t.rows) * s.kernel * kernel.channels;
    for (std::size_t j = 0; j < s.out_width; j += kernel.pixels) {
      t.y = y + (i * s.out_width + j) * kLanes;
      t.column = static_cast<std::ptrdiff_t>(j * s.stride) - padding;
      t.pixels = std::min(kernel.pixels, s.out_width - j);
      kernel.tile(t);
    }
  }
}

/// Input channels whose packed weights of one block stay in half of a 32 KB first-level cache.
std::size_t channels_per_pass(const ConvShape& s, std::size_t oc) {
  constexpr std::size_t kWeights = 16 * 1024 / sizeof(float);
  return std::max<std::size_t>(1, kWeights / (s.kernel * s.kernel * oc));
}

}  // namespace

void conv2d_forward(const ConvShape& s, const float* x, const float* packed, float* y) noexcept {
  for (std::size_t o = 0; o < s.out_channels;) {
    const ForwardKernel kernel = forward_kernel(s.out_channels - o, s.out_width);
    const float* w = packed + o * s.in_channels * s.kernel * s.kernel;
    float* out = y + o * s.out_height * s.out_width * kLanes;
    const std::size_t pass = channels_per_pass(s, kernel.channels);
    for (std::size_t c = 0; c < s.in_channels; c += pass) {
      forward_block(s, kernel, x, w, c, std::min(pass, s.in_channels - c), out);
    }
    o += kernel.channels;
  }
}

void conv2d_pack(const ConvShape& s, ConvWeights form, const float* w, float* packed) noexcept {
  // [block of output channels][input channel][kernel row][kernel column][output channel in the block]
  const std::size_t taps = s.kernel * s.kernel;
  for (std::size_t first = 0, oc = 0; first < s.out_channels; first += oc) {
    oc = forward_kernel(s.out_channels - first, s.out_width).channels;
    for (std::size_t c = 0; c < s.in_channels; ++c) {
      for (std::size_t tap = 0; tap < taps; ++tap) {
        for (std::size_t o = first; o < first + oc; ++o) {
          *packed++ = form == ConvWeights::as_is ? w[(o * s.in_channels + c) * taps + tap]
                                                 : w[(c * s.out_channels + o) * taps + (taps - 1 - tap)];
        }
      }
    }
  }
}

// -------------------------------------------------------------------------------------------------- weight
// gradient
//
// A tile is kOc output channels times kIc input channels times kTaps neighbouring taps of one kernel row, one
// accumulator each. It walks a few output rows, adding dy x over the points and lanes; the lanes are summed
// at the end. The rows of dy that the tile reads stay in the first-level cache while all input channels and
// kernel rows pass by.

namespace {

struct GradientTile {
  const float* x;  // input channel, row that kernel row a reads for output row 0 of the tile, column 0
  std::size_t x_channel_step, x_row_step;  // the latter per output row: stride included
  const float* dy;                         // output channel, output row 0 of the tile, column 0
  std::size_t dy_channel_step, dy_row_step;
  std::size_t rows;
  std::size_t stride, out_width;
  std::ptrdiff_t column;  // input column that the first tap reads for output column 0
  std::ptrdiff_t width;
  std::size_t inner_first, inner_last;  // output columns for which all kTaps taps are inside
  float* dw;                            // output channel, input channel, tap
  std::size_t dw_output_step, dw_input_step;
};

template <std::size_t kOc, std::size_t kIc, std::size_t kTaps>
HWY_NOINLINE void gradient_tile(const GradientTile& t) {
  const D d;
  constexpr std::size_t kSums = kOc * kIc * kTaps;
  constexpr std::size_t kPadded = (kSums + 3) / 4 * 4;
  V acc[kPadded];  // [kIc][kTaps][kOc]
  HWY_UNROLL(32)
  for (std::size_t k = 0; k < kPadded; ++k) acc[k] = hn::Zero(d);
  for (std::size_t i = 0; i < t.rows; ++i) {
    const float* x_row = t.x + i * t.x_row_step;
    const float* dy_row = t.dy + i * t.dy_row_step;
    for (std::size_t j = 0; j < t.out_width;) {
      std::ptrdiff_t column = t.column + static_cast<std::ptrdiff_t>(j * t.stride);
      if (j < t.inner_first || j >= t.inner_last) {
        // One point near the edge: taps outside the map are skipped.
        const std::size_t point = j * kLanes;
        ++j;
        for (std::size_t part = 0; part < kParts; ++part) {
          V g[kOc];
          HWY_UNROLL(16)
          for (std::size_t o = 0; o < kOc; ++o) {
            g[o] = hn::Load(d, dy_row + o * t.dy_channel_step + point + part * kVector);
          }
          HWY_UNROLL(8)
          for (std::size_t b = 0; b < kTaps; ++b) {
            const std::ptrdiff_t position = column + static_cast<std::ptrdiff_t>(b);
            if (position < 0 || position >= t.width) continue;
            const float* in = x_row + static_cast<std::size_t>(position) * kLanes + part * kVector;
            HWY_UNROLL(8)
            for (std::size_t c = 0; c < kIc; ++c) {
              const V value = hn::Load(d, in + c * t.x_channel_step);
              HWY_UNROLL(16)
              for (std::size_t o = 0; o < kOc; ++o) {
                V& sum = acc[(c * kTaps + b) * kOc + o];
                sum = hn::MulAdd(g[o], value, sum);
              }
            }
          }
        }
      } else {
        const float* g_at = dy_row + j * kLanes;
        const float* x_at = x_row + static_cast<std::size_t>(column) * kLanes;
        const std::size_t x_skip = (t.stride - 1) * kLanes;
        for (; j < t.inner_last; ++j, x_at += x_skip) {
          for (std::size_t part = 0; part < kParts; ++part, g_at += kVector, x_at += kVector) {
            V g[kOc];
            HWY_UNROLL(16)
            for (std::size_t o = 0; o < kOc; ++o) g[o] = hn::Load(d, g_at + o * t.dy_channel_step);
            HWY_UNROLL(8)
            for (std::size_t c = 0; c < kIc; ++c) {
              HWY_UNROLL(8)
              for (std::size_t b = 0; b < kTaps; ++b) {
                const V value = hn::Load(d, x_at + c * t.x_channel_step + b * kLanes);
                HWY_UNROLL(16)
                for (std::size_t o = 0; o < kOc; ++o) {
                  V& sum = acc[(c * kTaps + b) * kOc + o];
                  sum = hn::MulAdd(g[o], value, sum);
                }
              }
            }
          }
        }
      }
    }
  }
  alignas(64) float sums[kPadded];
  HWY_UNROLL(8)
  for (std::size_t k = 0; k < kPadded; k += 4) sum_lanes(acc + k, sums + k);
  for (std::size_t o = 0; o < kOc; ++o) {
    for (std::size_t c = 0; c < kIc; ++c) {
      for (std::size_t b = 0; b < kTaps; ++b) {
        t.dw[o * t.dw_output_step + c * t.dw_input_step + b] += sums[(c * kTaps + b) * kOc + o];
      }
    }
  }
}

using GradientFunction = void (*)(const GradientTile&);

/// The tile for at most `outputs` x `inputs` channels and 1, 3 or 5 taps. Few shapes are built (each is
/// compiled code); where one channel count is small, the other fills the registers.
struct GradientKernel {
  GradientFunction function;
  std::size_t outputs, inputs;
};

template <std::size_t kTaps>
GradientKernel gradient_kernel(std::size_t outputs, std::size_t inputs) {
  if constexpr (kParts == 1) {
    constexpr std::size_t kWide = kTaps == 1 ? 8 : 4;  // 8 x 3 sums and 9 operands spill
    if (outputs >= kWide) return {gradient_tile<kWide, 1, kTaps>, kWide, 1};
    if (outputs >= 4) return {gradient_tile<4, 1, kTaps>, 4, 1};
    if (outputs >= 2 && inputs >= 2) return {gradient_tile<2, 2, kTaps>, 2, 2};
    if (inputs >= 4) return {gradient_tile<1, 4, kTaps>, 1, 4};
  } else {
    constexpr std::size_t kWide = kTaps == 5 ? 2 : kTaps == 3 ? 3 : 4;
    if (outputs >= kWide) return {gradient_tile<kWide, 1, kTaps>, kWide, 1};
    if (outputs >= 2) return {gradient_tile<2, 1, kTaps>, 2, 1};
    if (inputs >= 2) return {gradient_tile<1, 2, kTaps>, 1, 2};
  }
  return {gradient_tile<1, 1, kTaps>, 1, 1};
}

GradientKernel gradient_kernel(std::size_t outputs, std::size_t inputs, std::size_t taps) {
  if (taps == 5) return gradient_kernel<5>(outputs, inputs);
  if (taps == 3) return gradient_kernel<3>(outputs, inputs);
  return gradient_kernel<1>(outputs, inputs);
}
/// The taps [b, b + taps) of all kernel rows.
void gradient_columns(const ConvShape& s, std::size_t b, std::size_t taps, const float* x, const float* dy,
                      float* dw) {
  constexpr std::size_t kDyBytes = 24 * 1024;  // of a 32 KB first-level cache; the rest is for x
  const std::size_t x_map = s.height * s.width * kLanes, dy_map = s.out_height * s.out_width * kLanes;
  GradientTile t;
  t.x_channel_step = x_map;
  t.x_row_step = s.stride * s.width * kLanes;
  t.dy_channel_step = dy_map;
  t.dy_row_step = s.out_width * kLanes;
  t.stride = s.stride;
  t.out_width = s.out_width;
  t.width = static_cast<std::ptrdiff_t>(s.width);
  t.dw_input_step = s.kernel * s.kernel;
  t.dw_output_step = s.in_channels * t.dw_input_step;
  t.column = static_cast<std::ptrdiff_t>(b) - static_cast<std::ptrdiff_t>(s.padding);
  // Output columns j with 0 <= j stride + b - padding and j stride + b + taps - padding <= width.
  t.inner_first = b >= s.padding ? 0 : std::min((s.padding - b + s.stride - 1) / s.stride, s.out_width);
  const std::size_t room = s.width + s.padding;
  t.inner_last = room >= b + taps ? std::min((room - b - taps) / s.stride + 1, s.out_width) : 0;
  for (std::size_t o = 0, outputs = 0; o < s.out_channels; o += outputs) {
    outputs = gradient_kernel(s.out_channels - o, s.in_channels, taps).outputs;
    const std::size_t row_bytes = outputs * s.out_width * kLanes * sizeof(float);
    const std::size_t rows = std::max<std::size_t>(1, kDyBytes / row_bytes);
    for (std::size_t i = 0; i < s.out_height; i += rows) {
      const std::size_t end = std::min(s.out_height, i + rows);
      for (std::size_t c = 0, inputs = 0; c < s.in_channels; c += inputs) {
        // The last input channels may call for a narrower tile; it divides `outputs`.
        const GradientKernel kernel = gradient_kernel(outputs, s.in_channels - c, taps);
        inputs = kernel.inputs;
        for (std::size_t a = 0; a < s.kernel; ++a) {
          // Output rows of [i, end) for which kernel row a is inside: 0 <= row stride + a - padding < height.
          const std::size_t first = a >= s.padding ? 0 : (s.padding - a + s.stride - 1) / s.stride;
          const std::size_t past =
              s.height + s.padding > a ? (s.height + s.padding - a - 1) / s.stride + 1 : 0;
          const std::size_t row0 = std::max(i, first), row1 = std::min(end, past);
          if (row0 >= row1) continue;
          t.rows = row1 - row0;
          t.x = x + c * x_map + (row0 * s.stride + a - s.padding) * s.width * kLanes;
          for (std::size_t k = o; k < o + outputs; k += kernel.outputs) {
            t.dy = dy + k * dy_map + row0 * t.dy_row_step;
            t.dw = dw + ((k * s.in_channels + c) * s.kernel + a) * s.kernel + b;
            kernel.function(t);
          }
        }
      }
    }
  }
}

}  // namespace

void conv2d_weight_gradient(const ConvShape& s, const float* x, const float* dy, float* dw) noexcept {
  for (std::size_t b = 0, taps = 0; b < s.kernel; b += taps) {
    const std::size_t left = s.kernel - b;
    taps = left >= 5 ? 5 : left >= 3 ? 3 : 1;
    gradient_columns(s, b, taps, x, dy, dw);
  }
}

// ---------------------------------------------------------------------------------------------------- data
// gradient
//
// For strides other than 1 (stride 1 is the forward kernel). A tile is kIc input channels of one point.

namespace {

struct DataTile {
  const float* dy;  // output channel 0
  std::size_t dy_channel_step, dy_row_step;
  const float* w;  // output channel 0, first input channel of the tile
  std::size_t w_output_step, w_input_step;
  std::size_t outputs, kernel, stride;
  // Taps first_row, first_row + stride, ... reach this point from output rows row, row - 1, ...; likewise
  // columns.
  std::size_t first_row, n_rows, row;
  std::size_t first_column, n_columns, column;
  float* dx;
  std::size_t dx_channel_step;
};

template <std::size_t kIc>
HWY_NOINLINE void data_tile(const DataTile& t) {
  const D d;
  V acc[kIc][kParts];
  HWY_UNROLL(8)
  for (std::size_t c = 0; c < kIc; ++c) {
    HWY_UNROLL(2)
    for (std::size_t part = 0; part < kParts; ++part) acc[c][part] = hn::Zero(d);
  }
  for (std::size_t o = 0; o < t.outputs; ++o) {
    for (std::size_t a = 0; a < t.n_rows; ++a) {
      const float* g = t.dy + o * t.dy_channel_step + (t.row - a) * t.dy_row_step + t.column * kLanes;
      const float* w = t.w + o * t.w_output_step + (t.first_row + a * t.stride) * t.kernel + t.first_column;
      for (std::size_t b = 0; b < t.n_columns; ++b, w += t.stride) {
        V in[kParts];
        HWY_UNROLL(2)
        for (std::size_t part = 0; part < kParts; ++part)
          in[part] = hn::Load(d, g - b * kLanes + part * kVector);
        HWY_UNROLL(8)
        for (std::size_t c = 0; c < kIc; ++c) {
          const V weight = hn::Set(d, w[c * t.w_input_step]);
          HWY_UNROLL(2)
          for (std::size_t part = 0; part < kParts; ++part)
            acc[c][part] = hn::MulAdd(weight, in[part], acc[c][part]);
        }
      }
    }
  }
  HWY_UNROLL(8)
  for (std::size_t c = 0; c < kIc; ++c) {
    HWY_UNROLL(2)
    for (std::size_t part = 0; part < kParts; ++part) {
      hn::Store(acc[c][part], d, t.dx + c * t.dx_channel_step + part * kVector);
    }
  }
}

/// The taps of one axis that reach input position `at`, and the output position that the first of them comes
/// from.
struct Taps {
  std::size_t first, n, output;
};
Taps taps_reaching(std::size_t at, const ConvShape& s, std::size_t n_outputs) {
  Taps taps{(at + s.padding) % s.stride, 0, 0};
  for (std::size_t tap = taps.first; tap < s.kernel && tap <= at + s.padding; tap += s.stride) {
    const std::size_t output = (at + s.padding - tap) / s.stride;
    if (output >= n_outputs) {
      taps.first = tap + s.stride;  // this tap would come from behind the last output
    } else {
      if (taps.n == 0) taps.output = output;
      ++taps.n;
    }
  }
  return taps;
}

}  // namespace

void conv2d_data_gradient(const ConvShape& s, const float* dy, const float* w, float* dx) noexcept {
  DataTile t;
  t.dy = dy;
  t.dy_row_step = s.out_width * kLanes;
  t.dy_channel_step = s.out_height * t.dy_row_step;
  t.w_input_step = s.kernel * s.kernel;
  t.w_output_step = s.in_channels * t.w_input_step;
  t.outputs = s.out_channels;
  t.kernel = s.kernel;
  t.stride = s.stride;
  t.dx_channel_step = s.height * s.width * kLanes;
  constexpr std::size_t kMaxIc = kParts == 1 ? 8 : 4;
  for (std::size_t c = 0, inputs = 0; c < s.in_channels; c += inputs) {
    const std::size_t left = s.in_channels - c;
    inputs = left >= kMaxIc ? kMaxIc : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    const auto tile = inputs == 8   ? data_tile<kMaxIc>
                      : inputs == 4 ? data_tile<4>
                      : inputs == 2 ? data_tile<2>
                                    : data_tile<1>;
    t.w = w + c * t.w_input_step;
    for (std::size_t i = 0; i < s.height; ++i) {
      const Taps rows = taps_reaching(i, s, s.out_height);
      t.first_row = rows.first;
      t.n_rows = rows.n;
      t.row = rows.output;
      for (std::size_t j = 0; j < s.width; ++j) {
        const Taps columns = taps_reaching(j, s, s.out_width);
        t.first_column = columns.first;
        t.n_columns = columns.n;
        t.column = columns.output;
        t.dx = dx + c * t.dx_channel_step + (i * s.width + j) * kLanes;
        tile(t);
      }
    }
  }
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

std::size_t conv2d_packed_size(const ConvShape& s) noexcept {
  return s.out_channels * s.in_channels * s.kernel * s.kernel;
}

void conv2d_pack(const ConvShape& s, ConvWeights form, const float* w, float* packed) noexcept {
  DEEPSAD_CALL_KERNEL(conv2d_pack, s, form, w, packed);
}
void conv2d_pack(const ConvShape& s, ConvWeights form, const double* w, double* packed) noexcept {
  reference::conv2d_pack(s, form, w, packed);
}

void conv2d_forward(const ConvShape& s, const float* x, const float* packed, float* y) noexcept {
  DEEPSAD_CALL_KERNEL(conv2d_forward, s, x, packed, y);
}
void conv2d_forward(const ConvShape& s, const double* x, const double* packed, double* y) noexcept {
  reference::conv2d_forward(s, x, packed, y);
}

void conv2d_weight_gradient(const ConvShape& s, const float* x, const float* dy, float* dw) noexcept {
  DEEPSAD_CALL_KERNEL(conv2d_weight_gradient, s, x, dy, dw);
}
void conv2d_weight_gradient(const ConvShape& s, const double* x, const double* dy, double* dw) noexcept {
  reference::conv2d_weight_gradient(s, x, dy, dw);
}

void conv2d_data_gradient(const ConvShape& s, const float* dy, const float* w, float* dx) noexcept {
  DEEPSAD_CALL_KERNEL(conv2d_data_gradient, s, dy, w, dx);
}
void conv2d_data_gradient(const ConvShape& s, const double* dy, const double* w, double* dx) noexcept {
  reference::conv2d_data_gradient(s, dy, w, dx);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
