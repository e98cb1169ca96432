// From scores to decisions: what `deepsad score` writes, a chunk of rows at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/data/raw_rows.h"
#include "deepsad/evaluation/threshold.h"
#include "deepsad/model/model.h"

namespace deepsad {

/// What a model says of some rows, an entry a row.
struct ScoredRows {
  std::vector<float> scores;  ///< larger = more anomalous
  /// Whether the score is larger than the threshold; empty without one.
  std::vector<std::uint8_t> anomalous;
  /// Conformal p-values; empty if the model is not calibrated.
  std::vector<double> p_values;

  [[nodiscard]] std::size_t size() const { return scores.size(); }
};

/// Labels and p-values of scores that the model gave.
/// @param threshold instead of the model's; empty: the model's, if it has one
[[nodiscard]] ScoredRows decide(const Model& model, std::vector<float> scores,
                                const std::optional<Threshold>& threshold = {});

/// Scores raw rows, which lie as the model's schema encodes them, and decides on each. A row's result depends
/// on nothing but that row. @throws DataError as Model::score
[[nodiscard]] ScoredRows score_and_decide(const Model& model, const RawRows& rows,
                                          const std::optional<Threshold>& threshold, ThreadPool& pool);

/// Which columns there are behind "row,score": those that the model and the options give.
struct ScoreColumns {
  bool label = false;    ///< normal or anomaly
  bool p_value = false;  ///< conformal p-value
  bool fdr = false;      ///< q_value and fdr_label
};
/// @param threshold instead of the model's
[[nodiscard]] ScoreColumns score_columns(const Model& model, const std::optional<Threshold>& threshold,
                                         bool with_fdr);

/// "row,score" and the names of the columns.
[[nodiscard]] std::string scores_csv_header(const ScoreColumns& columns);

/// The decision of Benjamini and Hochberg over a whole batch.
struct BatchDecisions {
  std::vector<double> q_values;  ///< adjusted p-values, conformal.h
  double level = 0;              ///< rows with q_value <= level are anomalous
};

/// Appends a line a row to `text` (docs/score-output.md). Scores have the fewest digits that give the same
/// float32 back. A cell is empty where the rows lack what the column is for.
/// @param names of the rows, quoted where CSV needs it   @param batch empty q_values: none
/// @throws InvalidArgument if there is not one name a row
void append_scores_csv(const ScoredRows& rows, std::span<const std::string> names,
                       const ScoreColumns& columns, const BatchDecisions& batch, std::string& text);

}  // namespace deepsad
