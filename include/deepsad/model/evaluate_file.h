// A stored model on a file of one's own whose truth is known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/data/row_file.h"
#include "deepsad/evaluation/score_report.h"
#include "deepsad/evaluation/test_scores.h"
#include "deepsad/model/model.h"

namespace deepsad {

struct EvaluateFileOptions {
  /// Names the column of true labels, or of semi labels: then rows without a label are left out. The schema
  /// is the model's, and so are the label maps unless others are given.
  RowFileOptions file{};
  /// Text files: a column whose texts are the classes to report one by one; empty: that of the labels, if it
  /// has more than two different texts or known_classes names some of them.
  std::string class_column{};
  std::vector<std::string> known_classes{};  ///< classes whose anomalies training was shown
  std::optional<Threshold> threshold{};      ///< instead of the model's
  std::size_t n_repetitions = 1000;          ///< of the bootstrap
  bool keep_training_rows = false;           ///< as unseen_rows()
};

struct FileEvaluation {
  ScoreReport report;
  TestScores test;                    ///< rows as positions in the file; no token
  std::vector<std::string> messages;  ///< what was read, left out, and cannot be known
};

/// Reads the file whole (read_rows()), scores it and compares with its labels. Rows that the model was
/// trained on do not count (unseen_rows()).
/// @throws InvalidArgument if no column of labels is named, or columns are not there; as read_rows()
/// @throws DataError if no row has a label; as unseen_rows()
[[nodiscard]] FileEvaluation evaluate_file(const Model& model, const std::string& path,
                                           const EvaluateFileOptions& options, ThreadPool& pool);

}  // namespace deepsad
