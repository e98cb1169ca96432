// Nearest-neighbour upsampling by two and the convolution behind it, as one operation on the small map, of
// one group in the batch-innermost layout. Derivation and figures: docs/kernels.md. float: vector version of
// the active instruction set. double: the scalar reference.
#pragma once

#include <cstddef>

#include "kernels/conv2d/conv2d.h"

namespace deepsad::kernels {

/// With u[c][i][j] = x[c][i / 2][j / 2] of size 2 height x 2 width (0 outside):
/// y[o][i][j] = sum_{c,a,b} w[o][c][a][b] u[c][i + a - padding][j + b - padding].
/// out_height = 2 height + 2 padding - kernel + 1, likewise out_width. kernel odd, padding < kernel.
struct UpsampleConvShape {
  std::size_t in_channels, height, width;
  std::size_t out_channels, out_height, out_width;
  std::size_t kernel, padding;
};

/// Elements of each packed form, and of the scratch memory of the weight gradient.
[[nodiscard]] std::size_t upsample_conv_packed_size(const UpsampleConvShape& shape) noexcept;

/// forward, backward <- w in the order in which upsample_conv_forward and upsample_conv_data_gradient read it
/// (a null pointer: not wanted); `form` as in conv2d.h; 64-byte aligned, no overlap.
void upsample_conv_pack(const UpsampleConvShape& shape, ConvWeights form, const float* w, float* forward,
                        float* backward) noexcept;
void upsample_conv_pack(const UpsampleConvShape& shape, ConvWeights form, const double* w, double* forward,
                        double* backward) noexcept;

/// y [out_channels][out_height][out_width][16] <- x [in_channels][height][width][16]; 64-byte aligned, no
/// overlap. Every lane is computed, also unused ones.
void upsample_conv_forward(const UpsampleConvShape& shape, const float* x, const float* packed,
                           float* y) noexcept;
void upsample_conv_forward(const UpsampleConvShape& shape, const double* x, const double* packed,
                           double* y) noexcept;

/// dx <- the gradient with respect to x.
void upsample_conv_data_gradient(const UpsampleConvShape& shape, const float* dy, const float* packed,
                                 float* dx) noexcept;
void upsample_conv_data_gradient(const UpsampleConvShape& shape, const double* dy, const double* packed,
                                 double* dx) noexcept;

/// dw (in the order that `form` names, no alignment needed) += the gradient with respect to w. Unused lanes
/// of dy must be zero. scratch: 64-byte aligned, any content.
void upsample_conv_weight_gradient(const UpsampleConvShape& shape, ConvWeights form, const float* x,
                                   const float* dy, float* dw, float* scratch) noexcept;
void upsample_conv_weight_gradient(const UpsampleConvShape& shape, ConvWeights form, const double* x,
                                   const double* dy, double* dw, double* scratch) noexcept;

}  // namespace deepsad::kernels
