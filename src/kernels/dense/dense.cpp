#include "kernels/dense/dense.h"

#include <algorithm>
#include <cstddef>

#include "kernels/dense/dense_reference.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dense/dense.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

// Forward and data gradient: a block of kRows results (outputs, or inputs) of all lanes, one accumulator
// each. Every multiply-add needs a weight of its own, broadcast from memory, so that loads are the limit: 17
// for 16 multiply-adds on AVX-512, 6 for 8 on AVX2, where two vectors share a weight.
constexpr std::size_t kMaxRows = kParts == 1 ? 16 : 4;

template <std::size_t kRows>
HWY_INLINE void clear(V (&acc)[kRows][kParts]) {
  HWY_UNROLL(16)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (std::size_t part = 0; part < kParts; ++part) acc[r][part] = hn::Zero(D());
  }
}

/// acc[r] += weights[r * step] x for all r, x the kLanes values of one feature.
template <std::size_t kRows>
HWY_INLINE void add_feature(const float* weights, std::size_t step, const float* x, V (&acc)[kRows][kParts]) {
  const D d;
  V in[kParts];
  HWY_UNROLL(2)
  for (std::size_t part = 0; part < kParts; ++part) in[part] = in_register(hn::Load(d, x + part * kVector));
  HWY_UNROLL(16)
  for (std::size_t r = 0; r < kRows; ++r) {
    const V weight = hn::Set(d, weights[r * step]);
    HWY_UNROLL(2)
    for (std::size_t part = 0; part < kParts; ++part)
      acc[r][part] = hn::MulAdd(weight, in[part], acc[r][part]);
  }
}

/// y[r] = w[r] x + bias[r], r < kRows; w: of the first row, the others beside it (see dense_pack()).
template <std::size_t kRows>
HWY_NOINLINE void forward_block(std::size_t n_in, const float* x, const float* w, const float* bias,
                                float* y) {
  const D d;
  V acc[kRows][kParts];
  clear(acc);
  for (std::size_t i = 0; i < n_in; ++i) add_feature<kRows>(w + i * kLanes, 1, x + i * kLanes, acc);
  HWY_UNROLL(16)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (std::size_t part = 0; part < kParts; ++part) {
      const V sum = bias == nullptr ? acc[r][part] : hn::Add(acc[r][part], hn::Set(d, bias[r]));
      hn::Store(sum, d, y + r * kLanes + part * kVector);
    }
  }
}

/// dx[r] = sum over o of w[o][r] dy[o], r < kRows; w: packed, from the first of these inputs on.
template <std::size_t kRows>
HWY_NOINLINE void data_block(std::size_t n_in, std::size_t n_out, const float* dy, const float* w,
                             float* dx) {
  const D d;
  V acc[kRows][kParts];
  clear(acc);
  for (std::size_t first = 0; first < n_out; first += kLanes, w += n_in * kLanes) {
    const std::size_t n = std::min(kLanes, n_out - first);
    for (std::size_t o = 0; o < n; ++o, dy += kLanes) add_feature<kRows>(w + o, kLanes, dy, acc);
  }
  HWY_UNROLL(16)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (std::size_t part = 0; part < kParts; ++part) {
      hn::Store(acc[r][part], d, dx + r * kLanes + part * kVector);
    }
  }
}

// Weight gradient: lanes are inputs. A tile is kRows outputs times kVectors vectors of inputs, summed over
// the samples of the batch: a sum is stored once and needs no partial sums of groups.
struct GradientTile {
  const DenseBatch<float>* batch;
  std::size_t row_step;       // of the transposed inputs
  std::size_t input, output;  // the first
  std::size_t n, n_in;        // inputs of the tile that exist; of the layer
  float* dw;
};

template <std::size_t kRows, std::size_t kVectors>
HWY_NOINLINE void gradient_tile(const GradientTile& t) {
  const D d;
  V acc[kRows][kVectors];
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(3)
    for (std::size_t v = 0; v < kVectors; ++v) acc[r][v] = hn::Zero(d);
  }
  for (std::size_t g = 0; g < t.batch->n_groups; ++g) {
    const float* inputs = t.batch->x + g * t.batch->x_step + t.input;
    const float* dy = t.batch->dy + g * t.batch->dy_step + t.output * kLanes;
    for (std::size_t l = 0; l < kLanes; ++l, inputs += t.row_step, ++dy) {
      V in[kVectors];
      HWY_UNROLL(3)
      for (std::size_t v = 0; v < kVectors; ++v) in[v] = in_register(hn::Load(d, inputs + v * kVector));
      HWY_UNROLL(8)
      for (std::size_t r = 0; r < kRows; ++r) {
        const V gradient = hn::Set(d, dy[r * kLanes]);
        HWY_UNROLL(3)
        for (std::size_t v = 0; v < kVectors; ++v) acc[r][v] = hn::MulAdd(gradient, in[v], acc[r][v]);
      }
    }
  }
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(3)
    for (std::size_t v = 0; v < kVectors; ++v) {
      float* to = t.dw + (t.output + r) * t.n_in + t.input + v * kVector;
      if ((v + 1) * kVector <= t.n) {
        hn::StoreU(acc[r][v], d, to);
      } else {
        hn::BlendedStore(acc[r][v], hn::FirstN(d, t.n - v * kVector), d, to);
      }
    }
  }
}

