// The functions of radial.h as they are written there: the scalar set.
#pragma once

#include <cmath>
#include <cstddef>

namespace deepsad::kernels::reference {

template <class T>
void exp_of_distances(std::size_t n, const T* distances, T gamma, T* dst) noexcept {
  for (std::size_t i = 0; i < n; ++i) dst[i] = std::exp(-gamma * distances[i]);
}

template <class T>
double weighted_exp_sum(std::size_t n, const T* distances, const T* weights, T gamma) noexcept {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i)
    sum += static_cast<double>(weights[i]) * static_cast<double>(std::exp(-gamma * distances[i]));
  return sum;
}

template <class T>
double exp_sum(std::size_t n, const T* distances, T gamma, T offset) noexcept {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(std::exp(offset - gamma * distances[i]));
  return sum;
}

template <class T>
double weighted_sum(std::size_t n, const T* values, const T* weights) noexcept {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(weights[i]);
  return sum;
}

}  // namespace deepsad::kernels::reference
