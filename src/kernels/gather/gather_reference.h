// Gathering as it is written in gather.h. Scalar set of the float kernels, only set of double.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gather/gather.h"

namespace deepsad::kernels::reference {

template <class T>
void gather_rows(const T* src, std::size_t stride, const std::uint32_t* rows, std::size_t n_valid,
                 std::size_t d, T* dst) noexcept {
  for (std::size_t j = 0; j < d; ++j) {
    for (std::size_t l = 0; l < kLanes; ++l)
      dst[j * kLanes + l] = l < n_valid ? src[rows[l] * stride + j] : T{0};
  }
}

template <class T>
void scatter_rows(const T* src, std::size_t n_valid, std::size_t d, T* dst, std::size_t stride) noexcept {
  for (std::size_t l = 0; l < n_valid; ++l) {
    for (std::size_t j = 0; j < d; ++j) dst[l * stride + j] = src[j * kLanes + l];
  }
}

}  // namespace deepsad::kernels::reference
