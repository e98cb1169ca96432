#include "evaluation/distributions.h"

#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>

namespace deepsad {
namespace {

const double kSqrtHalf = std::sqrt(0.5);

double normal_density(double z) {
  constexpr double kFactor = 0.398942280401432677939946;  // 1 / sqrt(2 pi)
  return kFactor * std::exp(-0.5 * z * z);
}

// P(low <= Z <= high), each tail from its own side so that nothing cancels.
double normal_probability(double low, double high) {
  const auto upper = [](double z) { return 0.5 * std::erfc(z * kSqrtHalf); };
  return low > 0 ? upper(low) - upper(high) : upper(-high) - upper(-low);
}

}  // namespace

double two_sided_normal_p(double z) {
  return std::erfc(std::abs(z) * kSqrtHalf);
}

double chi_squared_tail(double x, std::size_t degrees_of_freedom) {
  return boost::math::gamma_q(0.5 * static_cast<double>(degrees_of_freedom), 0.5 * x);
}

double beta_quantile(double a, double b, double p) {
  return boost::math::ibeta_inv(a, b, p);
}

// The smallest of the k lies at z, the others within q above it:
//   P = k integral phi(z) (Phi(z + q) - Phi(z))^(k - 1) dz.
// The integrand is smooth and falls like exp(-z^2 / 2) on both sides, where the trapezoid rule converges
// faster than any power of the step: 1/16 leaves nothing above rounding.
double normal_range_cdf(double q, std::size_t k) {
  constexpr double kReach = 10;  // phi(10) is below 1e-22
  constexpr int kStepsPerUnit = 16;
  double sum = 0;
  for (int i = 0; i <= static_cast<int>(2 * kReach) * kStepsPerUnit; ++i) {
    const double z = -kReach + static_cast<double>(i) / kStepsPerUnit;
    sum += normal_density(z) * std::pow(normal_probability(z, z + q), static_cast<double>(k - 1));
  }
  return static_cast<double>(k) * sum / kStepsPerUnit;
}

double normal_range_upper_point(double alpha, std::size_t k) {
  // Beyond 40 the distribution is 1 to the last bit for any number of methods that could be compared.
  constexpr double kLargest = 40;
  std::uintmax_t max_iterations = 100;
  const auto [low, high] = boost::math::tools::toms748_solve(
      [&](double q) { return normal_range_cdf(q, k) - (1 - alpha); }, 0.0, kLargest,
      boost::math::tools::eps_tolerance<double>(48), max_iterations);
  return 0.5 * (low + high);
}

}  // namespace deepsad
