// From rows of a matrix to a group, and back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/layout.h"

namespace deepsad::kernels {

/// dst[j][l] = src[rows[l] * stride + j] for l < n_valid, 0 for the other lanes; j < d; dst [d][16], 64-byte
/// aligned.
void gather_rows(const float* src, std::size_t stride, const std::uint32_t* rows, std::size_t n_valid,
                 std::size_t d, float* dst) noexcept;
void gather_rows(const double* src, std::size_t stride, const std::uint32_t* rows, std::size_t n_valid,
                 std::size_t d, double* dst) noexcept;

/// dst[l * stride + j] = src[j][l] for l < n_valid, j < d.
void scatter_rows(const float* src, std::size_t n_valid, std::size_t d, float* dst,
                  std::size_t stride) noexcept;
void scatter_rows(const double* src, std::size_t n_valid, std::size_t d, double* dst,
                  std::size_t stride) noexcept;

}  // namespace deepsad::kernels
