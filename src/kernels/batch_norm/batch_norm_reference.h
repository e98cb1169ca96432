// Batch normalisation as it is written in batch_norm.h. Scalar set of the float kernels, only set of double.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/batch_norm/batch_norm.h"

namespace deepsad::kernels::reference {

template <class T>
void channel_moments(std::size_t channels, std::size_t plane, std::size_t n_valid, const T* x, double* mean,
                     double* m2) noexcept {
  for (std::size_t c = 0; c < channels; ++c) {
    const T* map = x + c * plane * kLanes;
    double sum = 0;
    for (std::size_t p = 0; p < plane; ++p) {
      for (std::size_t l = 0; l < n_valid; ++l) sum += static_cast<double>(map[p * kLanes + l]);
    }
    mean[c] = sum / static_cast<double>(plane * n_valid);
    double squares = 0;
    for (std::size_t p = 0; p < plane; ++p) {
      for (std::size_t l = 0; l < n_valid; ++l) {
        const double difference = static_cast<double>(map[p * kLanes + l]) - mean[c];
        squares += difference * difference;
      }
    }
    m2[c] = squares;
  }
}

template <class T>
void batch_norm_forward(std::size_t channels, std::size_t plane, const T* x, const T* mean, const T* inv_std,
                        T slope, T* y) noexcept {
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = c * plane * kLanes; i < (c + 1) * plane * kLanes; ++i) {
      const T xhat = (x[i] - mean[c]) * inv_std[c];
      y[i] = xhat > 0 ? xhat : slope * xhat;
    }
  }
}

template <class T>
void batch_norm_backward_sums(std::size_t channels, std::size_t plane, std::size_t n_valid, const T* x,
                              const T* mean, const T* inv_std, T slope, T* dy, double* sum_g,
                              double* sum_gx) noexcept {
  for (std::size_t c = 0; c < channels; ++c) {
    sum_g[c] = 0;
    sum_gx[c] = 0;
    for (std::size_t p = c * plane; p < (c + 1) * plane; ++p) {
      for (std::size_t l = 0; l < kLanes; ++l) {
        T& g = dy[p * kLanes + l];
        if (l >= n_valid) {
          g = 0;
          continue;
        }
        const T xhat = (x[p * kLanes + l] - mean[c]) * inv_std[c];
        g *= xhat > 0 ? T{1} : slope;
        sum_g[c] += static_cast<double>(g);
        sum_gx[c] += static_cast<double>(g) * static_cast<double>(xhat);
      }
    }
  }
}

/// One point of the second half of the backward pass.
template <class T>
T batch_norm_gradient(T x, T g, T mean, T inv_std, T mean_g, T mean_gx) noexcept {
  const T xhat = (x - mean) * inv_std;
  return inv_std * (g - mean_g - xhat * mean_gx);
}

template <class T>
void batch_norm_backward(std::size_t channels, std::size_t plane, std::size_t n_valid, const T* x, const T* g,
                         const T* mean, const T* inv_std, const T* mean_g, const T* mean_gx, T* dx) noexcept {
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t p = c * plane; p < (c + 1) * plane; ++p) {
      for (std::size_t l = 0; l < kLanes; ++l) {
        const std::size_t i = p * kLanes + l;
        dx[i] =
            l < n_valid ? batch_norm_gradient(x[i], g[i], mean[c], inv_std[c], mean_g[c], mean_gx[c]) : T{0};
      }
    }
  }
}

template <class T>
void batch_norm_backward_fixed(std::size_t channels, std::size_t plane, const T* x, const T* dy,
                               const T* mean, const T* inv_std, T slope, T* dx) noexcept {
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = c * plane * kLanes; i < (c + 1) * plane * kLanes; ++i) {
      dx[i] = inv_std[c] * dy[i] * (x[i] > mean[c] ? T{1} : slope);
    }
  }
}

template <class T>
void batch_norm_backward_unpool(std::size_t channels, std::size_t height, std::size_t width,
                                std::size_t n_valid, const T* x, const T* g, const std::uint8_t* winner,
                                const T* mean, const T* inv_std, const T* mean_g, const T* mean_gx,
                                T* dx) noexcept {
  const std::size_t pooled_height = height / 2, pooled_width = width / 2;
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < height; ++i) {
      for (std::size_t j = 0; j < width; ++j) {
        const bool pooled =
            i / 2 < pooled_height && j / 2 < pooled_width;  // not in a dropped last row or column
        for (std::size_t l = 0; l < kLanes; ++l) {
          const std::size_t from = ((c * pooled_height + i / 2) * pooled_width + j / 2) * kLanes + l;
          const std::size_t to = ((c * height + i) * width + j) * kLanes + l;
          const bool won = pooled && winner[from] == 2 * (i % 2) + j % 2;
          dx[to] = l < n_valid ? batch_norm_gradient(x[to], won ? g[from] : T{0}, mean[c], inv_std[c],
                                                     mean_g[c], mean_gx[c])
                               : T{0};
        }
      }
    }
  }
}

}  // namespace deepsad::kernels::reference
