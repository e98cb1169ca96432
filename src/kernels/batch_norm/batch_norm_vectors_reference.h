// Batch normalisation of vectors as it is written in batch_norm_vectors.h. Scalar set of the float kernels,
// only set of double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "kernels/batch_norm/batch_norm_vectors.h"

namespace deepsad::kernels::reference {

/// The values of channel c: f(group, position in it) for every sample.
template <class F>
void for_each_sample(const VectorNorm& part, std::size_t c, F f) {
  for (std::size_t i = 0; i < part.n_samples; ++i) f(i / kLanes, c * kLanes + i % kLanes);
}

/// What lies in the unused lanes of channel c.
template <class T>
void clear_unused(const VectorNorm& part, std::size_t c, const VectorGroups<T>& groups) {
  const std::size_t used = (part.n_samples - 1) % kLanes + 1;
  T* last = groups.values + (part.n_samples - 1) / kLanes * groups.step + c * kLanes;
  std::fill(last + used, last + kLanes, T{0});
}

template <class T>
void batch_norm_vectors_forward(const VectorNorm& part, const VectorGroups<const T>& x, double epsilon,
                                T slope, const VectorMoments<T>& moments, const VectorGroups<T>& y) noexcept {
  const double n = static_cast<double>(part.n_samples);
  for (std::size_t c = part.first; c < part.last; ++c) {
    double sum = 0, squares = 0;
    for_each_sample(part, c, [&](std::size_t g, std::size_t at) {
      sum += static_cast<double>(x.values[g * x.step + at]);
    });
    const double mean = sum / n;
    for_each_sample(part, c, [&](std::size_t g, std::size_t at) {
      const double difference = static_cast<double>(x.values[g * x.step + at]) - mean;
      squares += difference * difference;
    });
    moments.mean[c] = mean;
    moments.m2[c] = squares;
    const T center = moments.center[c] = static_cast<T>(mean);
    const T inv_std = moments.inv_std[c] = static_cast<T>(1.0 / std::sqrt(squares / n + epsilon));
    for_each_sample(part, c, [&](std::size_t g, std::size_t at) {
      const T xhat = (x.values[g * x.step + at] - center) * inv_std;
      y.values[g * y.step + at] = xhat > 0 ? xhat : slope * xhat;
    });
    clear_unused(part, c, y);
  }
}

template <class T>
void batch_norm_vectors_backward(const VectorNorm& part, const VectorGroups<const T>& x,
                                 const VectorMoments<T>& moments, T slope, const VectorGroups<T>& dy,
                                 const VectorGradients<T>& means, const VectorGroups<T>& dx) noexcept {
  const double n = static_cast<double>(part.n_samples);
  for (std::size_t c = part.first; c < part.last; ++c) {
    const auto xhat = [&](std::size_t g, std::size_t at) {
      return (x.values[g * x.step + at] - moments.center[c]) * moments.inv_std[c];
    };
    double sum_g = 0, sum_gx = 0;
    for_each_sample(part, c, [&](std::size_t g, std::size_t at) {
      T& gradient = dy.values[g * dy.step + at];
      gradient *= xhat(g, at) > 0 ? T{1} : slope;
      sum_g += static_cast<double>(gradient);
      sum_gx += static_cast<double>(gradient) * static_cast<double>(xhat(g, at));
    });
    clear_unused(part, c, dy);
    const T mean_g = means.mean_g[c] = static_cast<T>(sum_g / n);
    const T mean_gx = means.mean_gx[c] = static_cast<T>(sum_gx / n);
    for_each_sample(part, c, [&](std::size_t g, std::size_t at) {
      dx.values[g * dx.step + at] =
          moments.inv_std[c] * (dy.values[g * dy.step + at] - mean_g - xhat(g, at) * mean_gx);
    });
    clear_unused(part, c, dx);
  }
}

}  // namespace deepsad::kernels::reference
