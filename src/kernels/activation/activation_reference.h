// The activations as they are written in activation.h. Scalar set of the float kernels, only set of double.
#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/activation/activation.h"

namespace deepsad::kernels::reference {

template <class T>
void leaky_relu_forward(std::size_t n, const T* x, T slope, T* y) noexcept {
  for (std::size_t i = 0; i < n; ++i) y[i] = x[i] > 0 ? x[i] : slope * x[i];
}

template <class T>
void leaky_relu_backward(std::size_t n, const T* x, const T* dy, T slope, T* dx) noexcept {
  for (std::size_t i = 0; i < n; ++i) dx[i] = dy[i] * (x[i] > 0 ? T{1} : slope);
}

/// exp is only taken of -|x|, so that it cannot overflow and small results keep their digits.
template <class T>
void sigmoid_forward(std::size_t n, const T* x, T* y) noexcept {
  for (std::size_t i = 0; i < n; ++i) {
    const T e = std::exp(-std::abs(x[i]));
    y[i] = (x[i] < 0 ? e : T{1}) / (T{1} + e);
  }
}

template <class T>
void sigmoid_backward(std::size_t n, const T* y, const T* dy, T* dx) noexcept {
  for (std::size_t i = 0; i < n; ++i) dx[i] = dy[i] * y[i] * (T{1} - y[i]);
}

}  // namespace deepsad::kernels::reference
