#include "deepsad/evaluation/curves.h"

#include "evaluation/ranking.h"

namespace deepsad {
namespace {

ScoreGroup total(const std::vector<ScoreGroup>& groups) {
  ScoreGroup sum;
  for (const ScoreGroup& group : groups) {
    sum.normals += group.normals;
    sum.anomalies += group.anomalies;
  }
  return sum;
}

double share(std::uint64_t part, std::uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::vector<CurvePoint> roc_curve(std::span<const float> scores, std::span<const TrueLabel> labels) {
  const std::vector<ScoreGroup> groups = group_by_score(scores, labels, "roc_curve");
  const ScoreGroup all = total(groups);
  if (all.normals == 0 || all.anomalies == 0) return {};
  std::vector<CurvePoint> points{{0, 0}};
  ScoreGroup above;
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
    above.normals += group->normals;
    above.anomalies += group->anomalies;
    points.push_back({share(above.normals, all.normals), share(above.anomalies, all.anomalies)});
  }
  return points;
}

std::vector<CurvePoint> precision_recall_curve(std::span<const float> scores,
                                               std::span<const TrueLabel> labels) {
  const std::vector<ScoreGroup> groups = group_by_score(scores, labels, "precision_recall_curve");
  const ScoreGroup all = total(groups);
  if (all.anomalies == 0) return {};
  std::vector<CurvePoint> points;
  ScoreGroup above;
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
    above.normals += group->normals;
    above.anomalies += group->anomalies;
    points.push_back(
        {share(above.anomalies, all.anomalies), share(above.anomalies, above.normals + above.anomalies)});
  }
  return points;
}

}  // namespace deepsad
