// Sums over the 5x5 patches that a first convolution of few channels reads: all that its weight gradient
// needs where the gradient at its output is an affine map of that output. Derivation and figures:
// docs/kernels.md.
//
// With patches p (in_channels x 25 values), the output of a channel w . p and its gradient a + b (w . p), the
// weights' gradient is a S + b M w with the moments S = sum p and M = sum p p^T, which depend on the input
// alone. float, vector sets and scalar reference; sums of rows in double.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/conv2d/conv2d.h"

namespace deepsad::kernels {

/// Served: kernel 5, stride 1, at most 4 input channels, padding 2 to 4, sides from 2 (4 - padding) to 64.
/// Elsewhere too many digits would cancel: beside little padding, or in large maps, patches vary little about
/// their mean.
[[nodiscard]] bool patch_moments_serve(const ConvShape& shape) noexcept;
/// Values of the moments: those of every pair of taps in their order, then the sums; a multiple of 16, and at
/// most kMostPatchMoments.
[[nodiscard]] std::size_t patch_moments_size(const ConvShape& shape) noexcept;
constexpr std::size_t kMostPatchMoments = 5312;
/// Floats of scratch memory; 64-byte aligned, any content.
[[nodiscard]] std::size_t patch_moments_scratch_size(const ConvShape& shape) noexcept;

/// rows[l][patch_moments_size] <- the moments of sample l < n_valid of x [in_channels][height][width][16].
void patch_moments_of_samples(const ConvShape& shape, const float* x, std::size_t n_valid, float* rows,
                              float* scratch) noexcept;
/// sums[patch_moments_size] <- the sum of the same over the samples.
void patch_moments_of_group(const ConvShape& shape, const float* x, std::size_t n_valid, double* sums,
                            float* scratch) noexcept;
/// sums[size] <- sum over i < n of values[rows[i]][size]; size a multiple of 16.
void sum_of_rows(std::size_t size, const float* values, const std::uint32_t* rows, std::size_t n,
                 double* sums) noexcept;

/// dw [in_channels][25] of one output channel += a S + b M w.
void add_patch_moments_gradient(const ConvShape& shape, const double* moments, double a, double b,
                                const float* w, float* dw) noexcept;

}  // namespace deepsad::kernels
