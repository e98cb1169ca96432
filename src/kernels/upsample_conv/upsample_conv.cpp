#include "kernels/upsample_conv/upsample_conv.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "kernels/dispatch.h"
#include "kernels/upsample_conv/upsample_conv_reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/upsample_conv/upsample_conv.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

#ifndef DEEPSAD_UPSAMPLE_CONV_PHASES
#define DEEPSAD_UPSAMPLE_CONV_PHASES
namespace deepsad::kernels::upsample_conv {

// Output rows 2 i + a with the same a are a phase. In it, kernel row k reads row i + floor((a + k - padding)
// / 2) of the small map: kernel rows fall together in pairs, and (kernel + 1) / 2 remain. Likewise for
// columns. The four phases of an output channel are treated as channels of a map of half the size: "virtual
// channels".
constexpr std::size_t kMaxPhases = 4;

/// Folded taps of one axis.
constexpr std::size_t folded_kernel(const UpsampleConvShape& s) {
  return (s.kernel + 1) / 2;
}
/// Rows (or columns) of the small map above the one that belongs to output 2 i + phase: -floor((a - padding)
/// / 2).
constexpr std::size_t phase_padding(const UpsampleConvShape& s, std::size_t phase) {
  return (s.padding + 1 - phase) / 2;
}
/// The folded tap of kernel row (or column) k is (k + shift) / 2, with a shift of 0 in one phase and of 1 in
/// the other: phase + 2 phase_padding - padding.
constexpr std::size_t phase_of_shift(const UpsampleConvShape& s, std::size_t shift) {
  return (shift + s.padding) % 2;
}
constexpr std::size_t folded_tap(const UpsampleConvShape& s, std::size_t phase, std::size_t k) {
  return (k + phase_of_shift(s, phase)) / 2;
}

/// Phases whose windows begin on the same row and column, and are worked on together: all four if the padding
/// is even, one if it is odd.
struct PhaseClass {
  std::size_t n;                                    // phases
  std::array<std::size_t, kMaxPhases> row, column;  // a and b of each
  std::size_t padding_top, padding_left;
};
constexpr std::size_t n_phase_classes(const UpsampleConvShape& s) {
  return s.padding % 2 == 0 ? 1 : kMaxPhases;
}
inline PhaseClass phase_class(const UpsampleConvShape& s, std::size_t index) {
  if (s.padding % 2 == 0) return {4, {0, 0, 1, 1}, {0, 1, 0, 1}, phase_padding(s, 0), phase_padding(s, 0)};
  const std::size_t a = index / 2, b = index % 2;
  return {1, {a}, {b}, phase_padding(s, a), phase_padding(s, b)};
}
/// The place of the folded kernel of an output's phase and an input channel among all of them: [class][output
/// channel][phase][input channel].
constexpr std::size_t folded_place(const UpsampleConvShape& s, std::size_t row, std::size_t column,
                                   std::size_t o, std::size_t c) {
  const std::size_t phase = 2 * row + column;
  const std::size_t v = s.padding % 2 == 0 ? o * kMaxPhases + phase : phase * s.out_channels + o;
  return v * s.in_channels + c;
}

}  // namespace deepsad::kernels::upsample_conv
#endif

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

using namespace upsample_conv;

/// A map of virtual channels: virtual channel v is phase v % phases of channel v / phases.
template <class Pointer>
struct PhasedMap {
  Pointer data;
  std::size_t channels, phases;  // real channels; phases of each
  std::size_t height, width;     // of a phase
  std::size_t channel_step, row_step, pixel_step;
  std::array<std::size_t, kMaxPhases> phase_offset;

  [[nodiscard]] std::size_t size() const { return channels * phases; }
  [[nodiscard]] std::size_t offset(std::size_t v) const {
    return v / phases * channel_step + phase_offset[v % phases];
  }
};

template <class Pointer>
PhasedMap<Pointer> small_map(const UpsampleConvShape& s, Pointer x) {
  return {x, s.in_channels, 1, s.height, s.width, s.height * s.width * kLanes, s.width * kLanes, kLanes, {0}};
}
template <class Pointer>
PhasedMap<Pointer> phases_of(const UpsampleConvShape& s, const PhaseClass& phases, Pointer y) {
  PhasedMap<Pointer> map{y,
                         s.out_channels,
                         phases.n,
                         s.out_height / 2,
                         s.out_width / 2,
                         s.out_height * s.out_width * kLanes,
                         2 * s.out_width * kLanes,
                         2 * kLanes,
                         {}};
  for (std::size_t q = 0; q < phases.n; ++q) {
    map.phase_offset[q] = (phases.row[q] * s.out_width + phases.column[q]) * kLanes;
  }
  return map;
}

