// What a threshold achieves on rows whose truth is known.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "deepsad/data/dataset.h"
#include "deepsad/evaluation/interval.h"

namespace deepsad {

/// Rows with a score larger than the threshold are alarms.
struct ThresholdMetrics {
  std::size_t true_alarms = 0;    ///< anomalies above the threshold
  std::size_t false_alarms = 0;   ///< normal rows above it
  std::size_t missed = 0;         ///< anomalies at or below it
  std::size_t quiet = 0;          ///< normal rows at or below it
  double precision = 0;           ///< true alarms / alarms; NaN without an alarm
  double recall = 0;              ///< true alarms / anomalies; NaN without an anomaly
  double f1 = 0;                  ///< 2 TP / (2 TP + FP + FN); NaN without an alarm and an anomaly
  double false_alarm_rate = 0;    ///< false alarms / normal rows; NaN without a normal row
  Interval false_alarm_interval;  ///< Clopper-Pearson, 95 %: what the rate of all normal rows may be
  Interval recall_interval;       ///< likewise
  Interval precision_interval;    ///< likewise
};

/// @throws InvalidArgument if the lengths differ   @throws NumericError if a score is NaN
[[nodiscard]] ThresholdMetrics threshold_metrics(std::span<const float> scores,
                                                 std::span<const TrueLabel> labels, double threshold);

/// The rows of one group: a class, or the anomalies of kinds that training knew.
struct GroupMetrics {
  std::string name;
  TrueLabel label = TrueLabel::normal;
  std::size_t n = 0, n_alarms = 0;
  Interval alarm_interval;  ///< Clopper-Pearson, 95 %, of the share of alarms
  /// Of these anomalies against all normal rows; NaN for a group of normals, or without a normal row.
  double roc_auc = 0;
};

/// One entry for each of `names` that has rows, in that order. A group holds rows of one label.
/// @param groups position in `names` of each row's group, or a negative number for none
/// @throws InvalidArgument if the lengths differ, a group has no name, or holds both labels
/// @throws NumericError if a score is NaN
[[nodiscard]] std::vector<GroupMetrics> group_metrics(std::span<const float> scores,
                                                      std::span<const TrueLabel> labels,
                                                      std::span<const int> groups,
                                                      std::span<const std::string> names, double threshold);

}  // namespace deepsad
