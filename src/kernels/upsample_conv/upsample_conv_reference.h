// Upsampling and convolution as they are written in upsample_conv.h, one loop per index. Scalar set of the
// float kernels, only set of double.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/upsample_conv/upsample_conv.h"

namespace deepsad::kernels::reference {

/// Where weight (output channel, input channel, kernel row, kernel column) of the convolution lies in w.
inline std::size_t weight_index(const UpsampleConvShape& s, ConvWeights form, std::size_t o, std::size_t c,
                                std::size_t a, std::size_t b) {
  const std::size_t k = s.kernel;
  return form == ConvWeights::as_is ? ((o * s.in_channels + c) * k + a) * k + b
                                    : ((c * s.out_channels + o) * k + (k - 1 - a)) * k + (k - 1 - b);
}

/// f(weight of the packed form, offset of a point of x, offset of a point of y) for all products.
template <class F>
void for_each_product(const UpsampleConvShape& s, F f) {
  const std::size_t k = s.kernel;
  for (std::size_t o = 0; o < s.out_channels; ++o) {
    for (std::size_t c = 0; c < s.in_channels; ++c) {
      for (std::size_t a = 0; a < k; ++a) {
        for (std::size_t b = 0; b < k; ++b) {
          for (std::size_t i = 0; i < s.out_height; ++i) {
            if (i + a < s.padding || i + a - s.padding >= 2 * s.height) continue;
            for (std::size_t j = 0; j < s.out_width; ++j) {
              if (j + b < s.padding || j + b - s.padding >= 2 * s.width) continue;
              const std::size_t row = (i + a - s.padding) / 2, column = (j + b - s.padding) / 2;
              f(((o * s.in_channels + c) * k + a) * k + b, ((c * s.height + row) * s.width + column) * kLanes,
                ((o * s.out_height + i) * s.out_width + j) * kLanes);
            }
          }
        }
      }
    }
  }
}

/// Packed forms of the reference: [out_channels][in_channels][kernel][kernel], both the same.
template <class T>
void upsample_conv_pack(const UpsampleConvShape& s, ConvWeights form, const T* w, T* forward,
                        T* backward) noexcept {
  for (T* packed : {forward, backward}) {
    if (packed == nullptr) continue;
    for (std::size_t o = 0; o < s.out_channels; ++o) {
      for (std::size_t c = 0; c < s.in_channels; ++c) {
        for (std::size_t a = 0; a < s.kernel; ++a) {
          for (std::size_t b = 0; b < s.kernel; ++b) *packed++ = w[weight_index(s, form, o, c, a, b)];
        }
      }
    }
  }
}

template <class T>
void upsample_conv_forward(const UpsampleConvShape& s, const T* x, const T* packed, T* y) noexcept {
  std::fill_n(y, s.out_channels * s.out_height * s.out_width * kLanes, T{0});
  for_each_product(s, [=](std::size_t w, std::size_t in, std::size_t out) {
    for (std::size_t l = 0; l < kLanes; ++l) y[out + l] += packed[w] * x[in + l];
  });
}

template <class T>
void upsample_conv_data_gradient(const UpsampleConvShape& s, const T* dy, const T* packed, T* dx) noexcept {
  std::fill_n(dx, s.in_channels * s.height * s.width * kLanes, T{0});
  for_each_product(s, [=](std::size_t w, std::size_t in, std::size_t out) {
    for (std::size_t l = 0; l < kLanes; ++l) dx[in + l] += packed[w] * dy[out + l];
  });
}

template <class T>
void upsample_conv_weight_gradient(const UpsampleConvShape& s, ConvWeights form, const T* x, const T* dy,
                                   T* dw, T* scratch) noexcept {
  const std::size_t k = s.kernel;
  std::fill_n(scratch, s.out_channels * s.in_channels * k * k, T{0});
  for_each_product(s, [=](std::size_t w, std::size_t in, std::size_t out) {
    for (std::size_t l = 0; l < kLanes; ++l) scratch[w] += dy[out + l] * x[in + l];
  });
  for (std::size_t o = 0; o < s.out_channels; ++o) {
    for (std::size_t c = 0; c < s.in_channels; ++c) {
      for (std::size_t a = 0; a < k; ++a) {
        for (std::size_t b = 0; b < k; ++b) dw[weight_index(s, form, o, c, a, b)] += *scratch++;
      }
    }
  }
}

}  // namespace deepsad::kernels::reference
