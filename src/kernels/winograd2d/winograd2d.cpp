#include "kernels/winograd2d/winograd2d.h"

#include <algorithm>
#include <cstddef>

#include "kernels/dispatch.h"
#include "kernels/winograd2d/winograd2d_reference.h"

#ifndef DEEPSAD_WINOGRAD2D_BLOCKS
#define DEEPSAD_WINOGRAD2D_BLOCKS
namespace deepsad::kernels {
namespace {

constexpr std::size_t kUnfoldedKernel = 5;  // of a layer whose upsampling is folded in,
constexpr std::size_t kFoldedKernel = 3;    // and what becomes of it
constexpr std::size_t kPhases = 4;          // output points per point of the small map
constexpr std::size_t kRowBlock = 8;        // rows of packed weights that lie side by side
constexpr std::size_t kTileOutputs = 4;     // along one axis
// One vector between the points of a tile: strides that are powers of two would fall on few cache sets.
constexpr std::size_t kPointPadding = kLanes;

constexpr std::size_t round_up(std::size_t n, std::size_t step) {
  return (n + step - 1) / step * step;
}

std::size_t kernel_of(const WinogradShape& shape) {
  return shape.upsampled ? kFoldedKernel : shape.conv.kernel;
}
std::size_t points_of(const WinogradShape& shape) {
  const std::size_t axis = kTileOutputs + kernel_of(shape) - 1;
  return axis * axis;
}
std::size_t out_planes(const WinogradShape& shape) {
  return shape.conv.out_channels * (shape.upsampled ? kPhases : 1);
}

// A block of tiles is transformed together; its values and the products of a slice of planes are to stay in a
// second-level cache of 1 MB, beside the weights that pass through. The weight gradient, whose sums are as
// long as a block, takes larger ones.
constexpr std::size_t kBlockBytes = 768 * 1024;
constexpr std::size_t kGradientBlockBytes = 1536 * 1024;
constexpr std::size_t kSlice = 32;

/// Tiles of a block for which `planes` values a point are kept: blocks of nearly equal, even size.
std::size_t block_tiles(std::size_t bytes, std::size_t points, std::size_t planes, std::size_t tiles) {
  const std::size_t fit = std::max<std::size_t>(2, bytes / (points * planes * kLanes * sizeof(float)));
  const std::size_t blocks = (tiles + fit - 1) / fit;
  return std::min(round_up((tiles + blocks - 1) / blocks, 2), tiles);
}
/// Elements of the points of one tile, where they lie side by side.
std::size_t tile_size(std::size_t points) {
  return points * kLanes + kPointPadding;
}
std::size_t tiles_of(std::size_t height, std::size_t width) {
  return round_up(height, kTileOutputs) / kTileOutputs * (round_up(width, kTileOutputs) / kTileOutputs);
}
/// Elements of `rows` x `columns` values for every point.
std::size_t points_size(std::size_t points, std::size_t rows, std::size_t columns) {
  return points * (rows * columns + kPointPadding);
}

}  // namespace
}  // namespace deepsad::kernels
#endif  // DEEPSAD_WINOGRAD2D_BLOCKS

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd2d/winograd2d.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"
#include "kernels/winograd2d/gemm-inl.h"
#include "kernels/winograd2d/transforms-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

/// One side of the convolution as planes of tiles: the channels of a map, or, where an upsampling is folded
/// into the weights, four phases of each channel, phase by phase. Point (i, j) of phase (a, b) is the map's
/// point (2 i + a - shift, 2 j + b - shift).
struct Side {
  std::size_t channels, height, width;
  bool phased;
  std::size_t shift;

  std::size_t planes() const { return channels * (phased ? kPhases : 1); }
  Plane plane(std::size_t q) const {
    const auto row = static_cast<std::ptrdiff_t>(width * kLanes);
    const auto rows = static_cast<std::ptrdiff_t>(height), columns = static_cast<std::ptrdiff_t>(width);
    if (!phased) {
      const auto offset = static_cast<std::ptrdiff_t>(q * height * width * kLanes);
      return {offset, row, kLanes, 0, rows, 0, columns};
    }
    const auto offset = static_cast<std::ptrdiff_t>(q % channels * height * width * kLanes);
    const std::size_t phase = q / channels;
    const std::ptrdiff_t a = static_cast<std::ptrdiff_t>(phase / 2) - static_cast<std::ptrdiff_t>(shift);
    const std::ptrdiff_t b = static_cast<std::ptrdiff_t>(phase % 2) - static_cast<std::ptrdiff_t>(shift);
    return {offset + a * row + b * static_cast<std::ptrdiff_t>(kLanes),
            2 * row,
            2 * kLanes,
            std::max<std::ptrdiff_t>(0, (1 - a) / 2),
            (rows - a + 1) / 2,
            std::max<std::ptrdiff_t>(0, (1 - b) / 2),
            (columns - b + 1) / 2};
  }
};