// ------------------------------------------------------------------------------- forward and data gradient
//
// Both are convolutions of virtual channels with the folded kernel; a tile is kOc output channels times kPx
// neighbouring pixels of a row, one accumulator each.

struct Tile {
  const PhasedMap<const float*>* in;
  std::size_t row_offset;       // of the first valid kernel row
  std::size_t rows, kernel;     // valid kernel rows
  const float* w;               // of the first valid kernel row: [input channel][row][column][kOc]
  std::size_t skipped_weights;  // of kernel rows that lie in the padding
  std::ptrdiff_t column;        // input column of the first pixel's first tap
  std::size_t pixels;           // that exist
  float* y;                     // first pixel
  const std::size_t* y_offset;  // of each output channel
  std::size_t y_pixel_step;
  bool accumulate;  // add to y
};

/// The tile, whose part of an input row add_row(row, weights, acc) adds to the accumulators.
template <std::size_t kOc, std::size_t kPx, class AddRow>
HWY_INLINE void run_tile(const Tile& t, AddRow add_row) {
  const D d;
  const std::size_t row_weights = t.kernel * kOc;
  for (std::size_t part = 0; part < kParts; ++part) {
    V acc[kPx][kOc];
    HWY_UNROLL(8)
    for (std::size_t p = 0; p < kPx; ++p) {
      HWY_UNROLL(8)
      for (std::size_t o = 0; o < kOc; ++o) acc[p][o] = hn::Zero(d);
    }
    const float* w = t.w;
    for (std::size_t c = 0; c < t.in->channels; ++c) {
      for (std::size_t q = 0; q < t.in->phases; ++q, w += t.skipped_weights) {
        const float* row =
            t.in->data + c * t.in->channel_step + t.in->phase_offset[q] + t.row_offset + part * kVector;
        HWY_UNROLL(1)
        for (std::size_t a = 0; a < t.rows; ++a, row += t.in->row_step, w += row_weights)
          add_row(row, w, acc);
      }
    }
    HWY_UNROLL(8)
    for (std::size_t p = 0; p < kPx; ++p) {
      if (p >= t.pixels) break;
      HWY_UNROLL(8)
      for (std::size_t o = 0; o < kOc; ++o) {
        float* to = t.y + t.y_offset[o] + p * t.y_pixel_step + part * kVector;
        hn::Store(t.accumulate ? hn::Add(hn::Load(d, to), acc[p][o]) : acc[p][o], d, to);
      }
    }
  }
}

/// Any kernel, and any columns of the window outside the map.
template <std::size_t kOc, std::size_t kPx>
HWY_NOINLINE void convolution_tile(const Tile& t) {
  const D d;
  const std::ptrdiff_t width = static_cast<std::ptrdiff_t>(t.in->width);
  // Taps [fast_first, fast_last) read columns inside the map for every pixel of the tile.
  const std::ptrdiff_t kernel = static_cast<std::ptrdiff_t>(t.kernel);
  const std::ptrdiff_t fast_first = std::max<std::ptrdiff_t>(0, -t.column);
  const std::ptrdiff_t fast_last = std::min(kernel, width - t.column - static_cast<std::ptrdiff_t>(kPx - 1));
  const std::size_t pixel_step = t.in->pixel_step;
  run_tile<kOc, kPx>(t, [&](const float* row, const float* w, V(&acc)[kPx][kOc]) DEEPSAD_KERNEL_LAMBDA {
    std::ptrdiff_t column = t.column;
    for (std::ptrdiff_t b = 0; b < kernel; ++b, ++column, w += kOc) {
      V weight[kOc];
      HWY_UNROLL(8)
      for (std::size_t o = 0; o < kOc; ++o) weight[o] = in_register(hn::Set(d, w[o]));
      if (b >= fast_first && b < fast_last) {
        const float* x = row + static_cast<std::size_t>(column) * pixel_step;
        HWY_UNROLL(8)
        for (std::size_t p = 0; p < kPx; ++p, x += pixel_step) {
          const V in = in_register(hn::Load(d, x));
          HWY_UNROLL(8)
          for (std::size_t o = 0; o < kOc; ++o) acc[p][o] = hn::MulAdd(weight[o], in, acc[p][o]);
        }
      } else {
        HWY_UNROLL(8)
        for (std::size_t p = 0; p < kPx; ++p) {
          const std::ptrdiff_t at = column + static_cast<std::ptrdiff_t>(p);
          if (p >= t.pixels || at < 0 || at >= width) continue;
          const V in = hn::Load(d, row + static_cast<std::size_t>(at) * pixel_step);
          HWY_UNROLL(8)
          for (std::size_t o = 0; o < kOc; ++o) acc[p][o] = hn::MulAdd(weight[o], in, acc[p][o]);
        }
      }
    }
  });
}

