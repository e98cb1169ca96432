#include "kernels/dense/dense.h"

#include <algorithm>
#include <cstddef>
#include <type_traits>

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

/// y[r] = w[r] x + bias[r], r < kRows. The rows of w are n_in apart, for large powers of two all in the same
/// cache set; so they are copied piece by piece, each cache line once, into a buffer that stays in the
/// first-level cache.
template <std::size_t kRows>
HWY_NOINLINE void forward_block(std::size_t n_in, const float* x, const float* w, const float* bias,
                                float* y) {
  const D d;
  constexpr std::size_t kPiece = 16;  // one cache line
  alignas(64) float piece[kRows * kPiece];
  V acc[kRows][kParts];
  clear(acc);
  for (std::size_t i = 0; i < n_in; i += kPiece) {
    const std::size_t n = std::min(kPiece, n_in - i);
    if (n == kPiece) {
      for (std::size_t r = 0; r < kRows; ++r) {
        HWY_UNROLL(2)
        for (std::size_t k = 0; k < kPiece; k += kVector) {
          hn::Store(hn::LoadU(d, w + r * n_in + i + k), d, piece + r * kPiece + k);
        }
      }
    } else {
      for (std::size_t r = 0; r < kRows; ++r) std::copy_n(w + r * n_in + i, n, piece + r * kPiece);
    }
    for (std::size_t k = 0; k < n; ++k) add_feature<kRows>(piece + k, kPiece, x + (i + k) * kLanes, acc);
  }
  HWY_UNROLL(16)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (std::size_t part = 0; part < kParts; ++part) {
      const V sum = bias == nullptr ? acc[r][part] : hn::Add(acc[r][part], hn::Set(d, bias[r]));
      hn::Store(sum, d, y + r * kLanes + part * kVector);
    }
  }
}

/// dx[r] = sum over o of w[o][r] dy[o], r < kRows: neighbouring columns of w, read once.
template <std::size_t kRows>
HWY_NOINLINE void data_block(std::size_t n_in, std::size_t n_out, const float* dy, const float* w,
                             float* dx) {
  const D d;
  V acc[kRows][kParts];
  clear(acc);
  for (std::size_t o = 0; o < n_out; ++o) add_feature<kRows>(w + o * n_in, 1, dy + o * kLanes, acc);
  HWY_UNROLL(16)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (std::size_t part = 0; part < kParts; ++part) {
      hn::Store(acc[r][part], d, dx + r * kLanes + part * kVector);
    }
  }
}

// Weight gradient: lanes are inputs. A tile is kRows outputs times kVectors vectors of inputs, summed over
// the samples. `inputs` is the transposed x, [sample][padded]; what it holds behind the last input is not
// stored.
template <std::size_t kRows, std::size_t kVectors>
HWY_NOINLINE void gradient_tile(const float* inputs, std::size_t padded, std::size_t n, const float* dy,
                                float* dw, std::size_t n_in) {
  const D d;
  V acc[kRows][kVectors];
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(3)
    for (std::size_t v = 0; v < kVectors; ++v) acc[r][v] = hn::Zero(d);
  }
  for (std::size_t l = 0; l < kLanes; ++l, inputs += padded) {
    V in[kVectors];
    HWY_UNROLL(3)
    for (std::size_t v = 0; v < kVectors; ++v) in[v] = in_register(hn::Load(d, inputs + v * kVector));
    HWY_UNROLL(8)
    for (std::size_t r = 0; r < kRows; ++r) {
      const V g = hn::Set(d, dy[r * kLanes + l]);
      HWY_UNROLL(3)
      for (std::size_t v = 0; v < kVectors; ++v) acc[r][v] = hn::MulAdd(g, in[v], acc[r][v]);
    }
  }
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(3)
    for (std::size_t v = 0; v < kVectors; ++v) {
      float* to = dw + r * n_in + v * kVector;
      if ((v + 1) * kVector <= n) {
        hn::StoreU(hn::Add(hn::LoadU(d, to), acc[r][v]), d, to);
      } else {
        const auto mask = hn::FirstN(d, n - v * kVector);
        hn::BlendedStore(hn::Add(hn::MaskedLoad(mask, d, to), acc[r][v]), mask, d, to);
      }
    }
  }
}

constexpr std::size_t kGradientRows = kParts == 1 ? 8 : 4;
constexpr std::size_t kGradientVectors = 3;