/// The tiles of a grid of height x width points, in reading order.
struct Tiles {
  std::size_t across, count;
  Tiles(std::size_t height, std::size_t width)
      : across(round_up(width, kTile) / kTile), count(tiles_of(height, width)) {}
  std::ptrdiff_t row(std::size_t tile) const { return static_cast<std::ptrdiff_t>(tile / across * kTile); }
  std::ptrdiff_t column(std::size_t tile) const { return static_cast<std::ptrdiff_t>(tile % across * kTile); }
};

/// x [in planes], y [out planes] of a shape, and the grid of y's tiles.
struct Sides {
  Side x, y;
  std::size_t grid_height, grid_width, padding;
  explicit Sides(const WinogradShape& shape) {
    const ConvShape& s = shape.conv;
    if (shape.upsampled) {
      x = {s.in_channels, s.height / 2, s.width / 2, false, 0};
      y = {s.out_channels, s.out_height, s.out_width, true, 2 - s.padding};
      grid_height = x.height;
      grid_width = x.width;
      padding = 1;
    } else {
      x = {s.in_channels, s.height, s.width, false, 0};
      y = {s.out_channels, s.out_height, s.out_width, false, 0};
      grid_height = s.out_height;
      grid_width = s.out_width;
      padding = s.padding;
    }
  }
};

/// to[point][plane][tile - first][16]: the input transform of the tiles [first, last) of all planes.
template <std::size_t kKernel>
void transform_block(const Side& side, const Tiles& tiles, std::size_t first, std::size_t last,
                     std::size_t padding, const float* src, float* to) {
  const std::size_t columns = (last - first) * kLanes;
  const std::size_t stride = side.planes() * columns + kPointPadding;
  const auto pad = static_cast<std::ptrdiff_t>(padding);
  for (std::size_t q = 0; q < side.planes(); ++q) {
    const Plane plane = side.plane(q);
    for (std::size_t t = first; t < last; ++t) {
      for (std::size_t part = 0; part < kParts; ++part) {
        input_tile<kKernel>(plane, src + part * kVector, tiles.row(t) - pad, tiles.column(t) - pad,
                            to + q * columns + (t - first) * kLanes + part * kVector, stride);
      }
    }
  }
}

/// dst <- convolution of src with the packed kernels: [point][block of kRowBlock out planes][in
/// plane][kRowBlock].
template <std::size_t kKernel>
void convolve(const Side& in, const Side& out, std::size_t grid_height, std::size_t grid_width,
              std::size_t padding, const float* src, const float* packed, float* dst, float* scratch) {
  constexpr std::size_t kPointCount = kPoints<kKernel>;
  const std::size_t n_in = in.planes(), n_out = out.planes();
  const Tiles tiles(grid_height, grid_width);
  const std::size_t block =
      block_tiles(kBlockBytes, kPointCount, n_in + std::min(n_out, kSlice), tiles.count);
  float* values = scratch;
  float* products = scratch + points_size(kPointCount, n_in, block * kLanes);
  const std::size_t u_stride = round_up(n_out, kRowBlock) * n_in + kPointPadding;
  const std::size_t tile_step = tile_size(kPointCount);
  for (std::size_t first = 0; first < tiles.count; first += block) {
    const std::size_t last = std::min(tiles.count, first + block), columns = (last - first) * kLanes;
    transform_block<kKernel>(in, tiles, first, last, padding, src, values);
    const std::size_t v_stride = n_in * columns + kPointPadding;
    const std::size_t row_step = (last - first) * tile_step;
    const Product p{.depth = n_in,
                    .a_row = 1,
                    .a_step = kRowBlock,
                    .b_row = columns,
                    .c_row = row_step,
                    .c_step = tile_step,
                    .add = false};
    for (std::size_t q0 = 0; q0 < n_out; q0 += kSlice) {
      const std::size_t q1 = std::min(n_out, q0 + kSlice);
      for (std::size_t point = 0; point < kPointCount; ++point) {
        for (std::size_t q = q0; q < q1; q += kRowBlock) {
          product(p, kRowBlock, columns, packed + point * u_stride + q * n_in, values + point * v_stride,
                  products + (q - q0) * row_step + point * kLanes);
        }
      }
      for (std::size_t q = q0; q < q1; ++q) {
        const Plane plane = out.plane(q);
        for (std::size_t t = first; t < last; ++t) {
          for (std::size_t part = 0; part < kParts; ++part) {
            output_tile<kKernel>(products + (q - q0) * row_step + (t - first) * tile_step + part * kVector,
                                 plane, dst + part * kVector, tiles.row(t), tiles.column(t));
          }
        }
      }
    }
  }
}

