// The passes as they are written in dual_step.h: the scalar set.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "kernels/dual_step/dual_step.h"

namespace deepsad::kernels::reference {

template <class T>
Extremes update_and_find(std::size_t n, double* f, const T* k0, double w0, const T* k1, double w1,
                         const double* alpha, const double* upper, double s) noexcept {
  Extremes found{.low = std::numeric_limits<double>::infinity(),
                 .high = -std::numeric_limits<double>::infinity(),
                 .low_index = n,
                 .high_index = n};
  for (std::size_t i = 0; i < n; ++i) {
    f[i] += w0 * static_cast<double>(k0[i]) + w1 * static_cast<double>(k1[i]);
    const double value = s * f[i];
    if (alpha[i] < upper[i] && value < found.low) {
      found.low = value;
      found.low_index = i;
    }
    if (alpha[i] > 0 && value > found.high) {
      found.high = value;
      found.high_index = i;
    }
  }
  return found;
}

template <class T>
std::size_t best_partner(std::size_t n, const PartnerSearch& search, const double* f, const T* k,
                         const double* alpha, const double* upper, const T* diagonal) noexcept {
  std::size_t best = n;
  T best_gain = 0;
  for (std::size_t j = 0; j < n; ++j) {
    const auto descent = static_cast<T>(search.slope + search.factor * f[j]);
    const bool movable = search.grows ? alpha[j] < upper[j] : alpha[j] > 0;
    if (!movable || !(descent > 0)) continue;
    const T curvature =
        std::max(static_cast<T>(search.diagonal_i) + diagonal[j] + static_cast<T>(search.cross) * k[j],
                 static_cast<T>(search.floor));
    const T gain = descent * descent / curvature;
    if (gain > best_gain) {
      best_gain = gain;
      best = j;
    }
  }
  return best;
}

}  // namespace deepsad::kernels::reference
