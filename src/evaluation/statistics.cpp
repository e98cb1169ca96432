#include "deepsad/evaluation/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "deepsad/core/error.h"
#include "evaluation/distributions.h"

namespace deepsad {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void check_finite(std::span<const double> values, const char* operation) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i]))
      throw NumericError(fmt::format("[{}] value {} is {}, wanted a finite number", operation, i, values[i]));
  }
}

/// Ranks, and the sum of t^3 - t over the groups of t equal values.
struct RankedValues {
  std::vector<double> ranks;
  double tie_term = 0;
};

RankedValues rank(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  RankedValues result{std::vector<double>(values.size()), 0};
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const auto t = static_cast<double>(end - begin);
    for (std::size_t i = begin; i < end; ++i)
      result.ranks[order[i]] = 0.5 * static_cast<double>(begin + end + 1);
    result.tie_term += t * t * t - t;
    begin = end;
  }
  return result;
}

// P(W <= w) times 2 for the sum W of a random subset of the ranks 1 ... n, by counting the subsets of every
// sum. Counts stay below 2^50: exact in double.
double exact_signed_rank_p(std::size_t n, double w) {
  const std::size_t largest = n * (n + 1) / 2;
  std::vector<double> subsets(largest + 1, 0);
  subsets[0] = 1;
  for (std::size_t rank = 1; rank <= n; ++rank)
    for (std::size_t sum = largest; sum >= rank; --sum) subsets[sum] += subsets[sum - rank];
  double below = 0;
  for (std::size_t sum = 0; static_cast<double>(sum) <= w; ++sum) below += subsets[sum];
  return std::min(1.0, 2 * below / std::pow(2.0, static_cast<double>(n)));
}

}  // namespace

Summary summarize(std::span<const double> values) {
  check_finite(values, "summarize");
  Summary summary{.n = values.size(), .mean = kNaN, .standard_deviation = kNaN, .standard_error = kNaN};
  if (values.empty()) return summary;
  const auto n = static_cast<double>(values.size());
  summary.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return summary;
  double squares = 0;
  for (const double value : values) squares += (value - summary.mean) * (value - summary.mean);
  summary.standard_deviation = std::sqrt(squares / (n - 1));
  summary.standard_error = summary.standard_deviation / std::sqrt(n);
  return summary;
}

std::vector<double> ranks(std::span<const double> values) {
  check_finite(values, "ranks");
  return rank(values).ranks;
}

WilcoxonResult wilcoxon_signed_rank(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size())
    throw InvalidArgument(
        fmt::format("[wilcoxon_signed_rank] {} values but {} to pair with them", a.size(), b.size()));
  check_finite(a, "wilcoxon_signed_rank");
  check_finite(b, "wilcoxon_signed_rank");
  std::vector<double> differences, sizes;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    differences.push_back(a[i] - b[i]);
    sizes.push_back(std::abs(a[i] - b[i]));
  }
  WilcoxonResult result{.n = differences.size()};
  if (differences.empty()) return result;
  const RankedValues ranked = rank(sizes);
  for (std::size_t i = 0; i < differences.size(); ++i)
    (differences[i] > 0 ? result.rank_sum_a : result.rank_sum_b) += ranked.ranks[i];
  const double smaller = std::min(result.rank_sum_a, result.rank_sum_b);
  result.rank_biserial = (result.rank_sum_a - result.rank_sum_b) / (result.rank_sum_a + result.rank_sum_b);

  constexpr std::size_t kLargestExact = 50;
  result.exact = a.size() <= kLargestExact && result.n == a.size() && ranked.tie_term == 0;
  if (result.exact) {
    result.p_value = exact_signed_rank_p(result.n, smaller);
  } else {
    const auto n = static_cast<double>(result.n);
    const double variance = n * (n + 1) * (2 * n + 1) / 24 - ranked.tie_term / 48;
    result.p_value = two_sided_normal_p((smaller - n * (n + 1) / 4) / std::sqrt(variance));
  }
  return result;
}