/// to[point][(tile - first) 16 + sample][plane]: A z A^T of the tiles [first, last) with 16 planes in the
/// lanes, planes rounded up to 16 with zeros.
template <std::size_t kKernel>
void transform_gradient_block(const Side& side, const Tiles& tiles, std::size_t first, std::size_t last,
                              std::size_t first_plane, std::size_t lanes, const float* src, float* to) {
  constexpr auto kRows = static_cast<std::ptrdiff_t>(kTile);
  alignas(64) static constexpr float kZeros[kLanes] = {};
  const std::size_t n = side.planes();
  const std::size_t stride = (last - first) * kLanes * lanes + kPointPadding;
  alignas(64) float turned[kTile * kTile * kLanes * kLanes];  // [point][sample][plane]
  for (std::size_t q = first_plane; q < std::min(n, first_plane + lanes); q += kLanes) {
    Plane planes[kLanes];
    for (std::size_t l = 0; l < kLanes; ++l) planes[l] = side.plane(std::min(q + l, n - 1));
    const std::size_t exist = std::min(kLanes, n - q);
    for (std::size_t t = first; t < last; ++t) {
      const std::ptrdiff_t i = tiles.row(t), j = tiles.column(t);
      const float* corners[kLanes];
      bool whole = exist == kLanes;
      for (std::size_t l = 0; l < kLanes; ++l) {
        const Plane& p = planes[l];
        whole = whole && i >= p.first_row && i + kRows <= p.last_row && j >= p.first_column &&
                j + kRows <= p.last_column;
        corners[l] = src + (p.offset + i * p.row + j * p.column);
      }
      for (std::ptrdiff_t a = 0; a < kRows; ++a) {
        for (std::ptrdiff_t b = 0; b < kRows; ++b) {
          const float* rows[kLanes];
          for (std::size_t l = 0; l < kLanes; ++l) {
            const Plane& p = planes[l];
            const bool there = whole || (l < exist && i + a >= p.first_row && i + a < p.last_row &&
                                         j + b >= p.first_column && j + b < p.last_column);
            rows[l] = there ? corners[l] + (a * p.row + b * p.column) : kZeros;
          }
          gather_columns(rows, kLanes,
                         turned + (a * kRows + b) * static_cast<std::ptrdiff_t>(kLanes * kLanes));
        }
      }
      for (std::size_t sample = 0; sample < kLanes; ++sample) {
        for (std::size_t part = 0; part < kParts; ++part) {
          gradient_tile<kKernel>(
              turned + sample * kLanes + part * kVector, kLanes * kLanes,
              to + ((t - first) * kLanes + sample) * lanes + q - first_plane + part * kVector, stride);
        }
      }
    }
  }
}

/// The taps [axis position][phase] of kernel 5 that make up each tap of kernel 3, one axis: tap k of phase a
/// reads the small map's point floor((a + k - 2) / 2) = folded_tap - 1.
constexpr std::size_t folded_tap(std::size_t phase, std::size_t k) {
  return (phase + k) / 2;
}

/// Where the weight (o, c, tap) lies.
struct WeightPlaces {
  std::size_t output_step, input_step;
  bool flipped;
  WeightPlaces(const ConvShape& s, ConvWeights form) : flipped(form == ConvWeights::swapped_flipped) {
    const std::size_t taps = s.kernel * s.kernel;
    output_step = flipped ? taps : s.in_channels * taps;
    input_step = flipped ? s.out_channels * taps : taps;
  }
};

