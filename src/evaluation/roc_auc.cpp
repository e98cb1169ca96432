#include "deepsad/evaluation/roc_auc.h"

#include <limits>

#include "evaluation/ranking.h"

namespace deepsad {
namespace {

template <class T>
double auc(std::span<const T> scores, std::span<const TrueLabel> labels) {
  std::uint64_t normals = 0;  // so far, that is, of smaller score
  std::uint64_t anomalies = 0;
  std::uint64_t half_pairs = 0;  // 2 for a pair won, 1 for a tie; below 2^64 for up to 6e9 samples
  for (const ScoreGroup& group : group_by_score(scores, labels, "roc_auc")) {
    half_pairs += group.anomalies * (2 * normals + group.normals);
    normals += group.normals;
    anomalies += group.anomalies;
  }
  if (normals == 0 || anomalies == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(half_pairs) /
         (2.0 * static_cast<double>(normals) * static_cast<double>(anomalies));
}

}  // namespace

double roc_auc(std::span<const double> scores, std::span<const TrueLabel> labels) {
  return auc(scores, labels);
}
double roc_auc(std::span<const float> scores, std::span<const TrueLabel> labels) {
  return auc(scores, labels);
}

}  // namespace deepsad
