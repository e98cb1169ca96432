// Fully connected layer of one group in the batch-innermost layout.
#pragma once

#include <cstddef>

#include "kernels/layout.h"

namespace deepsad::kernels {

/// Elements of the packed weights, in which the two functions below read in order; 64-byte aligned.
constexpr std::size_t dense_packed_size(std::size_t n_in, std::size_t n_out) noexcept {
  return n_in * ((n_out + kLanes - 1) / kLanes * kLanes);
}
/// packed <- w [n_out][n_in] row-major, which needs no alignment.
void dense_pack(std::size_t n_in, std::size_t n_out, const float* w, float* packed) noexcept;
void dense_pack(std::size_t n_in, std::size_t n_out, const double* w, double* packed) noexcept;

/// y[o] = sum_i w[o][i] x[i] + bias[o]; x [n_in][16], bias [n_out] or nullptr, y [n_out][16]. The sum over i
/// runs in index order per lane (so a lane's bits depend on nothing but its own x).
void dense_forward(std::size_t n_in, std::size_t n_out, const float* x, const float* packed,
                   const float* bias, float* y) noexcept;
void dense_forward(std::size_t n_in, std::size_t n_out, const double* x, const double* packed,
                   const double* bias, double* y) noexcept;

/// dx[i] = sum_o w[o][i] dy[o].
void dense_data_gradient(std::size_t n_in, std::size_t n_out, const float* dy, const float* packed,
                         float* dx) noexcept;
void dense_data_gradient(std::size_t n_in, std::size_t n_out, const double* dy, const double* packed,
                         double* dx) noexcept;

/// Distance of the rows that dense_transpose writes: whole vectors, and one more so that rows of a power of
/// two do not share cache sets.
constexpr std::size_t dense_row_step(std::size_t n_in) noexcept {
  return (n_in + kLanes - 1) / kLanes * kLanes + kLanes;
}
/// rows[l * dense_row_step(n_in) + i] <- x[i][l], one row for each lane; 64-byte aligned. What lies behind a
/// row's last input is left alone.
void dense_transpose(std::size_t n_in, const float* x, float* rows) noexcept;
void dense_transpose(std::size_t n_in, const double* x, double* rows) noexcept;

/// The groups of a batch: the inputs, transposed or not, and the gradients of the outputs, [n_out][16], whose
/// unused lanes are zero. Steps are elements between groups.
template <class T>
struct DenseBatch {
  const T* x;
  std::size_t x_step;
  const T* dy;
  std::size_t dy_step;
  std::size_t n_groups;
};
/// dw[o][i] <- sum over groups and lanes, in order, of dy[o] x[i]; dbias[o] <- sum of dy[o] (unless nullptr);
/// for first <= o < last. dw, dbias: of output 0, no alignment needed.
void dense_weight_gradient(std::size_t n_in, std::size_t first, std::size_t last,
                           const DenseBatch<float>& batch, float* dw, float* dbias) noexcept;
void dense_weight_gradient(std::size_t n_in, std::size_t first, std::size_t last,
                           const DenseBatch<double>& batch, double* dw, double* dbias) noexcept;

/// The same from inputs that are not transposed, [n_in][16], of finite values also in unused lanes: faster
/// where dense_gradient_goes_across(). Sums of a lane run over groups in order, then across the lanes.
void dense_weight_gradient_across(std::size_t n_in, std::size_t first, std::size_t last,
                                  const DenseBatch<float>& batch, float* dw, float* dbias) noexcept;
void dense_weight_gradient_across(std::size_t n_in, std::size_t first, std::size_t last,
                                  const DenseBatch<double>& batch, double* dw, double* dbias) noexcept;
/// Whether the inputs of a batch, which are read once for every four outputs, stay in the first caches, and
/// the sums across lanes (2 multiply-adds of 16 lanes for every weight) cost less than what is wasted on
/// partial vectors of inputs and lost to transposing (6 for every input and group).
constexpr bool dense_gradient_goes_across(std::size_t n_in, std::size_t n_out,
                                          std::size_t n_groups) noexcept {
  constexpr std::size_t kMostInputs = std::size_t{64} * 1024 / sizeof(float);
  const std::size_t vectors = (n_in + kLanes - 1) / kLanes;
  const std::size_t transposed = n_groups * (vectors * kLanes * n_out + 6 * n_in);
  return n_groups * n_in * kLanes <= kMostInputs && n_groups * n_in * n_out + 2 * n_in * n_out < transposed;
}

}  // namespace deepsad::kernels