/// The first n lanes of u as rows row, row + 1, ... of one column of the packed form; blocks of rows are
/// block_step apart, points point_step.
template <std::size_t kKernel>
HWY_INLINE void store_rows(const V (&u)[kPoints<kKernel>], float* to, std::size_t point_step, std::size_t row,
                           std::size_t block_step, std::size_t n) {
  const D d;
  const hn::CappedTag<float, kRowBlock> block;
  if (row % kRowBlock == 0 && n == kVector) {
    to += row / kRowBlock * block_step;
    for (std::size_t point = 0; point < kPoints<kKernel>; ++point, to += point_step) {
      alignas(64) float lanes[kVector];
      hn::Store(u[point], d, lanes);
      for (std::size_t l = 0; l < kVector; l += kRowBlock) {
        hn::StoreU(hn::Load(block, lanes + l), block, to + l / kRowBlock * block_step);
      }
    }
    return;
  }
  for (std::size_t point = 0; point < kPoints<kKernel>; ++point, to += point_step) {
    alignas(64) float lanes[kVector];
    hn::Store(u[point], d, lanes);
    for (std::size_t l = 0; l < n; ++l) {
      to[(row + l) / kRowBlock * block_step + (row + l) % kRowBlock] = lanes[l];
    }
  }
}

/// The packed form for products whose rows are the planes of the outputs (kBackward false: forward) or the
/// inputs (kBackward true: data gradient), see convolve(). `rows` and `depth` count channels. row_step and
/// depth_step are the distances of their weights; flipped: taps lie in reverse order.
template <std::size_t kKernel, bool kFolded, bool kBackward>
void pack_kernels(std::size_t rows, std::size_t depth, std::size_t row_step, std::size_t depth_step,
                  bool flipped, const float* w, float* packed) {
  constexpr std::size_t kSourceKernel = kFolded ? kUnfoldedKernel : kKernel;
  constexpr std::size_t kTaps = kSourceKernel * kSourceKernel, kFewTaps = kKernel * kKernel;
  constexpr std::size_t kPhaseCount = kFolded ? kPhases : 1;
  const D d;
  const std::size_t row_planes = rows * (kBackward ? 1 : kPhaseCount);
  const std::size_t depth_planes = depth * (kBackward ? kPhaseCount : 1);
  const std::size_t u_stride = round_up(row_planes, kRowBlock) * depth_planes + kPointPadding;
  alignas(64) float taps[kTaps * kLanes];
  for (std::size_t r = 0; r < rows; r += kLanes) {
    const std::size_t exist = std::min(kLanes, rows - r);
    for (std::size_t k = 0; k < depth; ++k) {
      const float* sources[kLanes];
      for (std::size_t l = 0; l < kLanes; ++l) {
        sources[l] = w + (r + std::min(l, exist - 1)) * row_step + k * depth_step;
      }
      gather_columns(sources, kTaps, taps);
      for (std::size_t phase = 0; phase < kPhaseCount; ++phase) {
        for (std::size_t part = 0; part < kParts; ++part) {
          V few[kFewTaps], u[kPoints<kKernel>];
          for (std::size_t tap = 0; tap < kFewTaps; ++tap) few[tap] = hn::Zero(d);
          for (std::size_t a = 0; a < kSourceKernel; ++a) {
            for (std::size_t b = 0; b < kSourceKernel; ++b) {
              std::size_t to =
                  kFolded ? folded_tap(phase / 2, a) * kKernel + folded_tap(phase % 2, b) : a * kKernel + b;
              if (kBackward) to = kFewTaps - 1 - to;
              const std::size_t tap = a * kSourceKernel + b, from = flipped ? kTaps - 1 - tap : tap;
              few[to] = hn::Add(few[to], hn::Load(d, taps + from * kLanes + part * kVector));
            }
          }
          kernel_tile<kKernel>(few, u);
          const std::size_t row = (kBackward ? 0 : phase * rows) + r + part * kVector;
          const std::size_t column = (kBackward ? phase * depth : 0) + k;
          const std::size_t n = exist > part * kVector ? std::min(kVector, exist - part * kVector) : 0;
          store_rows<kKernel>(u, packed + column * kRowBlock, u_stride, row, kRowBlock * depth_planes, n);
        }
      }
    }
  }
  // The rows that fill up the last block.
  for (std::size_t row = row_planes; row < round_up(row_planes, kRowBlock); ++row) {
    for (std::size_t point = 0; point < kPoints<kKernel>; ++point) {
      float* at = packed + point * u_stride + row / kRowBlock * kRowBlock * depth_planes + row % kRowBlock;
      for (std::size_t k = 0; k < depth_planes; ++k) at[k * kRowBlock] = 0;
    }
  }
}

