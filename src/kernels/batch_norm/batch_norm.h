// Batch normalisation without scale and shift, with the leaky ReLU that follows it fused in.
// plane = height * width of a map, 1 for vectors, whose training batch_norm_vectors.h does. slope = 1 means
// no activation, 0 means ReLU; slope >= 0, so that normalisation and activation never decrease and a max pool
// may run before them (docs/training-engine.md).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/layout.h"

namespace deepsad::kernels {

/// For every channel, over lanes 0..n_valid-1 and the plane: mean[c] and m2[c] = sum (x - mean)^2, in double
/// (groups are merged by the caller after Chan et al.). n_valid >= 1.
void channel_moments(std::size_t channels, std::size_t plane, std::size_t n_valid, const float* x,
                     double* mean, double* m2) noexcept;
void channel_moments(std::size_t channels, std::size_t plane, std::size_t n_valid, const double* x,
                     double* mean, double* m2) noexcept;

/// y = leaky((x - mean[c]) * inv_std[c]). y may be x.
void batch_norm_forward(std::size_t channels, std::size_t plane, const float* x, const float* mean,
                        const float* inv_std, float slope, float* y) noexcept;
void batch_norm_forward(std::size_t channels, std::size_t plane, const double* x, const double* mean,
                        const double* inv_std, double slope, double* y) noexcept;

/// First half of the backward pass. With xhat = (x - mean[c]) inv_std[c]: g = dy (xhat > 0 ? 1 : slope) is
/// written over dy (unused lanes become 0), and sum_g[c] = sum g, sum_gx[c] = sum g xhat over this group's
/// valid lanes (double). x is the input of the forward pass: after a pool that ran first, the pooled map.
void batch_norm_backward_sums(std::size_t channels, std::size_t plane, std::size_t n_valid, const float* x,
                              const float* mean, const float* inv_std, float slope, float* dy, double* sum_g,
                              double* sum_gx) noexcept;
void batch_norm_backward_sums(std::size_t channels, std::size_t plane, std::size_t n_valid, const double* x,
                              const double* mean, const double* inv_std, double slope, double* dy,
                              double* sum_g, double* sum_gx) noexcept;

/// Second half: dx = inv_std[c] (g - mean_g[c] - xhat mean_gx[c]) with mean_g, mean_gx the sums over the
/// whole batch divided by its number of points; unused lanes of dx become 0. dx may be g or x.
void batch_norm_backward(std::size_t channels, std::size_t plane, std::size_t n_valid, const float* x,
                         const float* g, const float* mean, const float* inv_std, const float* mean_g,
                         const float* mean_gx, float* dx) noexcept;
void batch_norm_backward(std::size_t channels, std::size_t plane, std::size_t n_valid, const double* x,
                         const double* g, const double* mean, const double* inv_std, const double* mean_g,
                         const double* mean_gx, double* dx) noexcept;

/// Backward with moments that do not depend on x (evaluation mode): dx = inv_std[c] dy (xhat > 0 ? 1 :
/// slope). dx may be dy or x.
void batch_norm_backward_fixed(std::size_t channels, std::size_t plane, const float* x, const float* dy,
                               const float* mean, const float* inv_std, float slope, float* dx) noexcept;
void batch_norm_backward_fixed(std::size_t channels, std::size_t plane, const double* x, const double* dy,
                               const double* mean, const double* inv_std, double slope, double* dx) noexcept;

/// As batch_norm_backward for a map x [channels][height][width][16] that was 2x2 max-pooled (stride 2, floor)
/// before the normalisation: g [channels][height/2][width/2][16] counts only at the winners (see pooling.h),
/// zero elsewhere. mean_g, mean_gx are divided by the number of points of the unpooled map. dx may be x.
void batch_norm_backward_unpool(std::size_t channels, std::size_t height, std::size_t width,
                                std::size_t n_valid, const float* x, const float* g,
                                const std::uint8_t* winner, const float* mean, const float* inv_std,
                                const float* mean_g, const float* mean_gx, float* dx) noexcept;
void batch_norm_backward_unpool(std::size_t channels, std::size_t height, std::size_t width,
                                std::size_t n_valid, const double* x, const double* g,
                                const std::uint8_t* winner, const double* mean, const double* inv_std,
                                const double* mean_g, const double* mean_gx, double* dx) noexcept;

}  // namespace deepsad::kernels
