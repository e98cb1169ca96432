#include "deepsad/evaluation/average_precision.h"

#include <limits>

#include "evaluation/ranking.h"

namespace deepsad {
namespace {

template <class T>
double average(std::span<const T> scores, std::span<const TrueLabel> labels) {
  const std::vector<ScoreGroup> groups = group_by_score(scores, labels, "average_precision");
  std::uint64_t anomalies = 0;  // that score this or more
  std::uint64_t samples = 0;
  double sum = 0;
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
    anomalies += group->anomalies;
    samples += group->anomalies + group->normals;
    sum +=
        static_cast<double>(group->anomalies) * static_cast<double>(anomalies) / static_cast<double>(samples);
  }
  if (anomalies == 0) return std::numeric_limits<double>::quiet_NaN();
  return sum / static_cast<double>(anomalies);
}

}  // namespace

double average_precision(std::span<const double> scores, std::span<const TrueLabel> labels) {
  return average(scores, labels);
}
double average_precision(std::span<const float> scores, std::span<const TrueLabel> labels) {
  return average(scores, labels);
}

}  // namespace deepsad
