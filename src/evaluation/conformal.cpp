#include "deepsad/evaluation/conformal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "deepsad/core/error.h"
#include "evaluation/distributions.h"
#include "evaluation/shares.h"

namespace deepsad {
namespace {

void check_alpha(double alpha) {
  if (!(alpha > 0 && alpha < 1))
    throw InvalidArgument(
        fmt::format("[conformal] false-alarm rate: got {}, wanted a number in (0, 1)", alpha));
}

// The largest k with k / (n + 1) <= alpha, as the p-values are rounded: 29 for alpha = 0.29 and n = 99, where
// the product 0.29 * 100 falls short of 29.
std::size_t largest_rank(double alpha, std::size_t n) {
  const auto n_ranks = static_cast<double>(n) + 1;
  auto k = static_cast<std::size_t>(alpha * n_ranks);
  if (static_cast<double>(k + 1) / n_ranks <= alpha) ++k;
  if (k > 0 && static_cast<double>(k) / n_ranks > alpha) --k;
  return k;
}

}  // namespace

ConformalCalibration::ConformalCalibration(std::vector<float> scores, double contamination)
    : scores_(std::move(scores)) {
  if (!(contamination >= 0 && contamination < 0.5))
    throw InvalidArgument(
        fmt::format("[conformal] contamination: got {}, wanted a share in [0, 0.5)", contamination));
  for (std::size_t i = 0; i < scores_.size(); ++i)
    if (std::isnan(scores_[i])) throw NumericError(fmt::format("[conformal] score {} is NaN", i));
  std::sort(scores_.begin(), scores_.end());
  n_trimmed_ = rows_within_share(contamination, scores_.size());
  scores_.resize(scores_.size() - n_trimmed_);
  if (scores_.empty()) throw InvalidArgument("[conformal] there is no calibration row");
}

ConformalCalibration ConformalCalibration::from_parts(std::vector<float> ascending_scores,
                                                      std::size_t n_trimmed) {
  const bool has_nan = std::any_of(ascending_scores.begin(), ascending_scores.end(),
                                   [](float score) { return std::isnan(score); });
  if (ascending_scores.empty() || has_nan ||
      !std::is_sorted(ascending_scores.begin(), ascending_scores.end()))
    throw InvalidArgument("[conformal] calibration scores must be numbers in ascending order, at least one");
  ConformalCalibration calibration;
  calibration.scores_ = std::move(ascending_scores);
  calibration.n_trimmed_ = n_trimmed;
  return calibration;
}

double ConformalCalibration::p_value(float score) const {
  if (std::isnan(score)) throw NumericError("[conformal] the score is NaN");
  const auto not_below = scores_.end() - std::lower_bound(scores_.begin(), scores_.end(), score);
  return (static_cast<double>(not_below) + 1) / (static_cast<double>(scores_.size()) + 1);
}

std::size_t ConformalCalibration::rank_for(double alpha) const {
  check_alpha(alpha);
  return largest_rank(alpha, scores_.size());
}

double ConformalCalibration::threshold(double alpha) const {
  const std::size_t k = rank_for(alpha);
  if (k == 0)
    throw InvalidArgument(
        fmt::format("a false-alarm rate of {} needs at least {} calibration rows, but there are {}; "
                    "calibrate on more rows, or ask for a rate of at least {:.2g}",
                    alpha, calibration_rows_needed(alpha), scores_.size(),
                    1 / (static_cast<double>(scores_.size()) + 1)));
  return static_cast<double>(scores_[scores_.size() - k]);
}

Interval ConformalCalibration::false_alarm_range(double alpha, double confidence) const {
  (void)threshold(alpha);
  const auto k = static_cast<double>(rank_for(alpha));
  const double rest = static_cast<double>(scores_.size()) + 1 - k;
  const double tail = 0.5 * (1 - confidence);
  return {beta_quantile(k, rest, tail), beta_quantile(k, rest, 1 - tail)};
}

double ConformalCalibration::worst_false_alarm_rate(double alpha) const {
  if (n_trimmed_ == 0) return alpha;
  const auto k = static_cast<double>(rank_for(alpha));
  return std::min(1.0, (k + static_cast<double>(n_trimmed_)) / (static_cast<double>(scores_.size()) + 1));
}

std::size_t calibration_rows_needed(double alpha) {
  check_alpha(alpha);
  auto n = static_cast<std::size_t>(std::max(0.0, std::floor(1 / alpha) - 2));
  while (largest_rank(alpha, n) == 0) ++n;
  return n;
}

std::vector<double> benjamini_hochberg_adjusted(std::span<const double> p_values) {
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (const double p : p_values)
    if (!(p >= 0 && p <= 1))
      throw InvalidArgument(fmt::format("[benjamini_hochberg_adjusted] {} is no p-value", p));
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return p_values[a] != p_values[b] ? p_values[a] < p_values[b] : a < b;
  });
  std::vector<double> adjusted(p_values.size());
  double least = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    const double m = static_cast<double>(order.size());
    least = std::min(least, p_values[order[i]] * m / static_cast<double>(i + 1));
    adjusted[order[i]] = least;
  }
  return adjusted;
}

}  // namespace deepsad
