// Convolutions between many channels, stride 1, kernel 3 or 5, of one group in the batch-innermost layout, by
// 2-D Winograd transforms F(4x4, 5x5) and F(4x4, 3x3); optionally of a map that is upsampled by 2 first
// (nearest neighbour), which is folded into the weights. Derivations: docs/training-engine.md.
//
// A tile is 4x4 outputs. Forward: every input plane's windows go through the input transform, the 64 (kernel
// 5) or 36 points are matrix products over channels with (tile, sample) as columns, and the output transform
// brings 4x4 values of each product back. Products per output: 4 instead of 25, 2.25 instead of 9, and with a
// folded upsampling 2.25 instead of 25.
// float: vector version of the active instruction set. double, and the scalar set: the textbook sums.
#pragma once

#include <cstddef>

#include "kernels/conv2d/conv2d.h"
#include "kernels/layout.h"

namespace deepsad::kernels {

/// The convolution `conv` (see conv2d.h), of x or, if `upsampled`, of x with every point copied to 2x2; x is
/// [in_channels][height][width][16], or [in_channels][height / 2][width / 2][16].
struct WinogradShape {
  ConvShape conv;
  bool upsampled = false;
};

/// Whether the functions below serve a shape: stride 1, kernel 3 or 5; upsampled: kernel 5, padding <= 2,
/// even sides.
[[nodiscard]] bool winograd2d_serves(const WinogradShape& shape) noexcept;
/// Whether they are expected to beat the direct convolutions (of few channels, or small maps, those win).
[[nodiscard]] bool winograd2d_pays(const WinogradShape& shape) noexcept;

/// Elements of scratch memory that the forward pass, or in training every pass, wants; 64-byte aligned.
[[nodiscard]] std::size_t winograd2d_scratch_size(const WinogradShape& shape, bool training) noexcept;
/// Elements of the packed weights for the forward pass and for the data gradient.
[[nodiscard]] std::size_t winograd2d_forward_size(const WinogradShape& shape) noexcept;
[[nodiscard]] std::size_t winograd2d_backward_size(const WinogradShape& shape) noexcept;

/// Transforms w, which is read as conv2d_pack reads it, for the forward pass and for the data gradient.
/// `packed` is 64-byte aligned.
void winograd2d_pack_forward(const WinogradShape& shape, ConvWeights form, const float* w,
                             float* packed) noexcept;
void winograd2d_pack_forward(const WinogradShape& shape, ConvWeights form, const double* w,
                             double* packed) noexcept;
void winograd2d_pack_backward(const WinogradShape& shape, ConvWeights form, const float* w,
                              float* packed) noexcept;
void winograd2d_pack_backward(const WinogradShape& shape, ConvWeights form, const double* w,
                              double* packed) noexcept;

/// y [out_channels][out_height][out_width][16] <- convolution of x. Every lane is computed, also unused ones;
/// lanes never mix.
void winograd2d_forward(const WinogradShape& shape, const float* x, const float* packed, float* y,
                        float* scratch) noexcept;
void winograd2d_forward(const WinogradShape& shape, const double* x, const double* packed, double* y,
                        double* scratch) noexcept;

/// dx (shape of x) <- gradient; the sum over the copies of an upsampled point included.
void winograd2d_data_gradient(const WinogradShape& shape, const float* dy, const float* packed, float* dx,
                              float* scratch) noexcept;
void winograd2d_data_gradient(const WinogradShape& shape, const double* dy, const double* packed, double* dx,
                              double* scratch) noexcept;

/// Elements of a partial weight gradient.
[[nodiscard]] std::size_t winograd2d_partial_size(const WinogradShape& shape) noexcept;
/// partial <- the weight gradient of a group, or partial += it if `add`, summed over the lanes, in an order
/// of its own: the vectors that the transforms leave. 64-byte aligned. Unused lanes of dy must be zero.
void winograd2d_weight_gradient(const WinogradShape& shape, const float* x, const float* dy, float* partial,
                                bool add, float* scratch) noexcept;
void winograd2d_weight_gradient(const WinogradShape& shape, const double* x, const double* dy,
                                double* partial, bool add, double* scratch) noexcept;

/// n partial gradients, `step` elements apart.
template <class T>
struct WinogradPartials {
  const T* values;
  std::size_t step, n;
};
/// Of the weights of input channels [first, last), in the form in which w was packed: dw <- the sum of the
/// partial gradients, in their order.
void winograd2d_sum_gradients(const WinogradShape& shape, ConvWeights form,
                              const WinogradPartials<float>& partials, std::size_t first, std::size_t last,
                              float* dw) noexcept;
void winograd2d_sum_gradients(const WinogradShape& shape, ConvWeights form,
                              const WinogradPartials<double>& partials, std::size_t first, std::size_t last,
                              double* dw) noexcept;

}  // namespace deepsad::kernels