/// Three taps a row and kPx pixels that all exist, of whose window the first kLeft and the last kRight
/// columns lie outside the map.
template <std::size_t kOc, std::size_t kPx, std::size_t kLeft, std::size_t kRight>
HWY_NOINLINE void three_tap_tile(const Tile& t) {
  constexpr std::size_t kTaps = 3, kWindow = kPx + kTaps - 1;
  const D d;
  const std::size_t pixel_step = t.in->pixel_step;
  const std::ptrdiff_t corner = t.column * static_cast<std::ptrdiff_t>(pixel_step);
  run_tile<kOc, kPx>(t, [&](const float* row, const float* w, V(&acc)[kPx][kOc]) DEEPSAD_KERNEL_LAMBDA {
    HWY_UNROLL(3)
    for (std::size_t b = 0; b < kTaps; ++b) {
      V weight[kOc];
      HWY_UNROLL(8)
      for (std::size_t o = 0; o < kOc; ++o) weight[o] = in_register(hn::Set(d, w[b * kOc + o]));
      HWY_UNROLL(8)
      for (std::size_t p = 0; p < kPx; ++p) {
        if (p + b < kLeft || p + b >= kWindow - kRight) continue;
        const V in =
            in_register(hn::Load(d, row + (corner + static_cast<std::ptrdiff_t>((p + b) * pixel_step))));
        HWY_UNROLL(8)
        for (std::size_t o = 0; o < kOc; ++o) acc[p][o] = hn::MulAdd(weight[o], in, acc[p][o]);
      }
    }
  });
}

using TileFunction = void (*)(const Tile&);

constexpr std::size_t kMostPixels = 4;  // of a tile
constexpr std::size_t kMostChannels = kParts == 1 ? 4 : 2;
/// Output channels of a tile where `remaining` are left. The packing asks, too.
constexpr std::size_t tile_channels(std::size_t remaining) {
  return remaining >= kMostChannels ? kMostChannels : remaining >= 2 ? 2 : 1;
}

/// The three-tap tile with `left` and `right` columns outside; nullptr if there is none.
template <std::size_t kOc, std::size_t kPx>
TileFunction three_tap_tile_for(std::size_t left, std::size_t right) {
  static constexpr TileFunction kTiles[3][3] = {
      {three_tap_tile<kOc, kPx, 0, 0>, three_tap_tile<kOc, kPx, 0, 1>, three_tap_tile<kOc, kPx, 0, 2>},
      {three_tap_tile<kOc, kPx, 1, 0>, three_tap_tile<kOc, kPx, 1, 1>, nullptr},
      {three_tap_tile<kOc, kPx, 2, 0>, nullptr, nullptr}};
  return left <= 2 && right <= 2 ? kTiles[left][right] : nullptr;
}

/// For `pixels` pixels whose windows cover the columns [first, last) of a map of `width` columns.
template <std::size_t kOc>
TileFunction tile_for(std::size_t pixels, std::size_t kernel, std::ptrdiff_t first, std::ptrdiff_t last,
                      std::ptrdiff_t width) {
  TileFunction tile = nullptr;
  if (kernel == 3) {
    const auto left = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, -first));
    const auto right = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, last - width));
    if (pixels == 4) tile = three_tap_tile_for<kOc, 4>(left, right);
    if (pixels == 3) tile = three_tap_tile_for<kOc, 3>(left, right);
    if (pixels == 2) tile = three_tap_tile_for<kOc, 2>(left, right);
  }
  return tile != nullptr ? tile : convolution_tile<kOc, kMostPixels>;
}