constexpr std::size_t kGradientRows = kParts == 1 ? 8 : 4;
constexpr std::size_t kGradientVectors = 3;

// Weight gradient of small layers: lanes are samples, so that nothing is transposed and no lane is wasted,
// but every sum ends across the lanes.
constexpr std::size_t kAcrossInputs = 4;  // whose sums share the way across the lanes
constexpr std::size_t kAcrossRows = kParts == 1 ? 4 : 2;

struct AcrossTile {
  const DenseBatch<float>* batch;
  std::size_t n_in;           // of the layer
  std::size_t input, output;  // the first
  float* dw;
};

template <std::size_t kRows, std::size_t kInputs>
HWY_NOINLINE void across_tile(const AcrossTile& t) {
  const D d;
  const std::size_t n_groups = t.batch->n_groups, x_step = t.batch->x_step, dy_step = t.batch->dy_step;
  const float* x = t.batch->x + t.input * kLanes;
  const float* dy = t.batch->dy + t.output * kLanes;
  V acc[kRows][kInputs];
  HWY_UNROLL(4)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(4)
    for (std::size_t i = 0; i < kInputs; ++i) acc[r][i] = hn::Zero(d);
  }
  for (std::size_t g = 0; g < n_groups; ++g, x += x_step, dy += dy_step) {
    HWY_UNROLL(2)
    for (std::size_t part = 0; part < kLanes; part += kVector) {
      V in[kInputs];
      HWY_UNROLL(4)
      for (std::size_t i = 0; i < kInputs; ++i) in[i] = in_register(hn::Load(d, x + i * kLanes + part));
      HWY_UNROLL(4)
      for (std::size_t r = 0; r < kRows; ++r) {
        const V gradient = in_register(hn::Load(d, dy + r * kLanes + part));
        HWY_UNROLL(4)
        for (std::size_t i = 0; i < kInputs; ++i) acc[r][i] = hn::MulAdd(gradient, in[i], acc[r][i]);
      }
    }
  }
  float* dw = t.dw + t.output * t.n_in + t.input;
  HWY_UNROLL(4)
  for (std::size_t r = 0; r < kRows; ++r) {
    V sums[kAcrossInputs];
    HWY_UNROLL(4)
    for (std::size_t i = 0; i < kAcrossInputs; ++i) sums[i] = i < kInputs ? acc[r][i] : hn::Zero(d);
    alignas(16) float totals[kAcrossInputs];
    sum_lanes(sums, totals);
    std::copy_n(totals, kInputs, dw + r * t.n_in);
  }
}

