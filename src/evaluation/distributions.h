// Tail probabilities and quantiles of the distributions that tests and intervals need.
#pragma once

#include <cstddef>

namespace deepsad {

/// P(|Z| >= |z|) of a standard normal Z.
[[nodiscard]] double two_sided_normal_p(double z);

/// P(X >= x) of a chi-squared X, x >= 0.
[[nodiscard]] double chi_squared_tail(double x, std::size_t degrees_of_freedom);

/// The x with P(X <= x) = p of X ~ Beta(a, b), a, b > 0, p in [0, 1].
[[nodiscard]] double beta_quantile(double a, double b, double p);

/// P(max - min <= q) of k independent standard normals, q >= 0: the studentized range for infinitely many
/// degrees of freedom.
[[nodiscard]] double normal_range_cdf(double q, std::size_t k);

/// The q with normal_range_cdf(q, k) = 1 - alpha.
[[nodiscard]] double normal_range_upper_point(double alpha, std::size_t k);

}  // namespace deepsad