std::vector<double> holm_adjusted(std::span<const double> p_values) {
  for (std::size_t i = 0; i < p_values.size(); ++i) {
    if (!(p_values[i] >= 0 && p_values[i] <= 1))
      throw InvalidArgument(fmt::format("[holm_adjusted] p-value {} is {}, wanted 0 to 1", i, p_values[i]));
  }
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double largest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, static_cast<double>(order.size() - i) * p_values[order[i]]);
    adjusted[order[i]] = std::min(1.0, largest);
  }
  return adjusted;
}

FriedmanResult friedman(MatrixView<const double> values) {
  if (values.rows() < 2 || values.cols() < 2)
    throw InvalidArgument(fmt::format("[friedman] {} blocks of {} methods, wanted at least 2 of each",
                                      values.rows(), values.cols()));
  const auto n = static_cast<double>(values.rows());
  const auto k = static_cast<double>(values.cols());
  FriedmanResult result{.n_blocks = values.rows(), .average_ranks = std::vector<double>(values.cols(), 0)};
  double tie_term = 0;
  std::vector<double> negated(values.cols());
  for (std::size_t i = 0; i < values.rows(); ++i) {
    const std::span<const double> row = values.row(i);
    check_finite(row, "friedman");
    std::transform(row.begin(), row.end(), negated.begin(), std::negate<>());  // rank 1 to the largest
    const RankedValues ranked = rank(negated);
    tie_term += ranked.tie_term;
    for (std::size_t j = 0; j < values.cols(); ++j) result.average_ranks[j] += ranked.ranks[j];
  }
  double squares = 0;
  for (double& sum : result.average_ranks) {
    squares += sum * sum;
    sum /= n;
  }
  const double correction = 1 - tie_term / (n * k * (k * k - 1));
  if (correction == 0) return result;  // every block is one tie: nothing speaks for a difference
  result.chi_squared = (12 / (n * k * (k + 1)) * squares - 3 * n * (k + 1)) / correction;
  result.p_value = chi_squared_tail(std::max(0.0, result.chi_squared), values.cols() - 1);
  return result;
}

double nemenyi_critical_difference(std::size_t n_methods, std::size_t n_blocks, double alpha) {
  if (n_methods < 2 || n_blocks < 1 || !(alpha > 0 && alpha < 1))
    throw InvalidArgument(
        fmt::format("[nemenyi_critical_difference] {} methods, {} blocks, alpha {}; wanted at least 2, at "
                    "least 1, and between 0 and 1",
                    n_methods, n_blocks, alpha));
  const auto k = static_cast<double>(n_methods);
  const auto n = static_cast<double>(n_blocks);
  return normal_range_upper_point(alpha, n_methods) * std::sqrt(k * (k + 1) / (12 * n));
}

std::vector<std::pair<std::size_t, std::size_t>> indistinguishable_runs(std::span<const double> average_ranks,
                                                                        double critical_difference) {
  std::vector<double> sorted(average_ranks.begin(), average_ranks.end());
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::pair<std::size_t, std::size_t>> runs;
  std::size_t covered = 0;  // methods up to here are in the last run
  for (std::size_t first = 0; first < sorted.size(); ++first) {
    std::size_t last = first;
    while (last + 1 < sorted.size() && sorted[last + 1] - sorted[first] < critical_difference) ++last;
    if (last == first || last <= covered) continue;
    runs.emplace_back(first, last);
    covered = last;
  }
  return runs;
}

double cliffs_delta(std::span<const double> a, std::span<const double> b) {
  check_finite(a, "cliffs_delta");
  check_finite(b, "cliffs_delta");
  if (a.empty() || b.empty()) return kNaN;
  std::vector<double> sorted(b.begin(), b.end());
  std::sort(sorted.begin(), sorted.end());
  double wins = 0;  // minus defeats
  for (const double value : a) {
    const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), value);
    wins += static_cast<double>(low - sorted.begin()) - static_cast<double>(sorted.end() - high);
  }
  return wins / (static_cast<double>(a.size()) * static_cast<double>(b.size()));
}

}  // namespace deepsad