template <bool kBackward>
void pack(const WinogradShape& shape, ConvWeights form, const float* w, float* packed) {
  const ConvShape& s = shape.conv;
  const WeightPlaces places(s, form);
  const std::size_t rows = kBackward ? s.in_channels : s.out_channels;
  const std::size_t depth = kBackward ? s.out_channels : s.in_channels;
  const std::size_t row_step = kBackward ? places.input_step : places.output_step;
  const std::size_t depth_step = kBackward ? places.output_step : places.input_step;
  if (shape.upsampled) {
    pack_kernels<3, true, kBackward>(rows, depth, row_step, depth_step, places.flipped, w, packed);
  } else if (s.kernel == 3) {
    pack_kernels<3, false, kBackward>(rows, depth, row_step, depth_step, places.flipped, w, packed);
  } else {
    pack_kernels<5, false, kBackward>(rows, depth, row_step, depth_step, places.flipped, w, packed);
  }
}

/// partial [in channel][16 output channels][tap][16] <- (or +=) G^T dU G, unfolded, for the output channels
/// [first, last); dU [in plane][16 out planes of `lanes`][point][16].
template <std::size_t kKernel, bool kFolded>
void add_kernel_gradients(const WinogradShape& shape, const float* products, std::size_t lanes,
                          std::size_t first, std::size_t last, bool add, float* partial) {
  constexpr std::size_t kSourceKernel = kFolded ? kUnfoldedKernel : kKernel;
  constexpr std::size_t kTaps = kSourceKernel * kSourceKernel, kFewTaps = kKernel * kKernel;
  constexpr std::size_t kPhaseCount = kFolded ? kPhases : 1;
  const D d;
  const ConvShape& s = shape.conv;
  const std::size_t tile_step = tile_size(kPoints<kKernel>),
                    blocks = round_up(s.out_channels, kLanes) / kLanes;
  alignas(64) float moved[kPoints<kKernel> * kLanes] = {};
  for (std::size_t c = 0; c < s.in_channels; ++c, products += lanes / kLanes * tile_step) {
    for (std::size_t o = first; o < last; o += kLanes) {
      const std::size_t exist = std::min(kLanes, s.out_channels - o);
      float* const taps = partial + (c * blocks + o / kLanes) * kTaps * kLanes;
      for (std::size_t part = 0; part < kParts; ++part) {
        for (std::size_t phase = 0; phase < kPhaseCount; ++phase) {
          const std::size_t q = phase * s.out_channels + o;
          const float* u = products + q / kLanes * tile_step;
          if (q % kLanes != 0) {
            // A phase of a channel count that is no multiple of 16 starts inside a vector.
            for (std::size_t point = 0; point < kPoints<kKernel>; ++point) {
              for (std::size_t l = 0; l < exist; ++l) {
                moved[point * kLanes + l] =
                    products[(q + l) / kLanes * tile_step + point * kLanes + (q + l) % kLanes];
              }
            }
            u = moved;
          }
          V few[kFewTaps];
          kernel_gradient_tile<kKernel>(u + part * kVector, few);
          const bool sets = phase == 0 && !add;
          HWY_UNROLL(1)
          for (std::size_t a = 0; a < kSourceKernel; ++a) {
            HWY_UNROLL(5)
            for (std::size_t b = 0; b < kSourceKernel; ++b) {
              const std::size_t from =
                  kFolded ? folded_tap(phase / 2, a) * kKernel + folded_tap(phase % 2, b) : a * kKernel + b;
              float* to = taps + (a * kSourceKernel + b) * kLanes + part * kVector;
              hn::Store(sets ? few[from] : hn::Add(hn::Load(d, to), few[from]), d, to);
            }
          }
        }
      }
    }
  }
}

