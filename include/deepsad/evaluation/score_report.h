// Everything that scores of rows with known truth tell of a detector, for a person and as JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/data/dataset.h"
#include "deepsad/evaluation/bootstrap.h"
#include "deepsad/evaluation/threshold.h"
#include "deepsad/evaluation/threshold_metrics.h"

namespace deepsad {

/// Scores with what is known of their rows. Spans and vectors have one entry a row, or none.
struct ScoresToReport {
  std::span<const float> scores;
  std::span<const TrueLabel> labels;
  std::span<const int> classes = {};            ///< position in class_names; or none
  std::vector<std::string> class_names = {};    ///< of the classes that may occur
  std::vector<std::string> known_classes = {};  ///< those among them whose anomalies training was shown
};

struct ScoreReport {
  std::size_t n_normal = 0, n_anomaly = 0;
  double roc_auc = 0, average_precision = 0;  ///< NaN if one of the two labels is missing
  std::optional<BootstrapIntervals> intervals;
  std::size_t n_repetitions = 0;  ///< of the bootstrap
  std::optional<Threshold> threshold;
  std::optional<ThresholdMetrics> at_threshold;
  /// Rows of each class, apart where a class has rows of both labels. Without a threshold nobody is alarmed,
  /// and the alarms mean nothing.
  std::vector<GroupMetrics> classes;
  /// "known anomalies" and "novel anomalies": of classes that training was, and was not, shown.
  std::vector<GroupMetrics> kinds;
};

/// @param n_repetitions of the bootstrap, fewer if that would take long: at most 5e7 / rows, but 100;
/// 0: no intervals
/// @throws InvalidArgument if the lengths differ   @throws NumericError if a score is NaN
[[nodiscard]] ScoreReport report_scores(const ScoresToReport& rows, const std::optional<Threshold>& threshold,
                                        std::size_t n_repetitions, ThreadPool& pool);

/// For a person; shares in percent.
[[nodiscard]] std::string score_report_text(const ScoreReport& report);
/// The keys of one JSON object, without the braces (docs/evaluation.md); numbers that are undefined are null.
[[nodiscard]] std::string score_report_json_keys(const ScoreReport& report);

}  // namespace deepsad
