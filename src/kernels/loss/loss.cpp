#include "kernels/loss/loss.h"

#include <algorithm>
#include <cstddef>

#include "kernels/dispatch.h"
#include "kernels/loss/loss_reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/loss/loss.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "kernels/activation/sigmoid-inl.h"
#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

/// Rows summed in float before they are added to the double sums: 64 additions keep the error near 1e-6.
constexpr std::size_t kFold = 64;

/// The output of a network as a function of the value before it, and the gradient by the chain rule.
struct Identity {
  HWY_INLINE V output(V z) const { return z; }
  HWY_INLINE V gradient(V dy, V /*y*/) const { return dy; }
};
struct Sigmoid {
  HWY_INLINE V output(V z) const { return sigmoid(z); }
  HWY_INLINE V gradient(V dy, V y) const { return sigmoid_gradient(dy, y); }
};

template <class Unit>
HWY_INLINE void squared_error_of(std::size_t n, std::size_t n_valid, const float* z, const float* t,
                                 float scale, float* dz, double* loss, Unit unit) {
  const D d;
  const V factor = hn::Set(d, scale * (2.0F / static_cast<float>(n)));
  const ValidLanes valid(n_valid);
  for (std::size_t part = 0; part < kParts; ++part) {
    const std::size_t before = part * kVector;
    const M mask = valid.part[part];
    double sums[kVector] = {};
    for (std::size_t j = 0; j < n;) {
      V squares = hn::Zero(d);
      for (const std::size_t end = std::min(n, j + kFold); j < end; ++j) {
        const std::size_t at = j * kLanes + before;
        const V y = unit.output(hn::Load(d, z + at));
        const V difference = hn::IfThenElseZero(mask, hn::Sub(y, hn::Load(d, t + at)));
        squares = hn::MulAdd(difference, difference, squares);
        if (dz != nullptr) {
          const V gradient = unit.gradient(hn::Mul(factor, difference), y);  // NaN if y is, in any lane
          hn::Store(hn::IfThenElseZero(mask, gradient), d, dz + at);
        }
      }
      alignas(64) float folded[kVector];
      hn::Store(squares, d, folded);
      for (std::size_t l = 0; l < kVector; ++l) sums[l] += static_cast<double>(folded[l]);
    }
    for (std::size_t l = 0; l < kVector; ++l) loss[before + l] = sums[l] / static_cast<double>(n);
  }
}

}  // namespace

void squared_error(std::size_t n, std::size_t n_valid, const float* y, const float* t, float scale, float* dy,
                   double* loss) noexcept {
  squared_error_of(n, n_valid, y, t, scale, dy, loss, Identity());
}

void sigmoid_squared_error(std::size_t n, std::size_t n_valid, const float* z, const float* t, float scale,
                           float* dz, double* loss) noexcept {
  squared_error_of(n, n_valid, z, t, scale, dz, loss, Sigmoid());
}

void squared_distance(std::size_t n, const float* z, const float* c, float* distance) noexcept {
  const D d;
  for (std::size_t first = 0; first < kLanes; first += kVector) {
    V sum = hn::Zero(d);
    for (std::size_t j = 0; j < n; ++j) {
      const V difference = hn::Sub(hn::Load(d, z + j * kLanes + first), hn::Set(d, c[j]));
      sum = hn::MulAdd(difference, difference, sum);
    }
    hn::Store(sum, d, distance + first);
  }
}

void squared_distance_backward(std::size_t n, const float* z, const float* c, const float* factor,
                               float* dz) noexcept {
  const D d;
  const V two = hn::Set(d, 2.0F);
  for (std::size_t first = 0; first < kLanes; first += kVector) {
    const V factors = hn::LoadU(d, factor + first);
    const auto used = hn::Ne(factors, hn::Zero(d));  // 0 whatever z holds in the other lanes
    for (std::size_t j = 0; j < n; ++j) {
      const std::size_t at = j * kLanes + first;
      const V difference = hn::Sub(hn::Load(d, z + at), hn::Set(d, c[j]));
      hn::Store(hn::IfThenElseZero(used, hn::Mul(hn::Mul(two, difference), factors)), d, dz + at);
    }
  }
}

