// Fully connected layer of one group in the batch-innermost layout.
#pragma once

#include <cstddef>

#include "kernels/layout.h"

namespace deepsad::kernels {

/// y[o] = sum_i w[o][i] x[i] + bias[o]; x [n_in][16], w [n_out][n_in] row-major, bias [n_out] or nullptr, y
/// [n_out][16]. The sum over i runs in index order per lane (so a lane's bits depend on nothing but its own
/// x).
void dense_forward(std::size_t n_in, std::size_t n_out, const float* x, const float* w, const float* bias,
                   float* y) noexcept;
void dense_forward(std::size_t n_in, std::size_t n_out, const double* x, const double* w, const double* bias,
                   double* y) noexcept;

/// dx[i] = sum_o w[o][i] dy[o].
void dense_data_gradient(std::size_t n_in, std::size_t n_out, const float* dy, const float* w,
                         float* dx) noexcept;
void dense_data_gradient(std::size_t n_in, std::size_t n_out, const double* dy, const double* w,
                         double* dx) noexcept;

/// Elements of scratch that dense_weight_gradient wants.
[[nodiscard]] std::size_t dense_scratch_size(std::size_t n_in, std::size_t n_out) noexcept;
/// dw[o][i] += sum over lanes of dy[o] x[i]; dbias[o] += sum over lanes of dy[o] (unless nullptr). Unused
/// lanes of dy must be zero. scratch: dense_scratch_size elements, 64-byte aligned.
void dense_weight_gradient(std::size_t n_in, std::size_t n_out, const float* x, const float* dy, float* dw,
                           float* dbias, float* scratch) noexcept;
void dense_weight_gradient(std::size_t n_in, std::size_t n_out, const double* x, const double* dy, double* dw,
                           double* dbias, double* scratch) noexcept;

}  // namespace deepsad::kernels
