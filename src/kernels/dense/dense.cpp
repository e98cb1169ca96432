#include "kernels/dense/dense.h"

#include <algorithm>
#include <cstddef>

#include "kernels/dense/dense_reference.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dense/dense.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/activation/leaky_relu-inl.h"
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

/// y[r] = leaky(w[r] x + bias[r]), r < kRows; w: of the first row, the others beside it.
template <std::size_t kRows>
HWY_NOINLINE void forward_block(std::size_t n_in, const float* x, const float* w, const float* bias,
                                float slope, float* y) {
  const D d;
  V acc[kRows][kParts];
  clear(acc);
  for (std::size_t i = 0; i < n_in; ++i) add_feature<kRows>(w + i * kLanes, 1, x + i * kLanes, acc);
  const V slopes = hn::Set(d, slope);
  HWY_UNROLL(16)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (std::size_t part = 0; part < kParts; ++part) {
      const V sum = bias == nullptr ? acc[r][part] : hn::Add(acc[r][part], hn::Set(d, bias[r]));
      hn::Store(slope == 1 ? sum : leaky(sum, slopes, sum), d, y + r * kLanes + part * kVector);
    }
  }
}

/// dx[r] = sum over o of w[o][r] dy[o], r < kRows, times the slope at x[r]; w: packed, from the first of
/// these inputs on.
template <std::size_t kRows>
HWY_NOINLINE void data_block(std::size_t n_in, std::size_t n_out, const float* dy, const float* w,
                             const float* x, float slope, float* dx) {
  const D d;
  V acc[kRows][kParts];
  clear(acc);
  for (std::size_t first = 0; first < n_out; first += kLanes, w += n_in * kLanes) {
    const std::size_t n = std::min(kLanes, n_out - first);
    for (std::size_t o = 0; o < n; ++o, dy += kLanes) add_feature<kRows>(w + o, kLanes, dy, acc);
  }
  const V slopes = hn::Set(d, slope);
  HWY_UNROLL(16)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (std::size_t part = 0; part < kParts; ++part) {
      const std::size_t at = r * kLanes + part * kVector;
      const V sum = acc[r][part];
      hn::Store(x == nullptr ? sum : leaky(hn::Load(d, x + at), slopes, sum), d, dx + at);
    }
  }
}

// Weight gradient: lanes are outputs. A tile is kRows inputs times kVectors vectors of outputs, summed over
// the samples of a batch, or of as many groups as leave the tile's gradients, transposed, in the first-level
// cache: a sum is stored once and needs no partial sums of groups.
constexpr std::size_t kGradientRows = kParts == 1 ? 8 : 4;
constexpr std::size_t kGradientVectors = 3;
constexpr std::size_t kGradientGroups = 8;

struct GradientTile {
  const float* x;  // of the first of the groups
  std::size_t x_step, n_groups;
  const float* rows;          // [sample of the groups][vectors of the tile]
  std::size_t n_in;           // of the layer
  std::size_t input, output;  // the first
  std::size_t n;              // outputs of the tile that exist
  bool add;                   // to what dw holds
  float* dw;
};

template <std::size_t kRows, std::size_t kVectors>
HWY_NOINLINE void gradient_tile(const GradientTile& t) {
  const D d;
  const auto dw = [&](std::size_t r, std::size_t v) DEEPSAD_KERNEL_LAMBDA {
    return t.dw + dense_packed_index(t.n_in, t.input + r, t.output + v * kVector);
  };
  V acc[kRows][kVectors];
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(3)
    for (std::size_t v = 0; v < kVectors; ++v) acc[r][v] = t.add ? hn::Load(d, dw(r, v)) : hn::Zero(d);
  }
  const float* rows = t.rows;
  for (std::size_t g = 0; g < t.n_groups; ++g) {
    const float* x = t.x + g * t.x_step + t.input * kLanes;
    for (std::size_t l = 0; l < kLanes; ++l, ++x, rows += kVectors * kVector) {
      V gradient[kVectors];
      HWY_UNROLL(3)
      for (std::size_t v = 0; v < kVectors; ++v) gradient[v] = in_register(hn::Load(d, rows + v * kVector));
      HWY_UNROLL(8)
      for (std::size_t r = 0; r < kRows; ++r) {
        const V in = hn::Set(d, x[r * kLanes]);
        HWY_UNROLL(3)
        for (std::size_t v = 0; v < kVectors; ++v) acc[r][v] = hn::MulAdd(in, gradient[v], acc[r][v]);
      }
    }
  }
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(3)
    for (std::size_t v = 0; v < kVectors; ++v) {
      if ((v + 1) * kVector <= t.n) {
        hn::Store(acc[r][v], d, dw(r, v));
      } else {
        hn::BlendedStore(acc[r][v], hn::FirstN(d, t.n - v * kVector), d, dw(r, v));
      }
    }
  }
}

