// The Gaussian kernels as they are written in gaussian.h. Scalar set of the float kernels, only set of
// double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

#include "kernels/gaussian/gaussian.h"

namespace deepsad::kernels {

// Constants of Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, table
// 2).
inline constexpr std::uint32_t kPhiloxMultiplier0 = 0xD2511F53U;
inline constexpr std::uint32_t kPhiloxMultiplier1 = 0xCD9E8D57U;
inline constexpr std::uint32_t kPhiloxWeyl0 = 0x9E3779B9U;
inline constexpr std::uint32_t kPhiloxWeyl1 = 0xBB67AE85U;
inline constexpr int kPhiloxRounds = 10;
/// Values that one Philox block gives.
inline constexpr std::size_t kBlockValues = 4;

namespace reference {

inline void philox(std::uint64_t key, std::uint32_t (&counter)[4]) noexcept {
  auto key0 = static_cast<std::uint32_t>(key);
  auto key1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const std::uint64_t product0 = std::uint64_t{kPhiloxMultiplier0} * counter[0];
    const std::uint64_t product1 = std::uint64_t{kPhiloxMultiplier1} * counter[2];
    const std::uint32_t next0 = static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key0;
    const std::uint32_t next2 = static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key1;
    counter[0] = next0;
    counter[1] = static_cast<std::uint32_t>(product1);
    counter[2] = next2;
    counter[3] = static_cast<std::uint32_t>(product0);
    key0 += kPhiloxWeyl0;
    key1 += kPhiloxWeyl1;
  }
}

template <class T>
void gaussian_noise(std::uint64_t key, std::uint32_t group, std::size_t n, T* dst) noexcept {
  constexpr T kUnit = static_cast<T>(0x1.0p-24);
  constexpr T kTwoPi = static_cast<T>(2 * std::numbers::pi);
  for (std::size_t j = 0; j < n; j += kBlockValues) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      std::uint32_t words[4] = {static_cast<std::uint32_t>(j / kBlockValues * kLanes + l), group, 0, 0};
      philox(key, words);
      for (std::size_t pair = 0; pair < 2; ++pair) {
        // (0, 1], so that the logarithm is finite, and [0, 2 pi).
        const T u = static_cast<T>((words[2 * pair] >> 8) + 1) * kUnit;
        const T angle = static_cast<T>(words[2 * pair + 1] >> 8) * kUnit * kTwoPi;
        const T radius = std::sqrt(T{-2} * std::log(u));
        const std::size_t row = j + 2 * pair;
        if (row < n) dst[row * kLanes + l] = radius * std::cos(angle);
        if (row + 1 < n) dst[(row + 1) * kLanes + l] = radius * std::sin(angle);
      }
    }
  }
}

/// v(s) and dv/ds.
template <class T>
T log_variance(LogVariance form, T s) noexcept {
  constexpr T kBound = static_cast<T>(kLogVarianceBound);
  if (form == LogVariance::bounded) return kBound * std::tanh(s / kBound);
  return std::max(s, T{0}) + std::log1p(std::exp(-std::abs(s)));
}
template <class T>
T log_variance_slope(LogVariance form, T s, T v) noexcept {
  constexpr T kBound = static_cast<T>(kLogVarianceBound);
  if (form == LogVariance::bounded) return T{1} - v / kBound * (v / kBound);
  const T e = std::exp(-std::abs(s));
  return (s < 0 ? e : T{1}) / (T{1} + e);
}

template <class T>
void gaussian_sample(std::size_t n, std::size_t n_valid, GaussianForm form, const T* heads, const T* noise,
                     T* z, double* kl) noexcept {
  for (std::size_t l = 0; l < kLanes; ++l) {
    kl[l] = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const std::size_t at = j * kLanes + l;
      if (l >= n_valid) {
        z[at] = 0;
        continue;
      }
      const T mu = heads[at];
      const T v = log_variance(form.log_variance, heads[n * kLanes + at]);
      const T deviation = std::exp(v / 2);
      z[at] = mu + deviation * noise[at];
      const T term = form.kl == KlEstimate::closed_form ? deviation * deviation + mu * mu - T{1} - v
                                                        : z[at] * z[at] - noise[at] * noise[at] - v;
      kl[l] += 0.5 * static_cast<double>(term);
    }
  }
}

template <class T>
void gaussian_sample_backward(std::size_t n, GaussianForm form, const T* heads, const T* noise, const T* dz,
                              const T* weight, T* d_heads) noexcept {
  constexpr T kHalf = T(0.5);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const std::size_t at = j * kLanes + l;
      const T mu = heads[at];
      const T s = heads[n * kLanes + at];
      const T v = log_variance(form.log_variance, s);
      const T deviation = std::exp(v / 2);
      T d_sample = dz[at];  // with respect to z, then mu
      T d_v = 0;
      if (form.kl == KlEstimate::closed_form) {
        d_v = d_sample * noise[at] * deviation * kHalf + weight[l] * (deviation * deviation - T{1}) * kHalf;
        d_sample += weight[l] * mu;
      } else {
        d_sample += weight[l] * (mu + deviation * noise[at]);
        d_v = d_sample * noise[at] * deviation * kHalf - weight[l] * kHalf;
      }
      d_heads[at] = d_sample;
      d_heads[n * kLanes + at] = d_v * log_variance_slope(form.log_variance, s, v);
    }
  }
}

}  // namespace reference
}  // namespace deepsad::kernels