template <std::size_t kKernel, bool kFolded>
void weight_gradient(const WinogradShape& shape, const float* x, const float* dy, float* partial, bool add,
                     float* scratch) {
  constexpr std::size_t kPointCount = kPoints<kKernel>;
  const Sides sides(shape);
  const Tiles tiles(sides.grid_height, sides.grid_width);
  const std::size_t n_in = sides.x.planes(), lanes = round_up(sides.y.planes(), kLanes);
  const std::size_t slice = std::min(lanes, kSlice), tile_step = tile_size(kPointCount);
  const std::size_t block = block_tiles(kGradientBlockBytes, kPointCount, n_in + slice, tiles.count);
  float* values = scratch;
  float* gradients = values + points_size(kPointCount, n_in, block * kLanes);
  float* products = gradients + points_size(kPointCount, slice, block * kLanes);
  for (std::size_t first = 0; first < tiles.count; first += block) {
    const std::size_t last = std::min(tiles.count, first + block), columns = (last - first) * kLanes;
    transform_block<kKernel>(sides.x, tiles, first, last, sides.padding, x, values);
    for (std::size_t q = 0; q < lanes; q += slice) {
      const std::size_t wide = std::min(slice, lanes - q);
      transform_gradient_block<kKernel>(sides.y, tiles, first, last, q, wide, dy, gradients);
      const Product p{.depth = columns,
                      .a_row = columns,
                      .a_step = 1,
                      .b_row = wide,
                      .c_row = lanes / kLanes * tile_step,
                      .c_step = tile_step,
                      .add = first != 0};
      for (std::size_t point = 0; point < kPointCount; ++point) {
        product(p, n_in, wide, values + point * (n_in * columns + kPointPadding),
                gradients + point * (wide * columns + kPointPadding),
                products + q / kLanes * tile_step + point * kLanes);
      }
      if (!kFolded && last == tiles.count) {  // while the sums are in the cache
        add_kernel_gradients<kKernel, kFolded>(shape, products, lanes, q,
                                               std::min(q + wide, shape.conv.out_channels), add, partial);
      }
    }
  }
  if (kFolded) {
    add_kernel_gradients<kKernel, kFolded>(shape, products, lanes, 0, shape.conv.out_channels, add, partial);
  }
}

}  // namespace

void winograd2d_pack_forward(const WinogradShape& shape, ConvWeights form, const float* w,
                             float* packed) noexcept {
  pack<false>(shape, form, w, packed);
}
void winograd2d_pack_backward(const WinogradShape& shape, ConvWeights form, const float* w,
                              float* packed) noexcept {
  pack<true>(shape, form, w, packed);
}

void winograd2d_forward(const WinogradShape& shape, const float* x, const float* packed, float* y,
                        float* scratch) noexcept {
  const Sides s(shape);
  const auto run = kernel_of(shape) == 3 ? convolve<3> : convolve<5>;
  run(s.x, s.y, s.grid_height, s.grid_width, s.padding, x, packed, y, scratch);
}

void winograd2d_data_gradient(const WinogradShape& shape, const float* dy, const float* packed, float* dx,
                              float* scratch) noexcept {
  const Sides s(shape);
  const std::size_t kernel = kernel_of(shape);
  const auto run = kernel == 3 ? convolve<3> : convolve<5>;
  run(s.y, s.x, s.x.height, s.x.width, kernel - 1 - s.padding, dy, packed, dx, scratch);
}

void winograd2d_weight_gradient(const WinogradShape& shape, const float* x, const float* dy, float* partial,
                                bool add, float* scratch) noexcept {
  if (shape.upsampled) {
    weight_gradient<3, true>(shape, x, dy, partial, add, scratch);
  } else if (shape.conv.kernel == 3) {
    weight_gradient<3, false>(shape, x, dy, partial, add, scratch);
  } else {
    weight_gradient<5, false>(shape, x, dy, partial, add, scratch);
  }
}

