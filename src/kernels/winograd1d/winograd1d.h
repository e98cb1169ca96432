// 5x5 convolution of stride 1 of one group in the batch-innermost layout, by Winograd's algorithm F(4,5)
// along the rows: 8 products make 4 neighbouring outputs of one kernel row instead of 20. Derivation and
// figures: docs/kernels.md. Same contracts as conv2d.h, whose direct kernels are the reference; results
// differ from theirs by rounding (about 1e-6 of the largest value). float only: double plans use the direct
// reference.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/conv2d/conv2d.h"

namespace deepsad::kernels {

/// Whether this family computes the shape at all: kernel 5, stride 1. Any sizes, channels and padding.
[[nodiscard]] bool winograd1d_serves(const ConvShape& shape) noexcept;

/// Floats of the packed weights, and of the scratch memory that the two kernels below need.
[[nodiscard]] std::size_t winograd1d_packed_size(const ConvShape& shape) noexcept;
[[nodiscard]] std::size_t winograd1d_forward_scratch_size(const ConvShape& shape) noexcept;
[[nodiscard]] std::size_t winograd1d_gradient_scratch_size(const ConvShape& shape) noexcept;

/// packed <- transformed weights; `packed` is 64-byte aligned and overlaps nothing.
void winograd1d_pack(const ConvShape& shape, ConvWeights form, const float* w, float* packed) noexcept;

/// As conv2d_forward. scratch: 64-byte aligned, any content, belongs to the calling thread.
void winograd1d_forward(const ConvShape& shape, const float* x, const float* packed, float* y,
                        float* scratch) noexcept;

/// Where winograd1d_forward_pool writes.
struct PooledOutput {
  float* y;              ///< output of the convolution; null: not wanted
  float* pooled;         ///< as max_pool_forward (pooling.h) would make of y
  std::uint8_t* winner;  ///< likewise
  std::size_t n_valid;
  double *mean, *m2;  ///< as channel_moments (batch_norm.h) would make of y, or both null: not wanted
};
/// The convolution, a 2x2 max pool of its output and the moments of the unpooled output, in one pass.
[[nodiscard]] std::size_t winograd1d_pool_scratch_size(const ConvShape& shape) noexcept;
void winograd1d_forward_pool(const ConvShape& shape, const float* x, const float* packed,
                             const PooledOutput& output, float* scratch) noexcept;

/// As conv2d_weight_gradient: dw += ...; unused lanes of dy must be zero.
void winograd1d_weight_gradient(const ConvShape& shape, const float* x, const float* dy, float* dw,
                                float* scratch) noexcept;

/// The gradient at the output of a convolution behind which stand a 2x2 max pool and a batch norm: what
/// batch_norm_backward_unpool (batch_norm.h) would make of these.
struct PooledGradient {
  const float* x;  ///< output of the convolution, or null: without the part that is proportional to it
  const float* g;
  const std::uint8_t* winner;
  const float *mean, *inv_std, *mean_g, *mean_gx;
  std::size_t n_valid;
};

/// As winograd1d_weight_gradient, with a dy that is never stored. Nor need the output y = w . patch be: with
/// dy.x null, dy is inv_std (g - mean_g), g at the winners and 0 elsewhere, and the rest of the gradient, of
/// -inv_std^2 mean_gx (y - mean), is that of add_patch_moments_gradient (patch_moments.h).
[[nodiscard]] std::size_t winograd1d_unpool_scratch_size(const ConvShape& shape) noexcept;
void winograd1d_weight_gradient_unpool(const ConvShape& shape, const float* x, const PooledGradient& dy,
                                       float* dw, float* scratch) noexcept;

}  // namespace deepsad::kernels
