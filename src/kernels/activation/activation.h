// Activations that stand alone (not fused into batch normalisation). n counts elements, a multiple of 16.
#pragma once

#include <cstddef>

#include "kernels/layout.h"

namespace deepsad::kernels {

/// y = x > 0 ? x : slope x. y may be x.
void leaky_relu_forward(std::size_t n, const float* x, float slope, float* y) noexcept;
void leaky_relu_forward(std::size_t n, const double* x, double slope, double* y) noexcept;
/// dx = dy (x > 0 ? 1 : slope), x the input of the forward pass. dx may be dy.
void leaky_relu_backward(std::size_t n, const float* x, const float* dy, float slope, float* dx) noexcept;
void leaky_relu_backward(std::size_t n, const double* x, const double* dy, double slope, double* dx) noexcept;

/// y = 1 / (1 + exp(-x)), within 3 units in the last place, exact limits 0 and 1 for large |x|. y may be x.
void sigmoid_forward(std::size_t n, const float* x, float* y) noexcept;
void sigmoid_forward(std::size_t n, const double* x, double* y) noexcept;
/// dx = dy y (1 - y), y the output of the forward pass. dx may be dy.
void sigmoid_backward(std::size_t n, const float* y, const float* dy, float* dx) noexcept;
void sigmoid_backward(std::size_t n, const double* y, const double* dy, double* dx) noexcept;

}  // namespace deepsad::kernels
