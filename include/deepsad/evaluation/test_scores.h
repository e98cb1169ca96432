// Scores of a test part, with a token that says which rows nobody may be tested on; and their metrics, which
// refuse such rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "deepsad/data/dataset.h"

namespace deepsad {

/// Which rows of the data set that scores belong to were seen: by training (scaler, network, centre) or by
/// the choice of hyper-parameters. Made where a split is drawn, it travels with every score.
class SplitToken {
 public:
  /// Such rows are seen; metrics over them are refused.
  void training_saw(std::span<const std::uint32_t> rows);
  void selection_saw(std::span<const std::uint32_t> rows);
  /// A mode in which this leak is what was asked for (--compat reference, --selection test-leak): metrics are
  /// computed, and marked.
  void allow_training_rows() { training_allowed_ = true; }
  void allow_selection_rows() { selection_allowed_ = true; }

  struct Seen {
    std::size_t by_training = 0, by_selection = 0;
  };
  /// How many of these rows were seen. @throws LeakError if any was, by what is not allowed
  [[nodiscard]] Seen check(std::span<const std::uint32_t> rows) const;

 private:
  std::vector<std::uint8_t> seen_;  // of each row: bits kTraining, kSelection; rows beyond the end are unseen
  bool training_allowed_ = false, selection_allowed_ = false;
};

/// Scores of a test part, with where they come from.
struct TestScores {
  std::vector<std::uint32_t> rows;  ///< position in the data set's test part (images) or in the file (tables)
  std::vector<TrueLabel> labels;
  std::vector<float> scores;
  std::vector<int> classes{};                    ///< original classes, or empty
  std::shared_ptr<const SplitToken> token = {};  ///< of the data set that `rows` are rows of
};

struct Metrics {
  double roc_auc = 0;            ///< NaN if the test set has one class only
  double average_precision = 0;  ///< NaN likewise
  std::size_t n_normal = 0, n_anomaly = 0;
  /// Rows that training or selection saw, where that was asked for: the figures are too good.
  std::size_t n_seen_by_training = 0, n_seen_by_selection = 0;
};

/// ROC AUC and average precision. @throws LeakError if the scores carry no token, or it forbids one of their
/// rows; otherwise as roc_auc()
[[nodiscard]] Metrics test_metrics(const TestScores& test);

}  // namespace deepsad
