#include "deepsad/evaluation/test_scores.h"

#include <fmt/format.h>

#include <algorithm>

#include "deepsad/core/error.h"
#include "deepsad/evaluation/average_precision.h"
#include "deepsad/evaluation/roc_auc.h"

namespace deepsad {
namespace {

constexpr std::uint8_t kTraining = 1, kSelection = 2;

void mark(std::vector<std::uint8_t>& seen, std::span<const std::uint32_t> rows, std::uint8_t by) {
  if (rows.empty()) return;
  const std::size_t needed = std::size_t{*std::max_element(rows.begin(), rows.end())} + 1;
  if (seen.size() < needed) seen.resize(needed);
  for (const std::uint32_t row : rows) seen[row] |= by;
}

}  // namespace

void SplitToken::training_saw(std::span<const std::uint32_t> rows) {
  mark(seen_, rows, kTraining);
}

void SplitToken::selection_saw(std::span<const std::uint32_t> rows) {
  mark(seen_, rows, kSelection);
}

SplitToken::Seen SplitToken::check(std::span<const std::uint32_t> rows) const {
  Seen seen;
  for (const std::uint32_t row : rows) {
    if (row >= seen_.size()) continue;
    if ((seen_[row] & kTraining) != 0) ++seen.by_training;
    if ((seen_[row] & kSelection) != 0) ++seen.by_selection;
  }
  const auto refuse = [&](std::size_t n, const char* by) {
    throw LeakError(
        fmt::format("[metrics] {} of {} test rows were seen by {}, so a test metric over them would mean "
                    "nothing; score held-out rows",
                    n, rows.size(), by));
  };
  if (seen.by_training > 0 && !training_allowed_) refuse(seen.by_training, "training");
  if (seen.by_selection > 0 && !selection_allowed_)
    refuse(seen.by_selection, "the choice of hyper-parameters");
  return seen;
}

Metrics test_metrics(const TestScores& test) {
  if (test.token == nullptr) {
    throw LeakError(
        "[metrics] the scores carry no split token, so that test rows cannot be told from training rows");
  }
  const SplitToken::Seen seen = test.token->check(test.rows);
  Metrics metrics{.roc_auc = roc_auc(std::span<const float>(test.scores), test.labels),
                  .average_precision = average_precision(std::span<const float>(test.scores), test.labels),
                  .n_normal = 0,
                  .n_anomaly = 0,
                  .n_seen_by_training = seen.by_training,
                  .n_seen_by_selection = seen.by_selection};
  for (const TrueLabel label : test.labels)
    ++(label == TrueLabel::normal ? metrics.n_normal : metrics.n_anomaly);
  return metrics;
}

}  // namespace deepsad
