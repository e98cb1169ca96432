// Adam as it is written in adam.h. Scalar set of the float kernels, only set of double.
#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/adam/adam.h"

namespace deepsad::kernels::reference {

template <class T>
void adam(std::size_t n, const AdamStep<T>& step, const T* gradients, std::size_t n_partials,
          std::size_t stride, T* w, T* m, T* v) noexcept {
  const T step_size = step.learning_rate / step.bias_correction1;
  const T root_correction = std::sqrt(step.bias_correction2);
  for (std::size_t i = 0; i < n; ++i) {
    T g{0};
    for (std::size_t s = 0; s < n_partials; ++s) g += gradients[s * stride + i];
    g += step.weight_decay * w[i];
    m[i] = step.beta1 * m[i] + (T{1} - step.beta1) * g;
    v[i] = step.beta2 * v[i] + (T{1} - step.beta2) * g * g;
    w[i] -= step_size * m[i] / (std::sqrt(v[i]) / root_correction + step.epsilon);
  }
}

}  // namespace deepsad::kernels::reference
