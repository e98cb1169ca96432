#include "deepsad/evaluation/threshold_metrics.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "deepsad/core/error.h"
#include "deepsad/evaluation/roc_auc.h"

namespace deepsad {
namespace {

double share(std::size_t part, std::size_t whole) {
  return whole == 0 ? std::numeric_limits<double>::quiet_NaN()
                    : static_cast<double>(part) / static_cast<double>(whole);
}

void check_scores(std::span<const float> scores, std::size_t n_labels, const char* operation) {
  if (scores.size() != n_labels)
    throw InvalidArgument(fmt::format("[{}] {} scores but {} labels", operation, scores.size(), n_labels));
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (std::isnan(scores[i])) throw NumericError(fmt::format("[{}] score {} is NaN", operation, i));
}

}  // namespace

ThresholdMetrics threshold_metrics(std::span<const float> scores, std::span<const TrueLabel> labels,
                                   double threshold) {
  check_scores(scores, labels.size(), "threshold_metrics");
  ThresholdMetrics m;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const bool alarm = static_cast<double>(scores[i]) > threshold;
    if (labels[i] == TrueLabel::anomaly)
      ++(alarm ? m.true_alarms : m.missed);
    else
      ++(alarm ? m.false_alarms : m.quiet);
  }
  const std::size_t n_alarms = m.true_alarms + m.false_alarms, n_anomalies = m.true_alarms + m.missed,
                    n_normals = m.false_alarms + m.quiet;
  m.precision = share(m.true_alarms, n_alarms);
  m.recall = share(m.true_alarms, n_anomalies);
  m.f1 = share(2 * m.true_alarms, n_alarms + n_anomalies);
  m.false_alarm_rate = share(m.false_alarms, n_normals);
  m.precision_interval = clopper_pearson(m.true_alarms, n_alarms);
  m.recall_interval = clopper_pearson(m.true_alarms, n_anomalies);
  m.false_alarm_interval = clopper_pearson(m.false_alarms, n_normals);
  return m;
}

std::vector<GroupMetrics> group_metrics(std::span<const float> scores, std::span<const TrueLabel> labels,
                                        std::span<const int> groups, std::span<const std::string> names,
                                        double threshold) {
  check_scores(scores, labels.size(), "group_metrics");
  if (groups.size() != scores.size())
    throw InvalidArgument(
        fmt::format("[group_metrics] {} scores but {} groups", scores.size(), groups.size()));
  std::vector<float> normal_scores;
  std::vector<std::vector<float>> group_scores(names.size());
  std::vector<GroupMetrics> all(names.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (labels[i] == TrueLabel::normal) normal_scores.push_back(scores[i]);
    if (groups[i] < 0) continue;
    const auto g = static_cast<std::size_t>(groups[i]);
    if (g >= names.size())
      throw InvalidArgument(
          fmt::format("[group_metrics] row {} is of group {}, but there are {}", i, g, names.size()));
    GroupMetrics& group = all[g];
    if (group.n > 0 && group.label != labels[i])
      throw InvalidArgument(fmt::format("[group_metrics] group {} holds both labels", names[g]));
    group.label = labels[i];
    ++group.n;
    if (static_cast<double>(scores[i]) > threshold) ++group.n_alarms;
    if (labels[i] == TrueLabel::anomaly) group_scores[g].push_back(scores[i]);
  }
  std::vector<GroupMetrics> present;
  for (std::size_t g = 0; g < names.size(); ++g) {
    GroupMetrics& group = all[g];
    if (group.n == 0) continue;
    group.name = names[g];
    group.alarm_interval = clopper_pearson(group.n_alarms, group.n);
    group.roc_auc = std::numeric_limits<double>::quiet_NaN();
    if (group.label == TrueLabel::anomaly) {
      std::vector<float> both = normal_scores;
      both.insert(both.end(), group_scores[g].begin(), group_scores[g].end());
      std::vector<TrueLabel> truth(normal_scores.size(), TrueLabel::normal);
      truth.resize(both.size(), TrueLabel::anomaly);
      group.roc_auc = roc_auc(std::span<const float>(both), truth);
    }
    present.push_back(std::move(group));
  }
  return present;
}

}  // namespace deepsad
