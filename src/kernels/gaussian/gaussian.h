// The reparametrised sample of a Gaussian posterior, its KL divergence from the standard normal, and the
// noise. Formulas: docs/methods/deep-generative.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/layout.h"

namespace deepsad::kernels {

/// Standard normal numbers, dst [n][16]: value j of lane l depends on key, group, j and l alone.
/// Philox4x32-10 with the counter (16 (j / 4) + l, group, 0, 0), then Box-Muller on its four words, whose
/// upper 24 bits are used, so that no value is beyond +-5.8.
void gaussian_noise(std::uint64_t key, std::uint32_t group, std::size_t n, float* dst) noexcept;
void gaussian_noise(std::uint64_t key, std::uint32_t group, std::size_t n, double* dst) noexcept;

/// How a head's raw value s becomes a log-variance v.
enum class LogVariance {
  bounded,   ///< v = B tanh(s / B), B = kLogVarianceBound: nearly s around 0, never beyond +-B
  softplus,  ///< v = log(1 + e^s) > 0, as the reference: the posterior is never narrower than the prior
};
inline constexpr double kLogVarianceBound = 8;

/// How KL(q || N(0, I)) is computed.
enum class KlEstimate {
  closed_form,    ///< 1/2 sum (e^v + mu^2 - 1 - v)
  single_sample,  ///< log q(z) - log p(z) at the sample: 1/2 sum (z^2 - noise^2 - v), unbiased but noisy
};

struct GaussianForm {
  LogVariance log_variance = LogVariance::bounded;
  KlEstimate kl = KlEstimate::closed_form;
};

/// heads [2n][16]: n means mu, then n raw values s. z = mu + e^(v/2) noise, 0 in lanes n_valid and beyond;
/// kl[l] the divergence of lane l (0 beyond).
void gaussian_sample(std::size_t n, std::size_t n_valid, GaussianForm form, const float* heads,
                     const float* noise, float* z, double* kl) noexcept;
void gaussian_sample(std::size_t n, std::size_t n_valid, GaussianForm form, const double* heads,
                     const double* noise, double* z, double* kl) noexcept;

/// d_heads of (dz . z) + weight[l] kl[l]. Lanes whose dz and weight are 0 get 0.
void gaussian_sample_backward(std::size_t n, GaussianForm form, const float* heads, const float* noise,
                              const float* dz, const float* weight, float* d_heads) noexcept;
void gaussian_sample_backward(std::size_t n, GaussianForm form, const double* heads, const double* noise,
                              const double* dz, const double* weight, double* d_heads) noexcept;

}  // namespace deepsad::kernels
