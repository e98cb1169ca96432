// Pooling and upsampling as they are written in pooling.h. Scalar set of the float kernels, only set of
// double.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/pooling/pooling.h"

namespace deepsad::kernels::reference {

template <class T>
void max_pool_forward(std::size_t channels, std::size_t height, std::size_t width, const T* x, T* y,
                      std::uint8_t* winner) noexcept {
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < height / 2; ++i) {
      for (std::size_t j = 0; j < width / 2; ++j) {
        for (std::size_t l = 0; l < kLanes; ++l) {
          const std::size_t to = ((c * (height / 2) + i) * (width / 2) + j) * kLanes + l;
          for (std::size_t position = 0; position < 4; ++position) {
            const T value =
                x[((c * height + 2 * i + position / 2) * width + 2 * j + position % 2) * kLanes + l];
            const bool first_nan = value != value && y[to] == y[to];
            if (position == 0 || value > y[to] || first_nan) {
              y[to] = value;
              winner[to] = static_cast<std::uint8_t>(position);
            }
          }
        }
      }
    }
  }
}

template <class T>
void max_pool_backward(std::size_t channels, std::size_t height, std::size_t width, const T* dy,
                       const std::uint8_t* winner, T* dx) noexcept {
  std::fill_n(dx, channels * height * width * kLanes, T{0});
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < height / 2; ++i) {
      for (std::size_t j = 0; j < width / 2; ++j) {
        for (std::size_t l = 0; l < kLanes; ++l) {
          const std::size_t from = ((c * (height / 2) + i) * (width / 2) + j) * kLanes + l;
          const std::size_t row = 2 * i + winner[from] / 2, column = 2 * j + winner[from] % 2;
          dx[((c * height + row) * width + column) * kLanes + l] = dy[from];
        }
      }
    }
  }
}

template <class T>
void upsample_forward(std::size_t channels, std::size_t height, std::size_t width, const T* x,
                      T* y) noexcept {
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < 2 * height; ++i) {
      for (std::size_t j = 0; j < 2 * width; ++j) {
        const T* from = x + ((c * height + i / 2) * width + j / 2) * kLanes;
        std::copy_n(from, kLanes, y + ((c * 2 * height + i) * 2 * width + j) * kLanes);
      }
    }
  }
}

template <class T>
void upsample_backward(std::size_t channels, std::size_t height, std::size_t width, const T* dy,
                       T* dx) noexcept {
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < height; ++i) {
      for (std::size_t j = 0; j < width; ++j) {
        const T* top = dy + ((c * 2 * height + 2 * i) * 2 * width + 2 * j) * kLanes;
        const T* bottom = top + 2 * width * kLanes;
        T* to = dx + ((c * height + i) * width + j) * kLanes;
        for (std::size_t l = 0; l < kLanes; ++l)
          to[l] = top[l] + top[kLanes + l] + bottom[l] + bottom[kLanes + l];
      }
    }
  }
}

}  // namespace deepsad::kernels::reference
