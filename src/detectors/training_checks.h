// Checks that every deep detector runs on itself after training, so that nothing fails silently
// (docs/checks.md).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "deepsad/core/matrix_view.h"
#include "deepsad/data/dataset.h"
#include "deepsad/detectors/detector.h"
#include "deepsad/nn/network_spec.h"

namespace deepsad {

/// "constant_scores" if all scores are equal up to rounding: the detector cannot rank anything.
void check_scores_vary(std::span<const float> scores, std::vector<Finding>& findings);

/// "untrained" if the scores before and after training are equal up to rounding; "ranking_unchanged" if they
/// rank the rows alike (rank correlation above kSameRanking).
inline constexpr double kSameRanking = 0.999;
void check_training_changed(std::span<const float> before, std::span<const float> after,
                            std::vector<Finding>& findings);

/// "collapse" if the network maps all rows to one point: the outputs' total variance is below a millionth of
/// their mean squared length (or all outputs are 0).
void check_no_collapse(MatrixView<const float> outputs, std::vector<Finding>& findings);

/// "dead_units" if more than half of the units of a layer give the same output for all rows of x, up to
/// kDeadSpread of what the layer's outputs spread: hidden units behind an activation (of maps channels), and,
/// with `outputs`, those of the last layer. Looks at no more than kRowsForUnits rows; nothing to check with
/// fewer than kLeastRowsForUnits.
inline constexpr double kDeadSpread = 1e-5;
inline constexpr std::size_t kRowsForUnits = 256, kLeastRowsForUnits = 16;
void check_units(const NetworkSpec& spec, const StateDict& state, bool outputs, MatrixView<const float> x,
                 ThreadPool& pool, std::vector<Finding>& findings);

/// "anomaly_term_explodes" if the term eta / (d + epsilon) of one row labelled anomalous is more than
/// kExplosion times what a batch of rows with the mean of all other terms would sum to, so that this row
/// alone says where training goes. @param distances |z - c|^2 of all rows   @param when "before", "after"
inline constexpr double kExplosion = 10;
void check_anomaly_term(std::span<const float> distances, std::span<const SemiLabel> semi, double eta,
                        double epsilon, std::size_t batch_size, const char* when,
                        std::vector<Finding>& findings);

/// "auc_below_half" if anomalies score lower than normal rows by more than chance: AUC below 1/2 by
/// kDeviations standard deviations of an AUC without any information, sqrt((n + m + 1) / (12 n m)), and below
/// kLowAuc. @param rows "test rows", for the text
inline constexpr double kDeviations = 4, kLowAuc = 0.45;
void check_auc(double auc, std::size_t n_normal, std::size_t n_anomaly, const std::string& rows,
               std::vector<Finding>& findings);

/// "labels_ignored" if rows labelled anomalous do not score higher than the other training rows (AUC of
/// training scores at most 0.5). Nothing to check without such rows.
void check_labels_used(std::span<const float> scores, std::span<const SemiLabel> semi,
                       std::vector<Finding>& findings);

/// "labels_ignored" if there are labels that the method never looks at.
void check_labels_wanted(const std::string& method, std::span<const SemiLabel> semi,
                         std::vector<Finding>& findings);

/// What a pretraining noticed, named as such, for the findings of the whole.
void add_pretraining_findings(const Detector& pretrained, std::vector<Finding>& findings);

}  // namespace deepsad