template <std::size_t kRows>
void gradient_rows(std::size_t n_in, std::size_t padded, const float* inputs, const float* dy, float* dw) {
  constexpr std::size_t kWide = kGradientVectors * kVector;
  std::size_t i = 0;
  for (; i + kWide <= n_in; i += kWide) {
    gradient_tile<kRows, kGradientVectors>(inputs + i, padded, kWide, dy, dw + i, n_in);
  }
  for (; i < n_in; i += kVector) {
    gradient_tile<kRows, 1>(inputs + i, padded, std::min(kVector, n_in - i), dy, dw + i, n_in);
  }
}

/// Calls f(std::integral_constant<size>, first) for blocks of kMax rows and then 8, 4, 2, 1.
template <std::size_t kMax, class F>
HWY_INLINE void for_each_block(std::size_t n, F f) {
  std::size_t first = 0;
  for (; first + kMax <= n; first += kMax) f(std::integral_constant<std::size_t, kMax>(), first);
  if constexpr (kMax > 1) {
    for_each_block<kMax / 2>(n - first, [&](auto size, std::size_t rest) { f(size, first + rest); });
  }
}

}  // namespace

void dense_forward(std::size_t n_in, std::size_t n_out, const float* x, const float* w, const float* bias,
                   float* y) noexcept {
  for_each_block<kMaxRows>(n_out, [=](auto rows, std::size_t o) {
    forward_block<rows>(n_in, x, w + o * n_in, bias == nullptr ? nullptr : bias + o, y + o * kLanes);
  });
}

void dense_data_gradient(std::size_t n_in, std::size_t n_out, const float* dy, const float* w,
                         float* dx) noexcept {
  for_each_block<kMaxRows>(
      n_in, [=](auto rows, std::size_t i) { data_block<rows>(n_in, n_out, dy, w + i, dx + i * kLanes); });
}

void dense_weight_gradient(std::size_t n_in, std::size_t n_out, const float* x, const float* dy, float* dw,
                           float* dbias, float* scratch) noexcept {
  const std::size_t padded = (n_in + kLanes - 1) / kLanes * kLanes;
  float* rows[kLanes];
  for (std::size_t l = 0; l < kLanes; ++l) rows[l] = scratch + l * padded;
  scatter_columns(x, n_in, rows);
  for_each_block<kGradientRows>(n_out, [=](auto size, std::size_t o) {
    gradient_rows<size>(n_in, padded, scratch, dy + o * kLanes, dw + o * n_in);
  });
  if (dbias == nullptr) return;
  const D d;
  for (std::size_t o = 0; o < n_out; ++o) {
    V sum = hn::Load(d, dy + o * kLanes);
    for (std::size_t part = 1; part < kParts; ++part)
      sum = hn::Add(sum, hn::Load(d, dy + o * kLanes + part * kVector));
    dbias[o] += hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

std::size_t dense_scratch_size(std::size_t n_in, std::size_t /*n_out*/) noexcept {
  return (n_in + kLanes - 1) / kLanes * kLanes * kLanes;
}

void dense_forward(std::size_t n_in, std::size_t n_out, const float* x, const float* w, const float* bias,
                   float* y) noexcept {
  DEEPSAD_CALL_KERNEL(dense_forward, n_in, n_out, x, w, bias, y);
}
void dense_forward(std::size_t n_in, std::size_t n_out, const double* x, const double* w, const double* bias,
                   double* y) noexcept {
  reference::dense_forward(n_in, n_out, x, w, bias, y);
}

void dense_data_gradient(std::size_t n_in, std::size_t n_out, const float* dy, const float* w,
                         float* dx) noexcept {
  DEEPSAD_CALL_KERNEL(dense_data_gradient, n_in, n_out, dy, w, dx);
}
void dense_data_gradient(std::size_t n_in, std::size_t n_out, const double* dy, const double* w,
                         double* dx) noexcept {
  reference::dense_data_gradient(n_in, n_out, dy, w, dx);
}

void dense_weight_gradient(std::size_t n_in, std::size_t n_out, const float* x, const float* dy, float* dw,
                           float* dbias, float* scratch) noexcept {
  DEEPSAD_CALL_KERNEL(dense_weight_gradient, n_in, n_out, x, dy, dw, dbias, scratch);
}
void dense_weight_gradient(std::size_t n_in, std::size_t n_out, const double* x, const double* dy, double* dw,
                           double* dbias, double* scratch) noexcept {
  reference::dense_weight_gradient(n_in, n_out, x, dy, dw, dbias, scratch);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
