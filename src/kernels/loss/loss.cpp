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

/// sum_j (z[j] - c[j])^2 of one part of the lanes.
HWY_INLINE V squared_distance_of(std::size_t n, const float* z, const float* c) {
  const D d;
  V sum = hn::Zero(d);
  for (std::size_t j = 0; j < n; ++j) {
    const V difference = hn::Sub(hn::Load(d, z + j * kLanes), hn::Set(d, c[j]));
    sum = hn::MulAdd(difference, difference, sum);
  }
  return sum;
}
/// dz[j] = 2 (z[j] - c[j]) factor of one part of the lanes; 0 whatever z holds where the factor is 0.
HWY_INLINE void squared_distance_gradient(std::size_t n, const float* z, const float* c, V factor,
                                          float* dz) {
  const D d;
  const V two = hn::Set(d, 2.0F);
  const auto unused = hn::Eq(factor, hn::Zero(d));  // false for NaN, where Ne would be, too
  for (std::size_t j = 0; j < n; ++j) {
    const V difference = hn::Sub(hn::Load(d, z + j * kLanes), hn::Set(d, c[j]));
    hn::Store(hn::IfThenZeroElse(unused, hn::Mul(hn::Mul(two, difference), factor)), d, dz + j * kLanes);
  }
}

HWY_INLINE void store_in_double(V v, double* to) {
  const hn::Repartition<double, D> d64;
  const hn::Half<D> half;
  hn::StoreU(hn::PromoteTo(d64, hn::LowerHalf(half, v)), d64, to);
  hn::StoreU(hn::PromoteTo(d64, hn::UpperHalf(half, v)), d64, to + kVector / 2);
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
  for (std::size_t first = 0; first < kLanes; first += kVector)
    hn::Store(squared_distance_of(n, z + first, c), D(), distance + first);
}

void squared_distance_backward(std::size_t n, const float* z, const float* c, const float* factor,
                               float* dz) noexcept {
  for (std::size_t first = 0; first < kLanes; first += kVector)
    squared_distance_gradient(n, z + first, c, hn::LoadU(D(), factor + first), dz + first);
}

void deep_sad_loss(std::size_t n, std::size_t n_valid, const float* z, const DeepSadTerms<float>& terms,
                   float scale, float* dz, double* loss) noexcept {
  const D d;
  const V eta = hn::Set(d, terms.eta);
  const ValidLanes valid(n_valid);
  for (std::size_t part = 0; part < kParts; ++part) {
    const std::size_t before = part * kVector;
    const M mask = valid.part[part];
    const V distance = squared_distance_of(n, z + before, terms.center);
    const V margin = hn::Add(distance, hn::Set(d, terms.epsilon));
    const V label = hn::LoadU(d, terms.label + before);
    const auto normal = hn::Gt(label, hn::Zero(d)), anomaly = hn::Lt(label, hn::Zero(d));
    const V term =
        hn::IfThenElse(normal, hn::Mul(eta, margin), hn::IfThenElse(anomaly, hn::Div(eta, margin), distance));
    const V slope = hn::IfThenElse(
        normal, eta,
        hn::IfThenElse(anomaly, hn::Div(hn::Neg(eta), hn::Mul(margin, margin)), hn::Set(d, 1.0F)));
    store_in_double(hn::IfThenElseZero(mask, term), loss + before);
    const V factor = hn::IfThenElseZero(mask, hn::Mul(slope, hn::Set(d, scale)));
    squared_distance_gradient(n, z + before, terms.center, factor, dz + before);
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

void deep_sad_loss(std::size_t n, std::size_t n_valid, const float* z, const DeepSadTerms<float>& terms,
                   float scale, float* dz, double* loss) noexcept {
  DEEPSAD_CALL_KERNEL(deep_sad_loss, n, n_valid, z, terms, scale, dz, loss);
}

void deep_sad_loss(std::size_t n, std::size_t n_valid, const double* z, const DeepSadTerms<double>& terms,
                   double scale, double* dz, double* loss) noexcept {
  reference::deep_sad_loss(n, n_valid, z, terms, scale, dz, loss);
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