/// out[v][i][j] = (or +=) sum over c, a, b of w[v][c][a][b] in[c][i + a - top][j + b - left]; c, v virtual.
/// Returns the end of the weights that it read.
const float* convolve(const PhasedMap<const float*>& in, const PhasedMap<float*>& out, std::size_t kernel,
                      std::size_t top, std::size_t left, const float* w, bool accumulate) {
  Tile t;
  t.in = &in;
  t.kernel = kernel;
  t.y_pixel_step = out.pixel_step;
  t.accumulate = accumulate;
  std::array<std::size_t, kMostChannels> offsets{};
  t.y_offset = offsets.data();
  const std::size_t tiles = (out.width + kMostPixels - 1) / kMostPixels;  // of a row, of nearly equal sizes
  for (std::size_t v = 0, channels = 0; v < out.size(); v += channels) {
    channels = tile_channels(out.size() - v);
    for (std::size_t o = 0; o < channels; ++o) offsets[o] = out.offset(v + o);
    const std::size_t row_weights = kernel * channels;
    for (std::size_t i = 0; i < out.height; ++i) {
      const std::size_t first = i < top ? std::min(top - i, kernel) : 0;
      const std::size_t last =
          std::max(first, std::min(kernel, in.height + top > i ? in.height + top - i : 0));
      t.rows = last - first;
      t.row_offset = t.rows == 0 ? 0 : (i + first - top) * in.row_step;
      t.w = w + first * row_weights;
      t.skipped_weights = (kernel - t.rows) * row_weights;
      for (std::size_t tile = 0, j = 0; tile < tiles; ++tile, j += t.pixels) {
        t.pixels = out.width * (tile + 1) / tiles - j;
        t.column = static_cast<std::ptrdiff_t>(j) - static_cast<std::ptrdiff_t>(left);
        t.y = out.data + i * out.row_step + j * out.pixel_step;
        const auto end = t.column + static_cast<std::ptrdiff_t>(t.pixels + kernel - 1);
        const auto width = static_cast<std::ptrdiff_t>(in.width);
        if (channels == 1) {
          convolution_tile<1, kMostPixels>(t);
        } else if (channels == 2) {
          tile_for<2>(t.pixels, kernel, t.column, end, width)(t);
        } else if constexpr (kMostChannels == 4) {
          tile_for<4>(t.pixels, kernel, t.column, end, width)(t);
        }
      }
    }
    w += kernel * row_weights * in.size();
  }
  return w;
}

/// packed[(a kernel + b) step] += the folded weights (a, b) from input channel c to virtual output channel v;
/// `flipped`: both axes reversed.
void add_folded_weights(const UpsampleConvShape& s, ConvWeights form, const PhaseClass& phases, std::size_t v,
                        std::size_t c, const float* w, bool flipped, std::size_t step, float* packed) {
  const std::size_t k = folded_kernel(s), q = v % phases.n;
  for (std::size_t ky = 0; ky < s.kernel; ++ky) {
    const std::size_t a = folded_tap(s, phases.row[q], ky);
    for (std::size_t kx = 0; kx < s.kernel; ++kx) {
      const std::size_t tap = a * k + folded_tap(s, phases.column[q], kx);
      packed[(flipped ? k * k - 1 - tap : tap) * step] +=
          w[reference::weight_index(s, form, v / phases.n, c, ky, kx)];
    }
  }
}

}  // namespace

