// The points of the ROC and the precision-recall curve, for drawing; the areas have exact functions of their
// own (roc_auc.h, average_precision.h).
#pragma once

#include <span>
#include <vector>

#include "deepsad/data/dataset.h"

namespace deepsad {

struct CurvePoint {
  double x = 0, y = 0;
};

/// (false alarms / normal samples, anomalies found / anomalies) as the threshold falls from above the largest
/// score to below the smallest: from (0, 0) to (1, 1), a point for every distinct score. Straight lines
/// between them enclose roc_auc().
/// @returns nothing if one of the two kinds is missing
/// @throws InvalidArgument if the lengths differ   @throws NumericError if a score is NaN; names its index
[[nodiscard]] std::vector<CurvePoint> roc_curve(std::span<const float> scores,
                                                std::span<const TrueLabel> labels);

/// (recall, precision) as the threshold falls, a point for every distinct score. Between two points precision
/// holds the value of the later one: the area of these steps is average_precision().
/// @returns nothing if there is no anomaly   @throws as roc_curve
[[nodiscard]] std::vector<CurvePoint> precision_recall_curve(std::span<const float> scores,
                                                             std::span<const TrueLabel> labels);

}  // namespace deepsad
