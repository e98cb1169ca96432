// What the rank-based metrics share: samples grouped by score.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/data/dataset.h"

namespace deepsad {

/// How many samples of each kind have one and the same score.
struct ScoreGroup {
  std::uint64_t normals = 0;
  std::uint64_t anomalies = 0;
};

/// The groups of equal score, from the smallest score to the largest; -0 equals 0.
template <class T>
std::vector<ScoreGroup> group_by_score(std::span<const T> scores, std::span<const TrueLabel> labels,
                                       const char* operation) {
  if (scores.size() != labels.size()) {
    throw InvalidArgument(
        fmt::format("[{}] {} scores but {} labels", operation, scores.size(), labels.size()));
  }
  struct Entry {
    T score;
    TrueLabel label;
  };
  std::vector<Entry> entries;
  entries.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) throw NumericError(fmt::format("[{}] score {} is NaN", operation, i));
    entries.push_back({scores[i], labels[i]});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.score < b.score; });
  std::vector<ScoreGroup> groups;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i == 0 || entries[i - 1].score < entries[i].score) groups.emplace_back();
    ++(entries[i].label == TrueLabel::anomaly ? groups.back().anomalies : groups.back().normals);
  }
  return groups;
}

}  // namespace deepsad
