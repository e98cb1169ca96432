// What a run on a file of one's own knows of its rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "deepsad/data/dataset.h"
#include "deepsad/data/hold_out.h"
#include "deepsad/data/table_file.h"
#include "deepsad/evaluation/threshold_metrics.h"
#include "deepsad/model/decision.h"
#include "deepsad/model/table_schema.h"

namespace deepsad {

/// What is known of the rows of one's own file besides their values.
struct OwnRows {
  std::string name;  ///< of the file without its folder, or "standard input"
  /// Semi labels, a row each; all unlabelled without a label column.
  std::vector<SemiLabel> semi;
  bool has_labels = false, has_truth = false;
  std::vector<std::uint64_t> lines;   ///< of text: where each row starts; else its position from 1
  HoldOut parts;                      ///< without the rows that were left out
  std::vector<RefusedRow> left_out;   ///< held-out rows that the schema refuses
  std::optional<TableSchema> schema;  ///< empty for images
  std::vector<std::string> messages;  ///< what was detected, counted, left out; one sentence each
};

/// What a run on one's own file knows besides.
struct OwnResult {
  std::shared_ptr<const OwnRows> rows;
  std::vector<float> calibration_scores;         ///< of rows->parts.calibration
  Decision decision;                             ///< that the model got
  std::vector<std::string> notes;                ///< how the threshold was chosen, for a person
  std::optional<ThresholdMetrics> at_threshold;  ///< of the test rows, if there are true labels
};

}  // namespace deepsad
