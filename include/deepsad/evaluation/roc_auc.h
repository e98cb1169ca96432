// Area under the receiver operating characteristic.
#pragma once

#include <span>

#include "deepsad/data/dataset.h"

namespace deepsad {

/// The chance that a random anomaly scores above a random normal sample, ties counting half:
///   AUC = ( #{(a, n): s_a > s_n} + 1/2 #{(a, n): s_a = s_n} ) / (#anomalies #normals),
/// exact: pairs are counted in integers. It equals the area under the ROC curve by the trapezoid rule.
/// Source: Hanley and McNeil, "The meaning and use of the area under a ROC curve", Radiology 143 (1982).
/// @param scores one per sample, larger = more anomalous; infinities rank last and first   @param labels the
/// same number
/// @returns a value in [0, 1]; NaN if labels holds one class only or nothing, for which the AUC is undefined
/// @throws InvalidArgument if the lengths differ   @throws NumericError if a score is NaN; names its index
/// Cost: O(n log n).
[[nodiscard]] double roc_auc(std::span<const double> scores, std::span<const TrueLabel> labels);
[[nodiscard]] double roc_auc(std::span<const float> scores, std::span<const TrueLabel> labels);

}  // namespace deepsad
