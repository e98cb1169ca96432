// Comparing methods over many data sets or seeds: tests, corrections, ranks and effect sizes.
//
// [1] Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006).
// [2] Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1 (1945).
// [3] Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6 (1979).
// [4] Kerby, "The simple difference formula", Comprehensive Psychology 3 (2014): rank-biserial correlation.
// [5] Cliff, "Dominance statistics", Psychological Bulletin 114 (1993).
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "deepsad/core/matrix_view.h"

namespace deepsad {

struct Summary {
  std::size_t n = 0;
  double mean = 0;                ///< NaN if n = 0
  double standard_deviation = 0;  ///< of the sample, divided by n - 1; NaN if n < 2
  double standard_error = 0;      ///< of the mean: standard_deviation / sqrt(n)
};

/// @throws NumericError if a value is not finite; names its index
[[nodiscard]] Summary summarize(std::span<const double> values);

/// Ranks from 1 up, the smallest value first; equal values share the mean of their ranks.
/// @throws NumericError if a value is not finite
[[nodiscard]] std::vector<double> ranks(std::span<const double> values);

struct WilcoxonResult {
  std::size_t n = 0;      ///< pairs that differ; the others are left out, as in [2]
  double rank_sum_a = 0;  ///< ranks of |a - b| where a is larger
  double rank_sum_b = 0;  ///< where b is larger
  double p_value = 1;     ///< two-sided; 1 if n = 0
  bool exact = false;     ///< from the exact distribution rather than the normal one
  /// (rank_sum_a - rank_sum_b) / their sum, in [-1, 1]: 1 if a is larger in every pair [4]; 0 if n = 0.
  double rank_biserial = 0;
};

/// Signed-rank test of paired values: is the distribution of a - b symmetric about 0? Exact for at most 50
/// pairs without equal values of |a - b| and without a = b; else normal, with the variance corrected for ties
/// and no continuity correction. Equals scipy.stats.wilcoxon with mode "exact" and "approx".
/// @throws InvalidArgument if the lengths differ   @throws NumericError if a value is not finite
[[nodiscard]] WilcoxonResult wilcoxon_signed_rank(std::span<const double> a, std::span<const double> b);

/// p-values adjusted for being the best of a family [3]: with p_(1) <= ... <= p_(m) the adjusted
/// p_(i) = max_{j <= i} min(1, (m - j + 1) p_(j)). Reject where the result is below the level of the family.
/// @throws InvalidArgument if a value is outside [0, 1]
[[nodiscard]] std::vector<double> holm_adjusted(std::span<const double> p_values);

struct FriedmanResult {
  std::size_t n_blocks = 0;           ///< data sets, setups or seeds: rows
  std::vector<double> average_ranks;  ///< of each method, 1 = largest value
  double chi_squared = 0;             ///< corrected for ties, as scipy.stats.friedmanchisquare
  double p_value = 1;                 ///< by the chi-squared distribution with k - 1 degrees of freedom
};

/// Do k methods differ over n blocks? `values` is n x k, larger = better.
/// @throws InvalidArgument if n < 2 or k < 2   @throws NumericError if a value is not finite
[[nodiscard]] FriedmanResult friedman(MatrixView<const double> values);

/// Nemenyi's critical difference of average ranks [1]: q / sqrt(2) sqrt(k (k + 1) / (6 n)), with q the upper
/// `alpha` point of the studentized range of k means and infinitely many degrees of freedom.
/// @throws InvalidArgument if n < 1, k < 2 or alpha is outside (0, 1)
[[nodiscard]] double nemenyi_critical_difference(std::size_t n_methods, std::size_t n_blocks, double alpha);

/// The bars of a critical-difference diagram: each maximal run of methods, in the order of their average
/// ranks, whose ranks differ by less than `critical_difference`. Runs of one method are left out.
/// @returns pairs of the positions of the first and the last in the sorted order
[[nodiscard]] std::vector<std::pair<std::size_t, std::size_t>> indistinguishable_runs(
    std::span<const double> average_ranks, double critical_difference);

/// P(a > b) - P(a < b) over all pairs of a value of a and one of b, in [-1, 1] [5]. NaN if one is empty.
/// Cost: O((n + m) log m).
/// @throws NumericError if a value is not finite
[[nodiscard]] double cliffs_delta(std::span<const double> a, std::span<const double> b);

}  // namespace deepsad