void upsample_conv_pack(const UpsampleConvShape& s, ConvWeights form, const float* w, float* forward,
                        float* backward) noexcept {
  // [class][block of output channels][input channel][row][column][output channel in the block]; backward, the
  // roles change and both axes are flipped.
  const std::size_t taps = folded_kernel(s) * folded_kernel(s);
  for (float* packed : {forward, backward}) {
    if (packed != nullptr) std::fill_n(packed, 4 * s.out_channels * s.in_channels * taps, 0.0F);
  }
  for (std::size_t index = 0; index < n_phase_classes(s); ++index) {
    const PhaseClass phases = phase_class(s, index);
    const std::size_t n_virtual = s.out_channels * phases.n;
    for (std::size_t v = 0, channels = 0; forward != nullptr && v < n_virtual; v += channels) {
      channels = tile_channels(n_virtual - v);
      for (std::size_t c = 0; c < s.in_channels; ++c, forward += taps * channels) {
        for (std::size_t o = 0; o < channels; ++o) {
          add_folded_weights(s, form, phases, v + o, c, w, false, channels, forward + o);
        }
      }
    }
    for (std::size_t c = 0, channels = 0; backward != nullptr && c < s.in_channels; c += channels) {
      channels = tile_channels(s.in_channels - c);
      for (std::size_t v = 0; v < n_virtual; ++v, backward += taps * channels) {
        for (std::size_t i = 0; i < channels; ++i) {
          add_folded_weights(s, form, phases, v, c + i, w, true, channels, backward + i);
        }
      }
    }
  }
}

void upsample_conv_forward(const UpsampleConvShape& s, const float* x, const float* packed,
                           float* y) noexcept {
  for (std::size_t index = 0; index < n_phase_classes(s); ++index) {
    const PhaseClass phases = phase_class(s, index);
    packed = convolve(small_map(s, x), phases_of(s, phases, y), folded_kernel(s), phases.padding_top,
                      phases.padding_left, packed, false);
  }
}

void upsample_conv_data_gradient(const UpsampleConvShape& s, const float* dy, const float* packed,
                                 float* dx) noexcept {
  const std::size_t reach = folded_kernel(s) - 1;
  for (std::size_t index = 0; index < n_phase_classes(s); ++index) {
    const PhaseClass phases = phase_class(s, index);
    packed = convolve(phases_of(s, phases, dy), small_map(s, dx), folded_kernel(s),
                      reach - phases.padding_top, reach - phases.padding_left, packed, index > 0);
  }
}

// ------------------------------------------------------------------------------------------ weight gradient
//
// A tile is kOc virtual output channels times kIc input channels times kTaps folded taps of one kernel row,
// one accumulator each; it walks rows and columns of the phases. The folded gradient is unfolded at the end.