/// All inputs of the part, for n <= kVectors * kVector outputs from `output` on.
template <std::size_t kVectors>
HWY_NOINLINE void gradient_of_outputs(const DensePart& part, std::size_t output, std::size_t n,
                                      const DenseBatch<float>& batch, float* dw) {
  constexpr std::size_t kStep = kVectors * kVector;
  alignas(kLanes * sizeof(float)) float rows[kGradientGroups * kLanes * kStep];
  if (n < kStep) std::fill_n(rows, kGradientGroups * kLanes * kStep, 0.0F);
  GradientTile t{nullptr, batch.x_step, 0, rows, part.n_in, 0, output, n, false, dw};
  for (std::size_t first = 0; first < batch.n_groups; first += kGradientGroups) {
    t.x = batch.x + first * batch.x_step;
    t.n_groups = std::min(kGradientGroups, batch.n_groups - first);
    t.add = first > 0;
    for (std::size_t g = 0; g < t.n_groups; ++g) {
      float* pointers[kLanes];
      for (std::size_t l = 0; l < kLanes; ++l) pointers[l] = rows + (g * kLanes + l) * kStep;
      scatter_columns(batch.dy + (first + g) * batch.dy_step + output * kLanes, n, pointers);
    }
    for_each_block<kGradientRows>(part.last_in - part.first_in, [&](auto inputs, std::size_t i) {
      t.input = part.first_in + i;
      gradient_tile<inputs, kVectors>(t);
    });
  }
}

// Weight gradient of small layers: lanes are samples, so that nothing is transposed and no lane is wasted,
// but every sum ends across the lanes.
constexpr std::size_t kAcrossInputs = 4;
constexpr std::size_t kMostAcrossOutputs = 4;  // whose sums share the way across the lanes
constexpr std::size_t kAcrossOutputs = kParts == 1 ? 4 : 2;

struct AcrossTile {
  const DenseBatch<float>* batch;
  std::size_t n_in;           // of the layer
  std::size_t input, output;  // the first
  float* dw;
};

template <std::size_t kOutputs, std::size_t kInputs>
HWY_NOINLINE void across_tile(const AcrossTile& t) {
  const D d;
  const std::size_t n_groups = t.batch->n_groups, x_step = t.batch->x_step, dy_step = t.batch->dy_step;
  const float* x = t.batch->x + t.input * kLanes;
  const float* dy = t.batch->dy + t.output * kLanes;
  V acc[kInputs][kOutputs];
  HWY_UNROLL(4)
  for (std::size_t i = 0; i < kInputs; ++i) {
    HWY_UNROLL(4)
    for (std::size_t o = 0; o < kOutputs; ++o) acc[i][o] = hn::Zero(d);
  }
  for (std::size_t g = 0; g < n_groups; ++g, x += x_step, dy += dy_step) {
    HWY_UNROLL(2)
    for (std::size_t part = 0; part < kLanes; part += kVector) {
      V in[kInputs];
      HWY_UNROLL(4)
      for (std::size_t i = 0; i < kInputs; ++i) in[i] = in_register(hn::Load(d, x + i * kLanes + part));
      HWY_UNROLL(4)
      for (std::size_t o = 0; o < kOutputs; ++o) {
        const V gradient = in_register(hn::Load(d, dy + o * kLanes + part));
        HWY_UNROLL(4)
        for (std::size_t i = 0; i < kInputs; ++i) acc[i][o] = hn::MulAdd(gradient, in[i], acc[i][o]);
      }
    }
  }
  HWY_UNROLL(4)
  for (std::size_t i = 0; i < kInputs; ++i) {
    V sums[kMostAcrossOutputs];
    HWY_UNROLL(4)
    for (std::size_t o = 0; o < kMostAcrossOutputs; ++o) sums[o] = o < kOutputs ? acc[i][o] : hn::Zero(d);
    alignas(16) float totals[kMostAcrossOutputs];
    sum_lanes(sums, totals);
    std::copy_n(totals, kOutputs, t.dw + dense_packed_index(t.n_in, t.input + i, t.output));
  }
}

