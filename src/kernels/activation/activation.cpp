#include "kernels/activation/activation.h"

#include <cstddef>

#include "kernels/activation/activation_reference.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation/activation.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/activation/leaky_relu-inl.h"
#include "kernels/activation/sigmoid-inl.h"
#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
void leaky_relu_forward(std::size_t n, const float* x, float slope, float* y) noexcept {
  const D d;
  const V slopes = hn::Set(d, slope);
  for (std::size_t i = 0; i < n; i += kVector) {
    const V value = hn::Load(d, x + i);
    hn::Store(leaky(value, slopes, value), d, y + i);
  }
}

void leaky_relu_backward(std::size_t n, const float* x, const float* dy, float slope, float* dx) noexcept {
  const D d;
  const V slopes = hn::Set(d, slope);
  for (std::size_t i = 0; i < n; i += kVector) {
    hn::Store(leaky(hn::Load(d, x + i), slopes, hn::Load(d, dy + i)), d, dx + i);
  }
}

void sigmoid_forward(std::size_t n, const float* x, float* y) noexcept {
  const D d;
  for (std::size_t i = 0; i < n; i += kVector) hn::Store(sigmoid(hn::Load(d, x + i)), d, y + i);
}

void sigmoid_backward(std::size_t n, const float* y, const float* dy, float* dx) noexcept {
  const D d;
  for (std::size_t i = 0; i < n; i += kVector) {
    hn::Store(sigmoid_gradient(hn::Load(d, dy + i), hn::Load(d, y + i)), d, dx + i);
  }
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

void leaky_relu_forward(std::size_t n, const float* x, float slope, float* y) noexcept {
  DEEPSAD_CALL_KERNEL(leaky_relu_forward, n, x, slope, y);
}

void leaky_relu_forward(std::size_t n, const double* x, double slope, double* y) noexcept {
  reference::leaky_relu_forward(n, x, slope, y);
}

void leaky_relu_backward(std::size_t n, const float* x, const float* dy, float slope, float* dx) noexcept {
  DEEPSAD_CALL_KERNEL(leaky_relu_backward, n, x, dy, slope, dx);
}

void leaky_relu_backward(std::size_t n, const double* x, const double* dy, double slope,
                         double* dx) noexcept {
  reference::leaky_relu_backward(n, x, dy, slope, dx);
}

void sigmoid_forward(std::size_t n, const float* x, float* y) noexcept {
  DEEPSAD_CALL_KERNEL(sigmoid_forward, n, x, y);
}

void sigmoid_forward(std::size_t n, const double* x, double* y) noexcept {
  reference::sigmoid_forward(n, x, y);
}

void sigmoid_backward(std::size_t n, const float* y, const float* dy, float* dx) noexcept {
  DEEPSAD_CALL_KERNEL(sigmoid_backward, n, y, dy, dx);
}

void sigmoid_backward(std::size_t n, const double* y, const double* dy, double* dx) noexcept {
  reference::sigmoid_backward(n, y, dy, dx);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