namespace {

struct GradientTile {
  const float* x;  // input channel, row of output row 0, column 0
  std::size_t x_channel_step, x_row_step;
  const float* dy;  // output row 0, column 0
  const std::size_t* dy_offset;
  std::size_t dy_row_step, dy_pixel_step;
  std::size_t rows, columns;
  std::ptrdiff_t column, width;  // input column of the first tap for output column 0
  std::size_t inner_first, inner_last;
  float* dw;  // of the first channels and tap
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
  std::array<const float*, kOc> dy;
  for (std::size_t o = 0; o < kOc; ++o) dy[o] = t.dy + t.dy_offset[o];
  for (std::size_t i = 0; i < t.rows; ++i) {
    const float* x_row = t.x + i * t.x_row_step;
    const std::size_t dy_row = i * t.dy_row_step;
    for (std::size_t j = 0; j < t.columns; ++j) {
      const std::ptrdiff_t column = t.column + static_cast<std::ptrdiff_t>(j);
      const bool inner = j >= t.inner_first && j < t.inner_last;
      for (std::size_t part = 0; part < kParts; ++part) {
        V g[kOc];
        HWY_UNROLL(4)
        for (std::size_t o = 0; o < kOc; ++o) {
          g[o] = in_register(hn::Load(d, dy[o] + dy_row + j * t.dy_pixel_step + part * kVector));
        }
        HWY_UNROLL(3)
        for (std::size_t b = 0; b < kTaps; ++b) {
          const std::ptrdiff_t at = column + static_cast<std::ptrdiff_t>(b);
          if (!inner && (at < 0 || at >= t.width)) continue;
          const float* in = x_row + static_cast<std::size_t>(at) * kLanes + part * kVector;
          HWY_UNROLL(4)
          for (std::size_t c = 0; c < kIc; ++c) {
            const V value = in_register(hn::Load(d, in + c * t.x_channel_step));
            HWY_UNROLL(4)
            for (std::size_t o = 0; o < kOc; ++o) {
              V& sum = acc[(c * kTaps + b) * kOc + o];
              sum = hn::MulAdd(g[o], value, sum);
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

struct GradientKind {
  void (*function)(const GradientTile&);
  std::size_t outputs, inputs;
};
template <std::size_t kTaps>
GradientKind gradient_kind(std::size_t outputs, std::size_t inputs) {
  if constexpr (kParts == 1) {
    if (outputs >= 4 && inputs >= 2) return {gradient_tile<4, 2, kTaps>, 4, 2};
    if (outputs >= 4) return {gradient_tile<4, 1, kTaps>, 4, 1};
  } else {
    if (outputs >= 2 && inputs >= 2) return {gradient_tile<2, 2, kTaps>, 2, 2};
  }
  if (inputs >= 2) return {gradient_tile<1, 2, kTaps>, 1, 2};
  return {gradient_tile<1, 1, kTaps>, 1, 1};
}
constexpr std::size_t kMostOutputs = kParts == 1 ? 4 : 2;

/// folded [virtual output channel][input channel][k][k] += sums of one class of phases.
void folded_gradient(const UpsampleConvShape& s, const PhaseClass& phases, const float* x, const float* dy,
                     float* folded) {
  constexpr std::size_t kDyBytes = 24 * 1024;  // of the first-level cache; the rest is for x
  const std::size_t k = folded_kernel(s);
  const auto map = phases_of(s, phases, dy);
  const std::size_t top = phases.padding_top, left = phases.padding_left;
  std::array<std::size_t, kMostOutputs> offsets{};
  GradientTile t;
  t.x_channel_step = s.height * s.width * kLanes;
  t.x_row_step = s.width * kLanes;
  t.dy_offset = offsets.data();
  t.dy_row_step = map.row_step;
  t.dy_pixel_step = map.pixel_step;
  t.columns = map.width;
  t.width = static_cast<std::ptrdiff_t>(s.width);
  t.dw_input_step = k * k;
  t.dw_output_step = s.in_channels * t.dw_input_step;
  const std::size_t block_rows =
      std::max<std::size_t>(1, kDyBytes / (kMostOutputs * map.width * kLanes * sizeof(float)));
  for (std::size_t b = 0, taps = 0; b < k; b += taps) {
    taps = k - b >= 3 ? 3 : 1;
    t.column = static_cast<std::ptrdiff_t>(b) - static_cast<std::ptrdiff_t>(left);
    t.inner_first = left > b ? left - b : 0;
    t.inner_last = s.width + left >= b + taps ? s.width + left - b - taps + 1 : 0;
    for (std::size_t v = 0, outputs = 0; v < map.size(); v += outputs) {
      outputs = map.size() - v >= kMostOutputs ? kMostOutputs : 1;
      for (std::size_t o = 0; o < outputs; ++o) offsets[o] = map.offset(v + o);
      for (std::size_t block = 0; block < map.height; block += block_rows) {
        const std::size_t end = std::min(map.height, block + block_rows);
        for (std::size_t c = 0, inputs = 0; c < s.in_channels; c += inputs) {
          const std::size_t left_inputs = s.in_channels - c;
          const GradientKind kind =
              taps == 3 ? gradient_kind<3>(outputs, left_inputs) : gradient_kind<1>(outputs, left_inputs);
          inputs = kind.inputs;
          for (std::size_t a = 0; a < k; ++a) {
            // Phase rows i of the block with 0 <= i + a - top < height.
            const std::size_t first = std::max(block, top > a ? top - a : 0);
            const std::size_t last = std::min(end, s.height + top > a ? s.height + top - a : 0);
            if (first >= last) continue;
            t.rows = last - first;
            t.x = x + c * t.x_channel_step + (first + a - top) * t.x_row_step;
            for (std::size_t o = 0; o < outputs; o += kind.outputs) {
              t.dy = dy + first * map.row_step;
              t.dy_offset = offsets.data() + o;
              t.dw = folded + (((v + o) * s.in_channels + c) * k + a) * k + b;
              kind.function(t);
            }
          }
        }
      }
    }
  }
}

/// dw += the sum, over the phases, of the gradient of the folded weight that each weight is part of.
/// kKernel: s.kernel, or 0 for any.
template <std::size_t kKernel>
void add_unfolded(const UpsampleConvShape& s, ConvWeights form, const float* folded, float* dw) {
  const std::size_t kernel = kKernel == 0 ? s.kernel : kKernel, k = (kernel + 1) / 2;
  const std::ptrdiff_t step = form == ConvWeights::as_is ? 1 : -1;
  for (std::size_t o = 0; o < s.out_channels; ++o) {
    for (std::size_t c = 0; c < s.in_channels; ++c) {
      // By the shift of folded_tap().
      std::array<std::array<const float*, 2>, 2> phases;
      for (std::size_t row = 0; row < 2; ++row) {
        for (std::size_t column = 0; column < 2; ++column) {
          const std::size_t place = folded_place(s, phase_of_shift(s, row), phase_of_shift(s, column), o, c);
          phases[row][column] = folded + place * k * k;
        }
      }
      float* const first = dw + reference::weight_index(s, form, o, c, 0, 0);
      std::ptrdiff_t place = 0;
      HWY_UNROLL(5)
      for (std::size_t a = 0; a < kernel; ++a) {
        HWY_UNROLL(5)
        for (std::size_t b = 0; b < kernel; ++b, place += step) {
          const auto of = [&](std::size_t row, std::size_t column) {
            return phases[row][column][(a + row) / 2 * k + (b + column) / 2];
          };
          first[place] += (of(0, 0) + of(0, 1)) + (of(1, 0) + of(1, 1));
        }
      }
    }
  }
}

}  // namespace

void upsample_conv_weight_gradient(const UpsampleConvShape& s, ConvWeights form, const float* x,
                                   const float* dy, float* dw, float* scratch) noexcept {
  const std::size_t taps = folded_kernel(s) * folded_kernel(s);
  std::fill_n(scratch, 4 * s.out_channels * s.in_channels * taps, 0.0F);
  float* folded = scratch;
  for (std::size_t index = 0; index < n_phase_classes(s); ++index) {
    const PhaseClass phases = phase_class(s, index);
    folded_gradient(s, phases, x, dy, folded);
    folded += s.out_channels * phases.n * s.in_channels * taps;
  }
  if (s.kernel == 5) {
    add_unfolded<5>(s, form, scratch, dw);
  } else {
    add_unfolded<0>(s, form, scratch, dw);
  }
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

std::size_t upsample_conv_packed_size(const UpsampleConvShape& s) noexcept {
  // The folded kernels of four phases; the reference keeps the kernel as it is, which is smaller from size 3
  // on.
  const std::size_t folded = 4 * upsample_conv::folded_kernel(s) * upsample_conv::folded_kernel(s);
  return s.out_channels * s.in_channels * std::max(folded, s.kernel * s.kernel);
}

void upsample_conv_pack(const UpsampleConvShape& s, ConvWeights form, const float* w, float* forward,
                        float* backward) noexcept {
  DEEPSAD_CALL_KERNEL(upsample_conv_pack, s, form, w, forward, backward);
}
void upsample_conv_pack(const UpsampleConvShape& s, ConvWeights form, const double* w, double* forward,
                        double* backward) noexcept {
  reference::upsample_conv_pack(s, form, w, forward, backward);
}

void upsample_conv_forward(const UpsampleConvShape& s, const float* x, const float* packed,
                           float* y) noexcept {
  DEEPSAD_CALL_KERNEL(upsample_conv_forward, s, x, packed, y);
}
void upsample_conv_forward(const UpsampleConvShape& s, const double* x, const double* packed,
                           double* y) noexcept {
  reference::upsample_conv_forward(s, x, packed, y);
}

void upsample_conv_data_gradient(const UpsampleConvShape& s, const float* dy, const float* packed,
                                 float* dx) noexcept {
  DEEPSAD_CALL_KERNEL(upsample_conv_data_gradient, s, dy, packed, dx);
}
void upsample_conv_data_gradient(const UpsampleConvShape& s, const double* dy, const double* packed,
                                 double* dx) noexcept {
  reference::upsample_conv_data_gradient(s, dy, packed, dx);
}

void upsample_conv_weight_gradient(const UpsampleConvShape& s, ConvWeights form, const float* x,
                                   const float* dy, float* dw, float* scratch) noexcept {
  DEEPSAD_CALL_KERNEL(upsample_conv_weight_gradient, s, form, x, dy, dw, scratch);
}
void upsample_conv_weight_gradient(const UpsampleConvShape& s, ConvWeights form, const double* x,
                                   const double* dy, double* dw, double* scratch) noexcept {
  reference::upsample_conv_weight_gradient(s, form, x, dy, dw, scratch);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
