// From the scores of rows that training did not see to p-values and a threshold.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/data/dataset.h"
#include "deepsad/data/table_file.h"
#include "deepsad/model/decision.h"
#include "deepsad/model/model.h"

namespace deepsad {

/// Rows held out of training.
struct CalibrationRows {
  std::span<const float> scores;
  std::span<const SemiLabel> labels;  ///< one a score
  std::string name;                   ///< "300 rows of orders.csv held out of training"
};

/// As the training options of the same names.
struct DecisionOptions {
  std::string threshold = "auto";   ///< auto, none, or what parse_threshold_request() reads
  std::string contamination = "0";  ///< auto, or a share in [0, 0.5)
};

struct ChosenDecision {
  Decision decision;
  std::vector<std::string> notes;  ///< how it was chosen and what it promises, a sentence or two each
};

/// Calibration on the rows not labelled anomalous, and a threshold on them; best-f1: on the rows labelled
/// normal or anomalous. Without rows there is no calibration, and a threshold only if it is manual.
///
/// threshold auto is target-fpr with the smallest of the rates 0.05, 0.1, 0.2 that the number of rows allows.
/// contamination auto takes as many of the largest scores for anomalies as stand clear of the rest
/// (n_outstanding(), outstanding.h), but none at or below the score of a row labelled normal; with
/// contamination 0 they are counted in a note. Why 0.05 and 0, and not a smaller rate with anomalies left
/// out: the promise then needs no assumption on the anomalies, and on the paper's tables no other rule of 17
/// found a better balance over Deep SAD, Deep SVDD, isolation forest and kernel densities.
/// @throws InvalidArgument as choose_threshold(), best_f1_threshold(); NumericError if a score is NaN
[[nodiscard]] ChosenDecision choose_decision(const CalibrationRows& rows, const DecisionOptions& options);

/// A threshold on a calibration that is there already. @param rows which rows it is of, in words
/// @throws as choose_decision(); InvalidArgument if the threshold is best-f1 or the contamination auto, which
/// need the rows' labels
[[nodiscard]] ChosenDecision decide_on(ConformalCalibration calibration, const std::string& rows,
                                       const DecisionOptions& options);

/// Rows of a table, scored, from which CalibrationRows are made.
struct CalibrationSet {
  std::vector<float> scores;
  std::vector<SemiLabel> labels;      ///< one a score
  std::string name;                   ///< as CalibrationRows
  std::vector<std::string> messages;  ///< as UnseenRows
};

/// Those of unseen_rows(), seen_rows.h: a threshold chosen on training rows would raise too many false
/// alarms.
/// @throws as unseen_rows(), Model::score()
[[nodiscard]] CalibrationSet calibration_set(const Model& model, const Table& table, bool keep_training_rows,
                                             ThreadPool& pool);

}  // namespace deepsad
