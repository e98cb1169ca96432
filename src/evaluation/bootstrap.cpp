#include "deepsad/evaluation/bootstrap.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "evaluation/quantile.h"
#include "evaluation/ranking.h"

namespace deepsad {
namespace {

// Group of each row of one kind; groups ascend in score.
std::vector<std::uint32_t> groups_of(const std::vector<ScoreGroup>& groups, std::uint64_t ScoreGroup::*kind) {
  std::vector<std::uint32_t> of_row;
  for (std::uint32_t g = 0; g < groups.size(); ++g) of_row.insert(of_row.end(), groups[g].*kind, g);
  return of_row;
}

Interval percentile_interval(std::vector<double>& values, double confidence) {
  std::sort(values.begin(), values.end());
  return {quantile_of(values, 0.5 * (1 - confidence)), quantile_of(values, 0.5 * (1 + confidence))};
}

}  // namespace

BootstrapIntervals bootstrap_intervals(std::span<const float> scores, std::span<const TrueLabel> labels,
                                       const BootstrapOptions& options, ThreadPool& pool) {
  if (options.n_repetitions == 0) throw InvalidArgument("[bootstrap] 0 repetitions");
  if (!(options.confidence > 0 && options.confidence < 1))
    throw InvalidArgument(
        fmt::format("[bootstrap] confidence: got {}, wanted a number in (0, 1)", options.confidence));
  const std::vector<ScoreGroup> groups = group_by_score(scores, labels, "bootstrap");
  const std::vector<std::uint32_t> normals = groups_of(groups, &ScoreGroup::normals);
  const std::vector<std::uint32_t> anomalies = groups_of(groups, &ScoreGroup::anomalies);
  if (normals.empty() || anomalies.empty()) {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    return {{kNan, kNan}, {kNan, kNan}};
  }
  std::vector<double> aucs(options.n_repetitions), precisions(options.n_repetitions);
  pool.parallel_for(options.n_repetitions, [&](std::size_t repetition) {
    RandomStream random(options.seed, "bootstrap", repetition);
    std::vector<ScoreGroup> drawn(groups.size());
    for (std::size_t i = 0; i < normals.size(); ++i) ++drawn[normals[random.below(normals.size())]].normals;
    for (std::size_t i = 0; i < anomalies.size(); ++i)
      ++drawn[anomalies[random.below(anomalies.size())]].anomalies;
    // From the largest score down; sums as in roc_auc() and average_precision().
    std::uint64_t half_pairs = 0, n_above = 0, anomalies_above = 0;
    double precision_sum = 0;
    for (std::size_t g = drawn.size(); g-- > 0;) {
      const auto [n, a] = drawn[g];
      half_pairs += n * (2 * anomalies_above + a);
      anomalies_above += a;
      n_above += n + a;
      if (a > 0)
        precision_sum +=
            static_cast<double>(a) * static_cast<double>(anomalies_above) / static_cast<double>(n_above);
    }
    aucs[repetition] = static_cast<double>(half_pairs) /
                       (2 * static_cast<double>(normals.size()) * static_cast<double>(anomalies.size()));
    precisions[repetition] = precision_sum / static_cast<double>(anomalies.size());
  });
  return {percentile_interval(aucs, options.confidence), percentile_interval(precisions, options.confidence)};
}

}  // namespace deepsad
