// Fully connected layer of one group in the batch-innermost layout.
#pragma once

#include <cstddef>

#include "kernels/layout.h"

namespace deepsad::kernels {

/// Elements of the weights, [block of 16 outputs][n_in][16], the last block filled up with zeros: forward
/// pass and data gradient read them in order, the weight gradient is written as it is summed. 64-byte
/// aligned.
constexpr std::size_t dense_packed_size(std::size_t n_in, std::size_t n_out) noexcept {
  return n_in * ((n_out + kLanes - 1) / kLanes * kLanes);
}
/// Where the weight of input i and output o lies.
constexpr std::size_t dense_packed_index(std::size_t n_in, std::size_t i, std::size_t o) noexcept {
  return (o / kLanes * n_in + i) * kLanes + o % kLanes;
}

/// A part of a layer: inputs [first_in, last_in), outputs [first_out, last_out), first_out a multiple of 16.
struct DensePart {
  std::size_t n_in, n_out;  ///< of the layer
  std::size_t first_in, last_in, first_out, last_out;
};

/// y[o] = leaky(sum_i w[o][i] x[i] + bias[o]), leaky(z) = z > 0 ? z : slope z (slope 1: no activation), for
/// the part's outputs and all inputs; x [n_in][16], bias [n_out] or nullptr, y [n_out][16], all of output 0.
/// The sum over i runs in index order per lane (so a lane's bits depend on nothing but its own x).
void dense_forward(const DensePart& part, const float* x, const float* w, const float* bias, float slope,
                   float* y) noexcept;
void dense_forward(const DensePart& part, const double* x, const double* w, const double* bias, double slope,
                   double* y) noexcept;

/// dx[i] = sum_o w[o][i] dy[o] for the part's inputs and all outputs; w, dx, x: of input 0. Unless x is
/// nullptr, it is [n_in][16] the output of a leaky ReLU, slope >= 0, and dx the gradient at the ReLU's input:
/// times slope where x is not positive. dx may be x.
void dense_data_gradient(const DensePart& part, const float* dy, const float* w, const float* x, float slope,
                         float* dx) noexcept;
void dense_data_gradient(const DensePart& part, const double* dy, const double* w, const double* x,
                         double slope, double* dx) noexcept;

/// The groups of a batch: the inputs, [n_in][16], finite in unused lanes, and the gradients of the outputs,
/// [n_out][16], zero in unused lanes. Steps are elements between groups.
template <class T>
struct DenseBatch {
  const T* x;
  std::size_t x_step;
  const T* dy;
  std::size_t dy_step;
  std::size_t n_groups;
};
/// dw[o][i] <- sum over groups and lanes, in order, of dy[o] x[i] for the part; dw: of the whole layer, as
/// the weights lie; what fills up their last block is left alone. dbias[o] <- sum of dy[o], unless nullptr,
/// lane by lane over the groups, then across the lanes; no alignment needed.
void dense_weight_gradient(const DensePart& part, const DenseBatch<float>& batch, float* dw,
                           float* dbias) noexcept;
void dense_weight_gradient(const DensePart& part, const DenseBatch<double>& batch, double* dw,
                           double* dbias) noexcept;

/// The same, each sum lane by lane over the groups, then across the lanes: faster where
/// dense_gradient_goes_across().
void dense_weight_gradient_across(const DensePart& part, const DenseBatch<float>& batch, float* dw,
                                  float* dbias) noexcept;
void dense_weight_gradient_across(const DensePart& part, const DenseBatch<double>& batch, double* dw,
                                  double* dbias) noexcept;
/// Whether the inputs of a batch, which are read once for every four outputs, stay in the first caches, and
/// the sums across lanes (2 multiply-adds of 16 lanes for every weight) cost less than what is wasted on
/// partial vectors of outputs and lost to transposing (6 for every output and group).
constexpr bool dense_gradient_goes_across(std::size_t n_in, std::size_t n_out,
                                          std::size_t n_groups) noexcept {
  constexpr std::size_t kMostInputs = std::size_t{64} * 1024 / sizeof(float);
  const std::size_t vectors = (n_out + kLanes - 1) / kLanes;
  const std::size_t loads = vectors == 1 ? 2 * n_in : 0;  // more than multiply-adds
  const std::size_t transposed = n_groups * (vectors * kLanes * n_in + loads + 6 * n_out);
  const bool stays = n_out <= 4 || n_groups * n_in * kLanes <= kMostInputs;
  return stays && n_groups * n_in * n_out + 2 * n_in * n_out < transposed;
}

}  // namespace deepsad::kernels
