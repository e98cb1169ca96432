// The fully connected layer as it is written in dense.h. Scalar set of the float kernels, only set of double.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/dense/dense.h"

namespace deepsad::kernels::reference {

/// The reference reads the weights as they are.
template <class T>
void dense_pack(std::size_t n_in, std::size_t n_out, const T* w, T* packed) noexcept {
  std::copy_n(w, n_in * n_out, packed);
}

template <class T>
void dense_forward(std::size_t n_in, std::size_t n_out, const T* x, const T* w, const T* bias,
                   T* y) noexcept {
  for (std::size_t o = 0; o < n_out; ++o) {
    T sum[kLanes] = {};
    for (std::size_t i = 0; i < n_in; ++i) {
      for (std::size_t l = 0; l < kLanes; ++l) sum[l] += w[o * n_in + i] * x[i * kLanes + l];
    }
    for (std::size_t l = 0; l < kLanes; ++l) y[o * kLanes + l] = sum[l] + (bias == nullptr ? T{0} : bias[o]);
  }
}

template <class T>
void dense_data_gradient(std::size_t n_in, std::size_t n_out, const T* dy, const T* w, T* dx) noexcept {
  for (std::size_t i = 0; i < n_in; ++i) {
    T sum[kLanes] = {};
    for (std::size_t o = 0; o < n_out; ++o) {
      for (std::size_t l = 0; l < kLanes; ++l) sum[l] += w[o * n_in + i] * dy[o * kLanes + l];
    }
    for (std::size_t l = 0; l < kLanes; ++l) dx[i * kLanes + l] = sum[l];
  }
}

template <class T>
void dense_transpose(std::size_t n_in, const T* x, T* rows) noexcept {
  for (std::size_t i = 0; i < n_in; ++i) {
    for (std::size_t l = 0; l < kLanes; ++l) rows[l * dense_row_step(n_in) + i] = x[i * kLanes + l];
  }
}

template <class T>
void dense_bias_gradient(std::size_t first, std::size_t last, const DenseBatch<T>& batch, T* dbias) noexcept {
  if (dbias == nullptr) return;
  for (std::size_t o = first; o < last; ++o) {
    T sum{0};
    for (std::size_t g = 0; g < batch.n_groups; ++g) {
      for (std::size_t l = 0; l < kLanes; ++l) sum += batch.dy[g * batch.dy_step + o * kLanes + l];
    }
    dbias[o] = sum;
  }
}

template <class T>
void dense_weight_gradient(std::size_t n_in, std::size_t first, std::size_t last, const DenseBatch<T>& batch,
                           T* dw, T* dbias) noexcept {
  for (std::size_t o = first; o < last; ++o) {
    std::fill_n(dw + o * n_in, n_in, T{0});
    for (std::size_t g = 0; g < batch.n_groups; ++g) {
      for (std::size_t l = 0; l < kLanes; ++l) {
        const T dy = batch.dy[g * batch.dy_step + o * kLanes + l];
        const T* x = batch.x + g * batch.x_step + l * dense_row_step(n_in);
        for (std::size_t i = 0; i < n_in; ++i) dw[o * n_in + i] += dy * x[i];
      }
    }
  }
  dense_bias_gradient(first, last, batch, dbias);
}

template <class T>
void dense_weight_gradient_across(std::size_t n_in, std::size_t first, std::size_t last,
                                  const DenseBatch<T>& batch, T* dw, T* dbias) noexcept {
  for (std::size_t o = first; o < last; ++o) {
    for (std::size_t i = 0; i < n_in; ++i) {
      T lanes[kLanes] = {};
      for (std::size_t g = 0; g < batch.n_groups; ++g) {
        const T* dy = batch.dy + g * batch.dy_step + o * kLanes;
        const T* x = batch.x + g * batch.x_step + i * kLanes;
        for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += dy[l] * x[l];
      }
      T sum{0};
      for (const T lane : lanes) sum += lane;
      dw[o * n_in + i] = sum;
    }
  }
  dense_bias_gradient(first, last, batch, dbias);
}

}  // namespace deepsad::kernels::reference