void winograd2d_sum_gradients(const WinogradShape& shape, ConvWeights form,
                              const WinogradPartials<float>& partials, std::size_t first, std::size_t last,
                              float* dw) noexcept {
  constexpr std::size_t kMostTaps = kUnfoldedKernel * kUnfoldedKernel;
  const D d;
  const ConvShape& s = shape.conv;
  const WeightPlaces places(s, form);
  const std::size_t n_taps = s.kernel * s.kernel, blocks = round_up(s.out_channels, kLanes) / kLanes;
  alignas(64) float taps[kMostTaps * kLanes];
  float unused[kMostTaps];
  for (std::size_t c = first; c < last; ++c) {
    for (std::size_t o = 0; o < s.out_channels; o += kLanes) {
      const float* from = partials.values + (c * blocks + o / kLanes) * n_taps * kLanes;
      for (std::size_t tap = 0; tap < n_taps; ++tap, from += kLanes) {
        float* const to = taps + (places.flipped ? n_taps - 1 - tap : tap) * kLanes;
        for (std::size_t part = 0; part < kLanes; part += kVector) {
          V sum = hn::Load(d, from + part);
          for (std::size_t i = 1; i < partials.n; ++i) {
            sum = hn::Add(sum, hn::Load(d, from + i * partials.step + part));
          }
          hn::Store(sum, d, to + part);
        }
      }
      const std::size_t exist = std::min(kLanes, s.out_channels - o);
      float* rows[kLanes];
      for (std::size_t l = 0; l < kLanes; ++l) {
        rows[l] = l < exist ? dw + (o + l) * places.output_step + c * places.input_step : unused;
      }
      scatter_columns(taps, n_taps, rows);
    }
  }
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

bool winograd2d_serves(const WinogradShape& shape) noexcept {
  const ConvShape& s = shape.conv;
  if (s.stride != 1) return false;
  if (!shape.upsampled) return s.kernel == 3 || s.kernel == 5;
  return s.kernel == kUnfoldedKernel && s.padding <= 2 && s.height % 2 == 0 && s.width % 2 == 0;
}

namespace {

/// Products of one output row (or column) that read inside the map, over all output rows.
std::size_t taps_inside(std::size_t n_in, std::size_t n_out, const ConvShape& s) {
  std::size_t taps = 0;
  for (std::size_t tap = 0; tap < s.kernel; ++tap) {
    reference::for_each_valid(n_in, n_out, s, tap, [&](std::size_t, std::size_t) { ++taps; });
  }
  return taps;
}

}  // namespace

std::size_t winograd2d_scratch_size(const WinogradShape& shape, bool training) noexcept {
  const ConvShape& s = shape.conv;
  const std::size_t points = points_of(shape), n_in = s.in_channels, n_out = out_planes(shape);
  const std::size_t shrink = shape.upsampled ? 2 : 1;
  const std::size_t x_tiles = tiles_of(s.height / shrink, s.width / shrink);
  const std::size_t y_tiles = shape.upsampled ? x_tiles : tiles_of(s.out_height, s.out_width);
  const std::size_t lanes = round_up(n_out, kLanes);
  const auto pass = [&](std::size_t depth, std::size_t rows, std::size_t tiles) {
    const std::size_t sliced = std::min(round_up(rows, kRowBlock), kSlice);
    const std::size_t block = block_tiles(kBlockBytes, points, depth + std::min(rows, kSlice), tiles);
    return points_size(points, depth, block * kLanes) + sliced * block * tile_size(points);
  };
  const std::size_t slice = std::min(lanes, kSlice);
  const std::size_t columns = block_tiles(kGradientBlockBytes, points, n_in + slice, y_tiles) * kLanes;
  const std::size_t weights = points_size(points, n_in, columns) + points_size(points, slice, columns) +
                              n_in * lanes / kLanes * tile_size(points);
  const std::size_t forward = pass(n_in, n_out, y_tiles);
  return training ? std::max({forward, pass(n_out, n_in, x_tiles), weights}) : forward;
}

std::size_t winograd2d_forward_size(const WinogradShape& shape) noexcept {
  const ConvShape& s = shape.conv;
  return std::max(points_size(points_of(shape), round_up(out_planes(shape), kRowBlock), s.in_channels),
                  s.out_channels * s.in_channels * s.kernel * s.kernel);
}
std::size_t winograd2d_backward_size(const WinogradShape& shape) noexcept {
  const ConvShape& s = shape.conv;
  return std::max(points_size(points_of(shape), round_up(s.in_channels, kRowBlock), out_planes(shape)),
                  s.out_channels * s.in_channels * s.kernel * s.kernel);
}

std::size_t winograd2d_partial_size(const WinogradShape& shape) noexcept {
  const ConvShape& s = shape.conv;
  return s.in_channels * round_up(s.out_channels, kLanes) * s.kernel * s.kernel;
}

bool winograd2d_pays(const WinogradShape& shape) noexcept {
  if (!winograd2d_serves(shape)) return false;
  const ConvShape& s = shape.conv;
  const std::size_t shrink = shape.upsampled ? 2 : 1;
  // The other families in units of a multiply-add. Direct kernels: all taps but those in the padding; with a
  // folded upsampling 9 of 25.
  const std::size_t taps = taps_inside(s.height, s.out_height, s) * taps_inside(s.width, s.out_width, s);
  const std::size_t pairs = s.in_channels * s.out_channels;
  std::size_t other = taps * pairs * (shape.upsampled ? 9 : 25) / 25;
  if (!shape.upsampled && s.kernel == kUnfoldedKernel) {
    // winograd1d, as measured: 0.7 of it, and the lanes of every weight's sums to be added up.
    constexpr std::size_t kPair = 150;
    other = std::min(other, other * 7 / 10 + kPair * pairs);
  }
  // The products, and the transforms of all planes of both sides: as measured.
  constexpr std::size_t kTransform = 9;  // for every point of a tile
  const std::size_t n_in = s.in_channels, n_out = out_planes(shape);
  const std::size_t tiles =
      shape.upsampled ? tiles_of(s.height / shrink, s.width / shrink) : tiles_of(s.out_height, s.out_width);
  const std::size_t products = n_in * round_up(n_out, kRowBlock);
  return other > points_of(shape) * tiles * (products + kTransform * (n_in + n_out));
}

void winograd2d_pack_forward(const WinogradShape& shape, ConvWeights form, const float* w,
                             float* packed) noexcept {
  DEEPSAD_CALL_KERNEL(winograd2d_pack_forward, shape, form, w, packed);
}
void winograd2d_pack_forward(const WinogradShape& shape, ConvWeights form, const double* w,
                             double* packed) noexcept {
  reference::winograd2d_pack_forward(shape, form, w, packed);
}
void winograd2d_pack_backward(const WinogradShape& shape, ConvWeights form, const float* w,
                              float* packed) noexcept {
  DEEPSAD_CALL_KERNEL(winograd2d_pack_backward, shape, form, w, packed);
}
void winograd2d_pack_backward(const WinogradShape& shape, ConvWeights form, const double* w,
                              double* packed) noexcept {
  reference::winograd2d_pack_backward(shape, form, w, packed);
}

void winograd2d_forward(const WinogradShape& shape, const float* x, const float* packed, float* y,
                        float* scratch) noexcept {
  DEEPSAD_CALL_KERNEL(winograd2d_forward, shape, x, packed, y, scratch);
}
void winograd2d_forward(const WinogradShape& shape, const double* x, const double* packed, double* y,
                        double* scratch) noexcept {
  reference::winograd2d_forward(shape, x, packed, y, scratch);
}

void winograd2d_data_gradient(const WinogradShape& shape, const float* dy, const float* packed, float* dx,
                              float* scratch) noexcept {
  DEEPSAD_CALL_KERNEL(winograd2d_data_gradient, shape, dy, packed, dx, scratch);
}
void winograd2d_data_gradient(const WinogradShape& shape, const double* dy, const double* packed, double* dx,
                              double* scratch) noexcept {
  reference::winograd2d_data_gradient(shape, dy, packed, dx, scratch);
}

void winograd2d_weight_gradient(const WinogradShape& shape, const float* x, const float* dy, float* partial,
                                bool add, float* scratch) noexcept {
  DEEPSAD_CALL_KERNEL(winograd2d_weight_gradient, shape, x, dy, partial, add, scratch);
}
void winograd2d_weight_gradient(const WinogradShape& shape, const double* x, const double* dy,
                                double* partial, bool add, double* scratch) noexcept {
  reference::winograd2d_weight_gradient(shape, x, dy, partial, add, scratch);
}

void winograd2d_sum_gradients(const WinogradShape& shape, ConvWeights form,
                              const WinogradPartials<float>& partials, std::size_t first, std::size_t last,
                              float* dw) noexcept {
  DEEPSAD_CALL_KERNEL(winograd2d_sum_gradients, shape, form, partials, first, last, dw);
}
void winograd2d_sum_gradients(const WinogradShape& shape, ConvWeights form,
                              const WinogradPartials<double>& partials, std::size_t first, std::size_t last,
                              double* dw) noexcept {
  reference::winograd2d_sum_gradients(shape, form, partials, first, last, dw);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
