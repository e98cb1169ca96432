#include "kernels/adam/adam.h"

#include <cstddef>

#include "kernels/adam/adam_reference.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/adam/adam.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

struct Constants {
  V beta1, beta2, one_minus_beta1, one_minus_beta2, weight_decay, step_size, root_scale, epsilon;
  explicit Constants(const AdamStep<float>& step) {
    const D d;
    beta1 = hn::Set(d, step.beta1);
    beta2 = hn::Set(d, step.beta2);
    one_minus_beta1 = hn::Set(d, 1.0F - step.beta1);
    one_minus_beta2 = hn::Set(d, 1.0F - step.beta2);
    weight_decay = hn::Set(d, step.weight_decay);
    step_size = hn::Set(d, step.learning_rate / step.bias_correction1);
    root_scale = hn::Div(hn::Set(d, 1.0F), hn::Sqrt(hn::Set(d, step.bias_correction2)));
    epsilon = hn::Set(d, step.epsilon);
  }

  /// One step of a vector of parameters with the summed gradient g.
  HWY_INLINE void step(V g, V& w, V& m, V& v) const {
    g = hn::MulAdd(weight_decay, w, g);
    m = hn::MulAdd(one_minus_beta1, g, hn::Mul(beta1, m));
    v = hn::MulAdd(hn::Mul(one_minus_beta2, g), g, hn::Mul(beta2, v));
    const V denominator = hn::MulAdd(hn::Sqrt(v), root_scale, epsilon);
    w = hn::Sub(w, hn::Div(hn::Mul(step_size, m), denominator));
  }
};

}  // namespace

void adam(std::size_t n, const AdamStep<float>& step, const float* gradients, std::size_t n_partials,
          std::size_t stride, float* w, float* m, float* v) noexcept {
  const D d;
  const Constants constants(step);
  std::size_t i = 0;
  for (; i + kVector <= n; i += kVector) {
    V g = hn::Zero(d);
    for (std::size_t s = 0; s < n_partials; ++s) g = hn::Add(g, hn::LoadU(d, gradients + s * stride + i));
    V wi = hn::LoadU(d, w + i), mi = hn::LoadU(d, m + i), vi = hn::LoadU(d, v + i);
    constants.step(g, wi, mi, vi);
    hn::StoreU(wi, d, w + i);
    hn::StoreU(mi, d, m + i);
    hn::StoreU(vi, d, v + i);
  }
  if (i == n) return;
  // The same operations on a part of a vector: a parameter's bits must not depend on where a caller cuts the
  // range.
  const M mask = hn::FirstN(d, n - i);
  V g = hn::Zero(d);
  for (std::size_t s = 0; s < n_partials; ++s) {
    g = hn::Add(g, hn::MaskedLoad(mask, d, gradients + s * stride + i));
  }
  V wi = hn::MaskedLoad(mask, d, w + i), mi = hn::MaskedLoad(mask, d, m + i),
    vi = hn::MaskedLoad(mask, d, v + i);
  constants.step(g, wi, mi, vi);
  hn::BlendedStore(wi, mask, d, w + i);
  hn::BlendedStore(mi, mask, d, m + i);
  hn::BlendedStore(vi, mask, d, v + i);
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

void adam(std::size_t n, const AdamStep<float>& step, const float* gradients, std::size_t n_partials,
          std::size_t stride, float* w, float* m, float* v) noexcept {
  DEEPSAD_CALL_KERNEL(adam, n, step, gradients, n_partials, stride, w, m, v);
}

void adam(std::size_t n, const AdamStep<double>& step, const double* gradients, std::size_t n_partials,
          std::size_t stride, double* w, double* m, double* v) noexcept {
  reference::adam(n, step, gradients, n_partials, stride, w, m, v);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
