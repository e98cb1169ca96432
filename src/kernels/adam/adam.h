// Adam with the sum over partial gradients fused in.
#pragma once

#include <cstddef>

namespace deepsad::kernels {

/// Constants of one Adam step t (Kingma and Ba 2015), with coupled L2 decay as in PyTorch >= 1.3:
/// g = sum_s gradient[s] + weight_decay w;  m = beta1 m + (1-beta1) g;  v = beta2 v + (1-beta2) g^2;
/// w -= learning_rate/(1-beta1^t) m / (sqrt(v)/sqrt(1-beta2^t) + epsilon).
template <class T>
struct AdamStep {
  T learning_rate, beta1, beta2, epsilon, weight_decay;
  T bias_correction1, bias_correction2;  ///< 1 - beta1^t and 1 - beta2^t
};

/// One step for n parameters. gradients: n_partials arrays, partial s starting at gradients + s * stride,
/// summed in the order s = 0, 1, ... No alignment needed.
void adam(std::size_t n, const AdamStep<float>& step, const float* gradients, std::size_t n_partials,
          std::size_t stride, float* w, float* m, float* v) noexcept;
void adam(std::size_t n, const AdamStep<double>& step, const double* gradients, std::size_t n_partials,
          std::size_t stride, double* w, double* m, double* v) noexcept;

}  // namespace deepsad::kernels