void bias_gradient(const DensePart& part, const DenseBatch<float>& batch, float* dbias) {
  const D d;
  for (std::size_t o = part.first_out; o < part.last_out; ++o) {
    V sum = hn::Zero(d);
    for (std::size_t g = 0; g < batch.n_groups; ++g) {
      for (std::size_t p = 0; p < kParts; ++p) {
        sum = hn::Add(sum, hn::Load(d, batch.dy + g * batch.dy_step + o * kLanes + p * kVector));
      }
    }
    dbias[o] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

}  // namespace

void dense_forward(const DensePart& part, const float* x, const float* w, const float* bias, float slope,
                   float* y) noexcept {
  for_each_block<kMaxRows>(part.last_out - part.first_out, [&](auto rows, std::size_t row) {
    const std::size_t o = part.first_out + row;
    forward_block<rows>(part.n_in, x, w + dense_packed_index(part.n_in, 0, o),
                        bias == nullptr ? nullptr : bias + o, slope, y + o * kLanes);
  });
}

void dense_data_gradient(const DensePart& part, const float* dy, const float* w, const float* x, float slope,
                         float* dx) noexcept {
  for_each_block<kMaxRows>(part.last_in - part.first_in, [&](auto rows, std::size_t row) {
    const std::size_t i = part.first_in + row;
    data_block<rows>(part.n_in, part.n_out, dy, w + i * kLanes, x == nullptr ? nullptr : x + i * kLanes,
                     slope, dx + i * kLanes);
  });
}

void dense_weight_gradient(const DensePart& part, const DenseBatch<float>& batch, float* dw,
                           float* dbias) noexcept {
  std::size_t vectors = 0;
  for (std::size_t o = part.first_out; o < part.last_out; o += vectors * kVector) {
    const std::size_t left = (part.last_out - o + kVector - 1) / kVector;
    vectors = left == 4 ? 2 : std::min(left, kGradientVectors);  // 4 = 2 + 2
    const std::size_t n = std::min(part.last_out - o, vectors * kVector);
    if (vectors == 3) {
      gradient_of_outputs<3>(part, o, n, batch, dw);
    } else if (vectors == 2) {
      gradient_of_outputs<2>(part, o, n, batch, dw);
    } else {
      gradient_of_outputs<1>(part, o, n, batch, dw);
    }
  }
  if (dbias != nullptr) bias_gradient(part, batch, dbias);
}

void dense_weight_gradient_across(const DensePart& part, const DenseBatch<float>& batch, float* dw,
                                  float* dbias) noexcept {
  AcrossTile t{&batch, part.n_in, 0, 0, dw};
  for_each_block<kAcrossOutputs>(part.last_out - part.first_out, [&](auto outputs, std::size_t o) {
    t.output = part.first_out + o;
    for_each_block<kAcrossInputs>(part.last_in - part.first_in, [&](auto inputs, std::size_t i) {
      t.input = part.first_in + i;
      across_tile<outputs, inputs>(t);
    });
  });
  if (dbias != nullptr) bias_gradient(part, batch, dbias);
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

void dense_forward(const DensePart& part, const float* x, const float* w, const float* bias, float slope,
                   float* y) noexcept {
  DEEPSAD_CALL_KERNEL(dense_forward, part, x, w, bias, slope, y);
}
void dense_forward(const DensePart& part, const double* x, const double* w, const double* bias, double slope,
                   double* y) noexcept {
  reference::dense_forward(part, x, w, bias, slope, y);
}

void dense_data_gradient(const DensePart& part, const float* dy, const float* w, const float* x, float slope,
                         float* dx) noexcept {
  DEEPSAD_CALL_KERNEL(dense_data_gradient, part, dy, w, x, slope, dx);
}
void dense_data_gradient(const DensePart& part, const double* dy, const double* w, const double* x,
                         double slope, double* dx) noexcept {
  reference::dense_data_gradient(part, dy, w, x, slope, dx);
}

void dense_weight_gradient(const DensePart& part, const DenseBatch<float>& batch, float* dw,
                           float* dbias) noexcept {
  DEEPSAD_CALL_KERNEL(dense_weight_gradient, part, batch, dw, dbias);
}
void dense_weight_gradient(const DensePart& part, const DenseBatch<double>& batch, double* dw,
                           double* dbias) noexcept {
  reference::dense_weight_gradient(part, batch, dw, dbias);
}

void dense_weight_gradient_across(const DensePart& part, const DenseBatch<float>& batch, float* dw,
                                  float* dbias) noexcept {
  DEEPSAD_CALL_KERNEL(dense_weight_gradient_across, part, batch, dw, dbias);
}
void dense_weight_gradient_across(const DensePart& part, const DenseBatch<double>& batch, double* dw,
                                  double* dbias) noexcept {
  reference::dense_weight_gradient_across(part, batch, dw, dbias);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