void bernoulli_loss(std::size_t n, std::size_t n_valid, const float* a, const float* x, const float* weight,
                    float* da, double* loss) noexcept {
  const D d;
  const V one = hn::Set(d, 1.0F);
  const ValidLanes valid(n_valid);
  for (std::size_t part = 0; part < kParts; ++part) {
    const std::size_t before = part * kVector;
    const M mask = valid.part[part];
    const V weights = da == nullptr ? hn::Zero(d) : hn::LoadU(d, weight + before);
    double sums[kVector] = {};
    for (std::size_t j = 0; j < n;) {
      V sum = hn::Zero(d);
      for (const std::size_t end = std::min(n, j + kFold); j < end; ++j) {
        const std::size_t at = j * kLanes + before;
        const V logit = hn::Load(d, a + at);
        const V target = hn::Load(d, x + at);
        const V e = hn::Exp(d, hn::Neg(hn::Abs(logit)));
        // log(1 + e) loses digits of a small e, an error of at most 6e-8 in a sum of terms of order 1; Log1p
        // would cost a division.
        const V one_and_e = hn::Add(one, e);
        const V softplus = hn::Add(hn::Max(logit, hn::Zero(d)), hn::Log(d, one_and_e));
        sum = hn::Add(sum, hn::NegMulAdd(target, logit, softplus));
        if (da != nullptr) {
          const V r = hn::Div(hn::IfThenElse(hn::Lt(logit, hn::Zero(d)), e, one), one_and_e);
          hn::Store(hn::IfThenElseZero(mask, hn::Mul(weights, hn::Sub(r, target))), d, da + at);
        }
      }
      alignas(64) float folded[kVector];
      hn::Store(hn::IfThenElseZero(mask, sum), d, folded);
      for (std::size_t l = 0; l < kVector; ++l) sums[l] += static_cast<double>(folded[l]);
    }
    std::copy_n(sums, kVector, loss + before);
  }
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

void squared_error(std::size_t n, std::size_t n_valid, const float* y, const float* t, float scale, float* dy,
                   double* loss) noexcept {
  DEEPSAD_CALL_KERNEL(squared_error, n, n_valid, y, t, scale, dy, loss);
}

void squared_error(std::size_t n, std::size_t n_valid, const double* y, const double* t, double scale,
                   double* dy, double* loss) noexcept {
  reference::squared_error(n, n_valid, y, t, scale, dy, loss);
}

void sigmoid_squared_error(std::size_t n, std::size_t n_valid, const float* z, const float* t, float scale,
                           float* dz, double* loss) noexcept {
  DEEPSAD_CALL_KERNEL(sigmoid_squared_error, n, n_valid, z, t, scale, dz, loss);
}

void sigmoid_squared_error(std::size_t n, std::size_t n_valid, const double* z, const double* t, double scale,
                           double* dz, double* loss) noexcept {
  reference::sigmoid_squared_error(n, n_valid, z, t, scale, dz, loss);
}

void squared_distance(std::size_t n, const float* z, const float* c, float* distance) noexcept {
  DEEPSAD_CALL_KERNEL(squared_distance, n, z, c, distance);
}

void squared_distance(std::size_t n, const double* z, const double* c, double* distance) noexcept {
  reference::squared_distance(n, z, c, distance);
}

void squared_distance_backward(std::size_t n, const float* z, const float* c, const float* factor,
                               float* dz) noexcept {
  DEEPSAD_CALL_KERNEL(squared_distance_backward, n, z, c, factor, dz);
}

void squared_distance_backward(std::size_t n, const double* z, const double* c, const double* factor,
                               double* dz) noexcept {
  reference::squared_distance_backward(n, z, c, factor, dz);
}

void bernoulli_loss(std::size_t n, std::size_t n_valid, const float* a, const float* x, const float* weight,
                    float* da, double* loss) noexcept {
  DEEPSAD_CALL_KERNEL(bernoulli_loss, n, n_valid, a, x, weight, da, loss);
}

void bernoulli_loss(std::size_t n, std::size_t n_valid, const double* a, const double* x,
                    const double* weight, double* da, double* loss) noexcept {
  reference::bernoulli_loss(n, n_valid, a, x, weight, da, loss);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