void bias_gradient(std::size_t first, std::size_t last, const DenseBatch<float>& batch, float* dbias) {
  const D d;
  for (std::size_t o = first; o < last; ++o) {
    V sum = hn::Zero(d);
    for (std::size_t g = 0; g < batch.n_groups; ++g) {
      for (std::size_t part = 0; part < kParts; ++part) {
        sum = hn::Add(sum, hn::Load(d, batch.dy + g * batch.dy_step + o * kLanes + part * kVector));
      }
    }
    dbias[o] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

}  // namespace

// Packed: [block of 16 outputs][input][16]. Rows of w are n_in apart, for large powers of two all in the same
// cache set; copying pieces of them for every group took a fifth of the time.
void dense_pack(std::size_t n_in, std::size_t n_out, const float* w, float* packed) noexcept {
  for (std::size_t o = 0; o < n_out; o += kLanes, packed += n_in * kLanes) {
    const float* rows[kLanes];
    for (std::size_t l = 0; l < kLanes; ++l) rows[l] = w + std::min(o + l, n_out - 1) * n_in;
    gather_columns(rows, n_in, packed);
  }
}

void dense_forward(std::size_t n_in, std::size_t n_out, const float* x, const float* packed,
                   const float* bias, float* y) noexcept {
  for_each_block<kMaxRows>(n_out, [=](auto rows, std::size_t o) {
    forward_block<rows>(n_in, x, packed + o / kLanes * n_in * kLanes + o % kLanes,
                        bias == nullptr ? nullptr : bias + o, y + o * kLanes);
  });
}

void dense_data_gradient(std::size_t n_in, std::size_t n_out, const float* dy, const float* packed,
                         float* dx) noexcept {
  for_each_block<kMaxRows>(n_in, [=](auto rows, std::size_t i) {
    data_block<rows>(n_in, n_out, dy, packed + i * kLanes, dx + i * kLanes);
  });
}

void dense_transpose(std::size_t n_in, const float* x, float* rows) noexcept {
  float* pointers[kLanes];
  for (std::size_t l = 0; l < kLanes; ++l) pointers[l] = rows + l * dense_row_step(n_in);
  scatter_columns(x, n_in, pointers);
}

void dense_weight_gradient(std::size_t n_in, std::size_t first, std::size_t last,
                           const DenseBatch<float>& batch, float* dw, float* dbias) noexcept {
  GradientTile t{&batch, dense_row_step(n_in), 0, 0, 0, n_in, dw};
  // The inputs of a tile's columns stay in the first-level cache while all outputs pass by.
  for (std::size_t vectors = 0; t.input < n_in; t.input += vectors * kVector) {
    const std::size_t left = (n_in - t.input + kVector - 1) / kVector;
    vectors = left == 4 ? 2 : std::min(left, kGradientVectors);  // 4 = 2 + 2
    t.n = std::min(n_in - t.input, vectors * kVector);
    for_each_block<kGradientRows>(last - first, [&](auto rows, std::size_t o) {
      t.output = first + o;
      if (vectors == 3) {
        gradient_tile<rows, 3>(t);
      } else if (vectors == 2) {
        gradient_tile<rows, 2>(t);
      } else {
        gradient_tile<rows, 1>(t);
      }
    });
  }
  if (dbias != nullptr) bias_gradient(first, last, batch, dbias);
}

void dense_weight_gradient_across(std::size_t n_in, std::size_t first, std::size_t last,
                                  const DenseBatch<float>& batch, float* dw, float* dbias) noexcept {
  AcrossTile t{&batch, n_in, 0, 0, dw};
  for_each_block<kAcrossRows>(last - first, [&](auto rows, std::size_t o) {
    t.output = first + o;
    for_each_block<kAcrossInputs>(n_in, [&](auto inputs, std::size_t i) {
      t.input = i;
      across_tile<rows, inputs>(t);
    });
  });
  if (dbias != nullptr) bias_gradient(first, last, batch, dbias);
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

void dense_pack(std::size_t n_in, std::size_t n_out, const float* w, float* packed) noexcept {
  DEEPSAD_CALL_KERNEL(dense_pack, n_in, n_out, w, packed);
}
void dense_pack(std::size_t n_in, std::size_t n_out, const double* w, double* packed) noexcept {
  reference::dense_pack(n_in, n_out, w, packed);
}

void dense_forward(std::size_t n_in, std::size_t n_out, const float* x, const float* packed,
                   const float* bias, float* y) noexcept {
  DEEPSAD_CALL_KERNEL(dense_forward, n_in, n_out, x, packed, bias, y);
}
void dense_forward(std::size_t n_in, std::size_t n_out, const double* x, const double* packed,
                   const double* bias, double* y) noexcept {
  reference::dense_forward(n_in, n_out, x, packed, bias, y);
}

void dense_data_gradient(std::size_t n_in, std::size_t n_out, const float* dy, const float* packed,
                         float* dx) noexcept {
  DEEPSAD_CALL_KERNEL(dense_data_gradient, n_in, n_out, dy, packed, dx);
}
void dense_data_gradient(std::size_t n_in, std::size_t n_out, const double* dy, const double* packed,
                         double* dx) noexcept {
  reference::dense_data_gradient(n_in, n_out, dy, packed, dx);
}

void dense_transpose(std::size_t n_in, const float* x, float* rows) noexcept {
  DEEPSAD_CALL_KERNEL(dense_transpose, n_in, x, rows);
}
void dense_transpose(std::size_t n_in, const double* x, double* rows) noexcept {
  reference::dense_transpose(n_in, x, rows);
}

void dense_weight_gradient(std::size_t n_in, std::size_t first, std::size_t last,
                           const DenseBatch<float>& batch, float* dw, float* dbias) noexcept {
  DEEPSAD_CALL_KERNEL(dense_weight_gradient, n_in, first, last, batch, dw, dbias);
}
void dense_weight_gradient(std::size_t n_in, std::size_t first, std::size_t last,
                           const DenseBatch<double>& batch, double* dw, double* dbias) noexcept {
  reference::dense_weight_gradient(n_in, first, last, batch, dw, dbias);
}

void dense_weight_gradient_across(std::size_t n_in, std::size_t first, std::size_t last,
                                  const DenseBatch<float>& batch, float* dw, float* dbias) noexcept {
  DEEPSAD_CALL_KERNEL(dense_weight_gradient_across, n_in, first, last, batch, dw, dbias);
}
void dense_weight_gradient_across(std::size_t n_in, std::size_t first, std::size_t last,
                                  const DenseBatch<double>& batch, double* dw, double* dbias) noexcept {
  reference::dense_weight_gradient_across(n_in, first, last, batch, dw, dbias);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
