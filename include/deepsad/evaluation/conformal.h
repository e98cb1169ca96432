// Split-conformal calibration: p-values and thresholds that hold for any detector and any distribution, as
// long as normal rows to come are exchangeable with the calibration rows.
//
// [1] Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", Springer 2005.
// [2] Vovk, "Conditional validity of inductive conformal predictors", ACML 2012.
// [3] Bates, Candes, Lei, Romano and Sesia, "Testing for outliers with conformal p-values", Annals of
//     Statistics 51 (2023).
// [4] Benjamini and Hochberg, "Controlling the false discovery rate", J. Royal Stat. Society B 57 (1995).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "deepsad/evaluation/interval.h"

namespace deepsad {

/// Scores of n rows that no training saw: normal rows, or rows of which a small share may be anomalous. Two
/// ways to treat that share:
/// - nothing is trimmed: the rows stay as they are. Anomalies among them score high and make p-values larger,
///   so that fewer false alarms come than promised. Should a share e of them score low, the rate may be
///   alpha / (1 - e) instead of alpha, no more.
/// - trimmed: the floor(contamination n) largest scores are taken away first. Nearer to the promise, and more
///   anomalies are found, if the share is right; see worst_false_alarm_rate() for when it is not.
class ConformalCalibration {
 public:
  /// @param scores in any order; ties and infinities are allowed
  /// @param contamination share of anomalies among the rows, known or an upper bound, in [0, 1/2)
  /// @throws InvalidArgument if nothing is left of the scores, or contamination is out of range
  /// @throws NumericError if a score is NaN; names its index
  explicit ConformalCalibration(std::vector<float> scores, double contamination = 0);
  /// From what scores() and n_trimmed() gave. @throws InvalidArgument if the scores do not ascend
  [[nodiscard]] static ConformalCalibration from_parts(std::vector<float> ascending_scores,
                                                       std::size_t n_trimmed);

  /// The scores that count, ascending.
  [[nodiscard]] const std::vector<float>& scores() const { return scores_; }
  [[nodiscard]] std::size_t size() const { return scores_.size(); }
  /// Largest scores that were taken away.
  [[nodiscard]] std::size_t n_trimmed() const { return n_trimmed_; }

  /// p = (1 + #{i: s_i >= score}) / (n + 1), in [1/(n + 1), 1]. For a normal row P(p <= a) <= a for every a,
  /// with equality at a = j / (n + 1) if scores do not tie [1, 3]. Scores that tie with it count against the
  /// row, so that ties make p larger. The calibration set is part of the chance: one set may be lucky, see
  /// false_alarm_range(). Cost: O(log n).
  /// @throws NumericError if the score is NaN
  [[nodiscard]] double p_value(float score) const;

  /// How many of the calibration scores may lie above a threshold of false-alarm rate `alpha`, plus one:
  /// k = floor(alpha (n + 1)). 0 if n is too small for this alpha.
  [[nodiscard]] std::size_t rank_for(double alpha) const;
  /// The ceil((1 - alpha)(n + 1))-th smallest score, t. A row is anomalous if its score is larger than t,
  /// which is so if and only if its p-value is at most alpha. For a normal row
  ///   P(score > t) <= alpha,   and > alpha - 1/(n + 1) if scores do not tie,
  /// over the draw of the calibration set and the row [1].
  /// @throws InvalidArgument if alpha is outside (0, 1), or n is too small for it; says how many are needed
  [[nodiscard]] double threshold(double alpha) const;
  /// Given the one calibration set there is, the false-alarm rate of threshold(alpha) is a number that the
  /// set decides. Over calibration sets it is distributed as Beta(k, n + 1 - k), k = rank_for(alpha) [2]: the
  /// range that holds it with the given confidence, both tails equal. (Scores that tie only lower it.)
  /// @throws as threshold()
  [[nodiscard]] Interval false_alarm_range(double alpha, double confidence = 0.95) const;
  /// The most that P(score > threshold(alpha)) can be for a normal row if at most n_trimmed() of the rows
  /// given were anomalous, wherever their scores lay: (k + n_trimmed) / (n + 1), which is reached if all rows
  /// trimmed were normal. Alpha if nothing was trimmed.
  /// @throws InvalidArgument if alpha is outside (0, 1)
  [[nodiscard]] double worst_false_alarm_rate(double alpha) const;

 private:
  ConformalCalibration() = default;

  std::vector<float> scores_;  // ascending
  std::size_t n_trimmed_ = 0;
};

/// Calibration rows that a false-alarm rate of `alpha` needs: ceil(1 / alpha) - 1.
/// @throws InvalidArgument if alpha is outside (0, 1)
[[nodiscard]] std::size_t calibration_rows_needed(double alpha);

/// p-values adjusted for a batch [4]: with p_(1) <= ... <= p_(m) the adjusted
/// p_(i) = min_{j >= i} min(1, m p_(j) / j). Calling the rows with an adjusted p-value of at most q anomalous
/// keeps the expected share of normal rows among them (the false-discovery rate) at or below q; conformal
/// p-values that share a calibration set depend on each other in a way that keeps this true [3, theorem 2].
/// @throws InvalidArgument if a value is outside [0, 1]
[[nodiscard]] std::vector<double> benjamini_hochberg_adjusted(std::span<const double> p_values);

}  // namespace deepsad
