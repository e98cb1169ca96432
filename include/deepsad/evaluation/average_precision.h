// Average precision: the area under the precision-recall curve, step by step.
#pragma once

#include <span>

#include "deepsad/data/dataset.h"

namespace deepsad {

/// AP = sum over the distinct scores t, from the largest down, of (R_t - R_before) P_t, where R_t is the
/// share of the anomalies that score t or more, and P_t the share of anomalies among the samples that score t
/// or more. No interpolation; samples of equal score enter together, so that the order of ties plays no role.
/// Random scores give about the share of anomalies, not 1/2. Source: as scikit-learn's
/// average_precision_score; Davis and Goadrich, ICML 2006, on why not to interpolate.
/// @param scores one per sample, larger = more anomalous; infinities rank last and first   @param labels the
/// same number
/// @returns a value in (0, 1]; 1 if there are only anomalies; NaN if there is no anomaly, for which it is
/// undefined
/// @throws InvalidArgument if the lengths differ   @throws NumericError if a score is NaN; names its index
/// Cost: O(n log n).
[[nodiscard]] double average_precision(std::span<const double> scores, std::span<const TrueLabel> labels);
[[nodiscard]] double average_precision(std::span<const float> scores, std::span<const TrueLabel> labels);

}  // namespace deepsad
