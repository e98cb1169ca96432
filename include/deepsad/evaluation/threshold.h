// The score above which a row is called anomalous, with how it came about and what it promises.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "deepsad/data/dataset.h"
#include "deepsad/evaluation/conformal.h"

namespace deepsad {

/// - quantile:      the given share of the calibration scores lies at or below it;
/// - contamination: the given share of the calibration rows lies above it, for sets that hold about the
///                  anomalies that later data will hold;
/// - target_fpr:    split-conformal: at most the given share of normal rows lies above it (conformal.h);
/// - best_f1:       largest F1 on labelled rows that are not training rows;
/// - manual:        a score that somebody chose.
enum class ThresholdKind { quantile, contamination, target_fpr, best_f1, manual };

/// "quantile", "contamination", "target-fpr", "best-f1", "manual".
[[nodiscard]] const char* threshold_kind_name(ThresholdKind kind);

/// What threshold is wanted: the kind and its parameter, as in "target-fpr:0.01".
struct ThresholdRequest {
  ThresholdKind kind = ThresholdKind::target_fpr;
  double parameter = 0.05;  ///< quantile, share, rate or score; of no meaning for best_f1

  bool operator==(const ThresholdRequest&) const = default;
};
/// Reads "KIND:VALUE" or "best-f1". Ranges: quantile, contamination and target-fpr in (0, 1), manual any
/// number. @throws InvalidArgument "got X, wanted Y"
[[nodiscard]] ThresholdRequest parse_threshold_request(const std::string& text);
[[nodiscard]] std::string threshold_request_text(const ThresholdRequest& request);

/// A row is anomalous if its score is larger than `value`; the rule of every kind.
struct Threshold {
  ThresholdRequest request;
  double value = 0;  ///< may be infinite, if the calibration scores are
  /// Rows it was chosen on, without those trimmed; 0 for manual.
  std::size_t n_rows = 0;
  std::size_t n_trimmed = 0;
  /// Which rows, in words: "300 rows of orders.csv held out of training".
  std::string rows;
  /// What it promises, as a sentence or two for a person.
  std::string promise;

  [[nodiscard]] bool is_anomalous(float score) const { return static_cast<double>(score) > value; }
  bool operator==(const Threshold&) const = default;
};

/// A threshold of any kind but best_f1. With s_(1) <= ... <= s_(n) the calibration scores that were not
/// trimmed:
/// - quantile q:      s_(ceil(q n)), as numpy.quantile(method="inverted_cdf");
/// - contamination c: s_(n - floor(c n)), so that floor(c n) rows lie above it (fewer if they tie);
/// - target_fpr a:    ConformalCalibration::threshold(a);
/// - manual:          the parameter.
/// @param rows see Threshold::rows
/// @throws InvalidArgument if a target_fpr needs more rows (says how many), or the kind is best_f1
[[nodiscard]] Threshold choose_threshold(const ThresholdRequest& request,
                                         const ConformalCalibration& calibration, const std::string& rows);
/// A manual threshold, for which there need be no calibration.
[[nodiscard]] Threshold manual_threshold(double value);

/// The threshold of the largest F1 = 2 TP / (2 TP + FP + FN) on labelled rows, halfway between the two scores
/// that it parts; of equal F1 the larger threshold. F1 depends on the share of anomalies among the rows, so
/// the choice is good for data with about that share.
/// @param rows see Threshold::rows
/// @throws InvalidArgument if the lengths differ or one of the two labels is missing: with normal rows alone
/// every threshold has F1 = 0   @throws NumericError if a score is NaN
[[nodiscard]] Threshold best_f1_threshold(std::span<const float> scores, std::span<const TrueLabel> labels,
                                          const std::string& rows);

/// One JSON object; threshold_from_json() gives the same back, infinite values included.
[[nodiscard]] std::string threshold_to_json(const Threshold& threshold);
/// @throws InvalidArgument if it is not what threshold_to_json() writes
[[nodiscard]] Threshold threshold_from_json(const std::string& text);

}  // namespace deepsad
