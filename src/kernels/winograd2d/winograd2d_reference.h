// The convolutions of winograd2d.h as plain sums over taps. Scalar set of the float kernels, only set of
// double.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/conv2d/conv2d_reference.h"
#include "kernels/winograd2d/winograd2d.h"

namespace deepsad::kernels::reference {

/// Calls f(o, c, a, b, each) for every weight of the convolution; each(g) calls g(offset of the output point,
/// offset of the input point) for every product that it takes part in.
template <class F>
void winograd2d_for_each(const WinogradShape& shape, F f) {
  const ConvShape& s = shape.conv;
  const std::size_t shrink = shape.upsampled ? 2 : 1;
  const std::size_t x_height = s.height / shrink, x_width = s.width / shrink;
  for (std::size_t o = 0; o < s.out_channels; ++o) {
    for (std::size_t c = 0; c < s.in_channels; ++c) {
      for (std::size_t a = 0; a < s.kernel; ++a) {
        for (std::size_t b = 0; b < s.kernel; ++b) {
          f(o, c, a, b, [&](auto g) {
            for_each_valid(s.height, s.out_height, s, a, [&](std::size_t iy, std::size_t i) {
              for_each_valid(s.width, s.out_width, s, b, [&](std::size_t ix, std::size_t j) {
                g(((o * s.out_height + i) * s.out_width + j) * kLanes,
                  ((c * x_height + iy / shrink) * x_width + ix / shrink) * kLanes);
              });
            });
          });
        }
      }
    }
  }
}

/// Index of the weight (o, c, a, b) in w.
inline std::size_t winograd2d_weight_index(const ConvShape& s, ConvWeights form, std::size_t o, std::size_t c,
                                           std::size_t a, std::size_t b) {
  const std::size_t k = s.kernel;
  return form == ConvWeights::as_is ? ((o * s.in_channels + c) * k + a) * k + b
                                    : ((c * s.out_channels + o) * k + (k - 1 - a)) * k + (k - 1 - b);
}

/// Packed form of the reference, for both directions: [out_channels][in_channels][kernel][kernel].
template <class T>
void winograd2d_pack_forward(const WinogradShape& shape, ConvWeights form, const T* w, T* packed) noexcept {
  reference::conv2d_pack(shape.conv, form, w, packed);
}
template <class T>
void winograd2d_pack_backward(const WinogradShape& shape, ConvWeights form, const T* w, T* packed) noexcept {
  reference::conv2d_pack(shape.conv, form, w, packed);
}

template <class T>
void winograd2d_forward(const WinogradShape& shape, const T* x, const T* packed, T* y,
                        T* /*scratch*/) noexcept {
  const ConvShape& s = shape.conv;
  std::fill_n(y, s.out_channels * s.out_height * s.out_width * kLanes, T{0});
  winograd2d_for_each(shape, [&](std::size_t o, std::size_t c, std::size_t a, std::size_t b, auto each) {
    const T weight = packed[winograd2d_weight_index(s, ConvWeights::as_is, o, c, a, b)];
    each([&](std::size_t out, std::size_t in) {
      for (std::size_t l = 0; l < kLanes; ++l) y[out + l] += weight * x[in + l];
    });
  });
}

template <class T>
void winograd2d_data_gradient(const WinogradShape& shape, const T* dy, const T* packed, T* dx,
                              T* /*scratch*/) noexcept {
  const ConvShape& s = shape.conv;
  const std::size_t points = shape.upsampled ? s.height / 2 * (s.width / 2) : s.height * s.width;
  std::fill_n(dx, s.in_channels * points * kLanes, T{0});
  winograd2d_for_each(shape, [&](std::size_t o, std::size_t c, std::size_t a, std::size_t b, auto each) {
    const T weight = packed[winograd2d_weight_index(s, ConvWeights::as_is, o, c, a, b)];
    each([&](std::size_t out, std::size_t in) {
      for (std::size_t l = 0; l < kLanes; ++l) dx[in + l] += weight * dy[out + l];
    });
  });
}

/// Partial gradients of the reference: [out_channels][in_channels][kernel][kernel].
template <class T>
void winograd2d_weight_gradient(const WinogradShape& shape, const T* x, const T* dy, T* partial, bool add,
                                T* /*scratch*/) noexcept {
  const ConvShape& s = shape.conv;
  winograd2d_for_each(shape, [&](std::size_t o, std::size_t c, std::size_t a, std::size_t b, auto each) {
    T sum[kLanes] = {};
    each([&](std::size_t out, std::size_t in) {
      for (std::size_t l = 0; l < kLanes; ++l) sum[l] += dy[out + l] * x[in + l];
    });
    T total{0};
    for (std::size_t l = 0; l < kLanes; ++l) total += sum[l];
    T& to = partial[winograd2d_weight_index(s, ConvWeights::as_is, o, c, a, b)];
    to = add ? to + total : total;
  });
}

template <class T>
void winograd2d_sum_gradients(const WinogradShape& shape, ConvWeights form,
                              const WinogradPartials<T>& partials, std::size_t first, std::size_t last,
                              T* dw) noexcept {
  const ConvShape& s = shape.conv;
  for (std::size_t o = 0; o < s.out_channels; ++o) {
    for (std::size_t c = first; c < last; ++c) {
      for (std::size_t a = 0; a < s.kernel; ++a) {
        for (std::size_t b = 0; b < s.kernel; ++b) {
          const T* partial = partials.values + winograd2d_weight_index(s, ConvWeights::as_is, o, c, a, b);
          T sum{0};
          for (std::size_t i = 0; i < partials.n; ++i) sum += partial[i * partials.step];
          dw[winograd2d_weight_index(s, form, o, c, a, b)] = sum;
        }
      }
    }
  }
}

}  // namespace deepsad::kernels::reference
