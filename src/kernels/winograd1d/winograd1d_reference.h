// The scalar set of winograd1d.h: the convolution itself. Only the vector sets gain from the algorithm. Names
// are qualified: float's overloads in the namespace around would choose the active set again.
#pragma once

#include <cstddef>

#include "kernels/batch_norm/batch_norm_reference.h"
#include "kernels/conv2d/conv2d_reference.h"
#include "kernels/pooling/pooling_reference.h"
#include "kernels/winograd1d/winograd1d.h"

namespace deepsad::kernels::reference {

template <class T>
void winograd1d_pack(const ConvShape& s, ConvWeights form, const T* w, T* packed) noexcept {
  reference::conv2d_pack<T>(s, form, w, packed);
}
template <class T>
void winograd1d_forward(const ConvShape& s, const T* x, const T* packed, T* y, T* /*scratch*/) noexcept {
  reference::conv2d_forward<T>(s, x, packed, y);
}
template <class T>
void winograd1d_forward_pool(const ConvShape& s, const T* x, const T* packed, const PooledOutput& output,
                             T* scratch) noexcept {
  T* y = output.y == nullptr ? scratch : output.y;
  reference::conv2d_forward<T>(s, x, packed, y);
  reference::max_pool_forward<T>(s.out_channels, s.out_height, s.out_width, y, output.pooled, output.winner);
  if (output.mean == nullptr) return;
  reference::channel_moments<T>(s.out_channels, s.out_height * s.out_width, output.n_valid, y, output.mean,
                                output.m2);
}
template <class T>
void winograd1d_weight_gradient(const ConvShape& s, const T* x, const T* dy, T* dw, T* /*scratch*/) noexcept {
  reference::conv2d_weight_gradient<T>(s, x, dy, dw);
}

template <class T>
void winograd1d_weight_gradient_unpool(const ConvShape& s, const T* x, const PooledGradient& dy, T* dw,
                                       T* scratch) noexcept {
  // Without the output: as if it were the mean everywhere.
  const std::size_t n = s.out_channels * s.out_height * s.out_width * kLanes;
  for (std::size_t i = 0; dy.x == nullptr && i < n; ++i) scratch[i] = dy.mean[i / (n / s.out_channels)];
  reference::batch_norm_backward_unpool<T>(s.out_channels, s.out_height, s.out_width, dy.n_valid,
                                           dy.x == nullptr ? scratch : dy.x, dy.g, dy.winner, dy.mean,
                                           dy.inv_std, dy.mean_g, dy.mean_gx, scratch);
  reference::conv2d_weight_gradient<T>(s, x, scratch, dw);
}

}  // namespace deepsad::kernels::reference
