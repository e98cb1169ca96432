// 2-D convolution (cross-correlation, as in PyTorch) of one group in the batch-innermost layout.
// float: vector version of the active instruction set. double: the scalar reference (for gradient checks and
// tests).
#pragma once

#include <cstddef>

#include "kernels/layout.h"

namespace deepsad::kernels {

/// y[o][i][j] = sum_{c,a,b} w[o][c][a][b] x[c][i stride + a - padding][j stride + b - padding], x = 0 outside
/// its map. out_height = (height + 2 padding - kernel) / stride + 1, likewise out_width. kernel >= 1, padding
/// < kernel.
struct ConvShape {
  std::size_t in_channels, height, width;
  std::size_t out_channels, out_height, out_width;
  std::size_t kernel, padding, stride;
};

/// How a weight tensor is read when it is packed.
enum class ConvWeights {
  as_is,            ///< w is [out_channels][in_channels][kernel][kernel]
  swapped_flipped,  ///< w is [in_channels][out_channels][kernel][kernel], both kernel axes reversed: the data
                    ///< gradient of a convolution, and the forward pass of a transposed one
};

/// Elements of the packed form of the weights of `shape` (padded to the kernel's block of output channels).
[[nodiscard]] std::size_t conv2d_packed_size(const ConvShape& shape) noexcept;
/// packed <- w in the order in which the forward kernel reads it; `packed` is 64-byte aligned and overlaps
/// nothing.
void conv2d_pack(const ConvShape& shape, ConvWeights form, const float* w, float* packed) noexcept;
void conv2d_pack(const ConvShape& shape, ConvWeights form, const double* w, double* packed) noexcept;

/// y <- convolution of x [in_channels][height][width][16] into y [out_channels][out_height][out_width][16].
/// All shapes are served; stride 1 is the fast path. x, y 64-byte aligned, no overlap. Every lane is
/// computed, also unused ones.
void conv2d_forward(const ConvShape& shape, const float* x, const float* packed, float* y) noexcept;
void conv2d_forward(const ConvShape& shape, const double* x, const double* packed, double* y) noexcept;

/// dw[o][c][a][b] += sum over i, j and lanes of dy[o][i][j] x[c][i stride + a - padding][j stride + b -
/// padding]. Unused lanes of dy must be zero. dw [out_channels][in_channels][kernel][kernel], no alignment
/// needed.
void conv2d_weight_gradient(const ConvShape& shape, const float* x, const float* dy, float* dw) noexcept;
void conv2d_weight_gradient(const ConvShape& shape, const double* x, const double* dy, double* dw) noexcept;

/// dx <- data gradient for any stride (w unpacked, as_is form). For stride 1 use conv2d_forward of the
/// swapped_flipped packing with padding kernel - 1 - padding instead, which is faster.
void conv2d_data_gradient(const ConvShape& shape, const float* dy, const float* w, float* dx) noexcept;
void conv2d_data_gradient(const ConvShape& shape, const double* dy, const double* w, double* dx) noexcept;

}  // namespace deepsad::kernels
