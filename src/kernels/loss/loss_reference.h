// The losses as they are written in loss.h. Scalar set of the float kernels, only set of double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "kernels/activation/activation_reference.h"
#include "kernels/loss/loss.h"

namespace deepsad::kernels::reference {

// y = output(z), dz = gradient(dy, y).
template <class T, class Output, class Gradient>
void squared_error_of(std::size_t n, std::size_t n_valid, const T* z, const T* t, T scale, T* dz,
                      double* loss, Output output, Gradient gradient) noexcept {
  const T factor = scale * (T{2} / static_cast<T>(n));
  for (std::size_t l = 0; l < kLanes; ++l) {
    double sum = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const std::size_t at = j * kLanes + l;
      const T y = l < n_valid ? output(z[at]) : T{0};
      const T difference = l < n_valid ? y - t[at] : T{0};
      sum += static_cast<double>(difference) * static_cast<double>(difference);
      if (dz != nullptr) dz[at] = gradient(factor * difference, y);
    }
    loss[l] = sum / static_cast<double>(n);
  }
}

template <class T>
void squared_error(std::size_t n, std::size_t n_valid, const T* y, const T* t, T scale, T* dy,
                   double* loss) noexcept {
  squared_error_of(
      n, n_valid, y, t, scale, dy, loss, [](T z) { return z; }, [](T g, T) { return g; });
}

template <class T>
void sigmoid_squared_error(std::size_t n, std::size_t n_valid, const T* z, const T* t, T scale, T* dz,
                           double* loss) noexcept {
  const auto output = [](T x) {
    T y;
    sigmoid_forward(1, &x, &y);
    return y;
  };
  const auto gradient = [](T dy, T y) {
    T dx;
    sigmoid_backward(1, &y, &dy, &dx);
    return dx;
  };
  squared_error_of(n, n_valid, z, t, scale, dz, loss, output, gradient);
}

template <class T>
void squared_distance(std::size_t n, const T* z, const T* c, T* distance) noexcept {
  for (std::size_t l = 0; l < kLanes; ++l) {
    T sum{0};
    for (std::size_t j = 0; j < n; ++j) {
      const T difference = z[j * kLanes + l] - c[j];
      sum += difference * difference;
    }
    distance[l] = sum;
  }
}

template <class T>
void squared_distance_backward(std::size_t n, const T* z, const T* c, const T* factor, T* dz) noexcept {
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const T difference = z[j * kLanes + l] - c[j];
      dz[j * kLanes + l] = factor[l] == 0 ? T{0} : T{2} * difference * factor[l];
    }
  }
}

template <class T>
void deep_sad_loss(std::size_t n, std::size_t n_valid, const T* z, const DeepSadTerms<T>& terms, T scale,
                   T* dz, double* loss) noexcept {
  T distance[kLanes], factor[kLanes];  // factor: d loss / d distance
  squared_distance(n, z, terms.center, distance);
  for (std::size_t l = 0; l < kLanes; ++l) {
    loss[l] = 0;
    factor[l] = 0;
    if (l >= n_valid) continue;
    const T d = distance[l], margin = d + terms.epsilon, label = terms.label[l];
    loss[l] = static_cast<double>(label > 0 ? terms.eta * margin : label < 0 ? terms.eta / margin : d);
    factor[l] = scale * (label > 0 ? terms.eta : label < 0 ? -terms.eta / (margin * margin) : T{1});
  }
  squared_distance_backward(n, z, terms.center, factor, dz);
}

template <class T>
void bernoulli_loss(std::size_t n, std::size_t n_valid, const T* a, const T* x, const T* weight, T* da,
                    double* loss) noexcept {
  for (std::size_t l = 0; l < kLanes; ++l) {
    loss[l] = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const std::size_t at = j * kLanes + l;
      if (l >= n_valid) {
        if (da != nullptr) da[at] = 0;
        continue;
      }
      const T e = std::exp(-std::abs(a[at]));
      loss[l] += static_cast<double>(std::max(a[at], T{0}) + std::log1p(e) - x[at] * a[at]);
      if (da != nullptr) da[at] = weight[l] * ((a[at] < 0 ? e : T{1}) / (T{1} + e) - x[at]);
    }
  }
}

}  // namespace deepsad::kernels::reference
