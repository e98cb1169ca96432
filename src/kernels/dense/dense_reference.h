// The fully connected layer as it is written in dense.h. Scalar set of the float kernels, only set of double.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/dense/dense.h"

namespace deepsad::kernels::reference {

template <class T>
void dense_forward(const DensePart& part, const T* x, const T* w, const T* bias, T slope, T* y) noexcept {
  for (std::size_t o = part.first_out; o < part.last_out; ++o) {
    T sum[kLanes] = {};
    for (std::size_t i = 0; i < part.n_in; ++i) {
      const T weight = w[dense_packed_index(part.n_in, i, o)];
      for (std::size_t l = 0; l < kLanes; ++l) sum[l] += weight * x[i * kLanes + l];
    }
    for (std::size_t l = 0; l < kLanes; ++l) {
      const T z = sum[l] + (bias == nullptr ? T{0} : bias[o]);
      y[o * kLanes + l] = z > 0 ? z : slope * z;
    }
  }
}

template <class T>
void dense_data_gradient(const DensePart& part, const T* dy, const T* w, const T* x, T slope,
                         T* dx) noexcept {
  for (std::size_t i = part.first_in; i < part.last_in; ++i) {
    T sum[kLanes] = {};
    for (std::size_t o = 0; o < part.n_out; ++o) {
      const T weight = w[dense_packed_index(part.n_in, i, o)];
      for (std::size_t l = 0; l < kLanes; ++l) sum[l] += weight * dy[o * kLanes + l];
    }
    for (std::size_t l = 0; l < kLanes; ++l) {
      const std::size_t at = i * kLanes + l;
      dx[at] = x == nullptr || x[at] > 0 ? sum[l] : slope * sum[l];
    }
  }
}

template <class T>
void dense_weight_gradient_across(const DensePart& part, const DenseBatch<T>& batch, T* dw,
                                  T* dbias) noexcept {
  for (std::size_t o = part.first_out; o < part.last_out; ++o) {
    for (std::size_t i = part.first_in; i < part.last_in; ++i) {
      T lanes[kLanes] = {};
      for (std::size_t g = 0; g < batch.n_groups; ++g) {
        const T* dy = batch.dy + g * batch.dy_step + o * kLanes;
        const T* x = batch.x + g * batch.x_step + i * kLanes;
        for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += dy[l] * x[l];
      }
      T sum{0};
      for (const T lane : lanes) sum += lane;
      dw[dense_packed_index(part.n_in, i, o)] = sum;
    }
    if (dbias == nullptr) continue;
    T sum{0};
    for (std::size_t g = 0; g < batch.n_groups; ++g) {
      for (std::size_t l = 0; l < kLanes; ++l) sum += batch.dy[g * batch.dy_step + o * kLanes + l];
    }
    dbias[o] = sum;
  }
}

template <class T>
void dense_weight_gradient(const DensePart& part, const DenseBatch<T>& batch, T* dw, T* dbias) noexcept {
  dense_weight_gradient_across(part, batch, dw, dbias);
}

}  // namespace deepsad::kernels::reference
