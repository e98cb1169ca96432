// The convolution as it is written in conv2d.h, one loop per index. Scalar set of the float kernels, only set
// of double.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/conv2d/conv2d.h"

namespace deepsad::kernels::reference {

/// Packed form of the reference: [out_channels][in_channels][kernel][kernel], as conv2d_forward below reads
/// it.
template <class T>
void conv2d_pack(const ConvShape& s, ConvWeights form, const T* w, T* packed) noexcept {
  const std::size_t k = s.kernel;
  for (std::size_t o = 0; o < s.out_channels; ++o) {
    for (std::size_t c = 0; c < s.in_channels; ++c) {
      for (std::size_t a = 0; a < k; ++a) {
        for (std::size_t b = 0; b < k; ++b) {
          const std::size_t source = form == ConvWeights::as_is
                                         ? ((o * s.in_channels + c) * k + a) * k + b
                                         : ((c * s.out_channels + o) * k + (k - 1 - a)) * k + (k - 1 - b);
          packed[((o * s.in_channels + c) * k + a) * k + b] = w[source];
        }
      }
    }
  }
}

/// Calls f(input index, output index) for every pair of an output row (or column) and the input row (or
/// column) that tap `tap` reads for it; outputs whose tap falls into the padding are left out.
template <class F>
void for_each_valid(std::size_t n_in, std::size_t n_out, const ConvShape& s, std::size_t tap, F f) {
  for (std::size_t i = 0; i < n_out; ++i) {
    const std::size_t position = i * s.stride + tap;  // in the padded input
    if (position >= s.padding && position - s.padding < n_in) f(position - s.padding, i);
  }
}

template <class T>
void conv2d_forward(const ConvShape& s, const T* x, const T* packed, T* y) noexcept {
  std::fill_n(y, s.out_channels * s.out_height * s.out_width * kLanes, T{0});
  for (std::size_t o = 0; o < s.out_channels; ++o) {
    for (std::size_t c = 0; c < s.in_channels; ++c) {
      for (std::size_t a = 0; a < s.kernel; ++a) {
        for (std::size_t b = 0; b < s.kernel; ++b) {
          const T weight = packed[((o * s.in_channels + c) * s.kernel + a) * s.kernel + b];
          for_each_valid(s.height, s.out_height, s, a, [&](std::size_t iy, std::size_t i) {
            for_each_valid(s.width, s.out_width, s, b, [&](std::size_t ix, std::size_t j) {
              const T* in = x + ((c * s.height + iy) * s.width + ix) * kLanes;
              T* out = y + ((o * s.out_height + i) * s.out_width + j) * kLanes;
              for (std::size_t l = 0; l < kLanes; ++l) out[l] += weight * in[l];
            });
          });
        }
      }
    }
  }
}

template <class T>
void conv2d_weight_gradient(const ConvShape& s, const T* x, const T* dy, T* dw) noexcept {
  for (std::size_t o = 0; o < s.out_channels; ++o) {
    for (std::size_t c = 0; c < s.in_channels; ++c) {
      for (std::size_t a = 0; a < s.kernel; ++a) {
        for (std::size_t b = 0; b < s.kernel; ++b) {
          T sum[kLanes] = {};
          for_each_valid(s.height, s.out_height, s, a, [&](std::size_t iy, std::size_t i) {
            for_each_valid(s.width, s.out_width, s, b, [&](std::size_t ix, std::size_t j) {
              const T* in = x + ((c * s.height + iy) * s.width + ix) * kLanes;
              const T* g = dy + ((o * s.out_height + i) * s.out_width + j) * kLanes;
              for (std::size_t l = 0; l < kLanes; ++l) sum[l] += g[l] * in[l];
            });
          });
          T total{0};
          for (std::size_t l = 0; l < kLanes; ++l) total += sum[l];
          dw[((o * s.in_channels + c) * s.kernel + a) * s.kernel + b] += total;
        }
      }
    }
  }
}

template <class T>
void conv2d_data_gradient(const ConvShape& s, const T* dy, const T* w, T* dx) noexcept {
  std::fill_n(dx, s.in_channels * s.height * s.width * kLanes, T{0});
  for (std::size_t o = 0; o < s.out_channels; ++o) {
    for (std::size_t c = 0; c < s.in_channels; ++c) {
      for (std::size_t a = 0; a < s.kernel; ++a) {
        for (std::size_t b = 0; b < s.kernel; ++b) {
          const T weight = w[((o * s.in_channels + c) * s.kernel + a) * s.kernel + b];
          for_each_valid(s.height, s.out_height, s, a, [&](std::size_t iy, std::size_t i) {
            for_each_valid(s.width, s.out_width, s, b, [&](std::size_t ix, std::size_t j) {
              const T* g = dy + ((o * s.out_height + i) * s.out_width + j) * kLanes;
              T* out = dx + ((c * s.height + iy) * s.width + ix) * kLanes;
              for (std::size_t l = 0; l < kLanes; ++l) out[l] += weight * g[l];
            });
          });
        }
      }
    }
  }
}

}  // namespace deepsad::kernels::reference
