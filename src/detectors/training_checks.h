// Checks that every deep detector runs on itself after training, so that nothing fails silently
// (docs/checks.md).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "deepsad/core/matrix_view.h"
#include "deepsad/data/dataset.h"
#include "deepsad/detectors/detector.h"

namespace deepsad {

/// "constant_scores" if all scores are equal up to rounding: the detector cannot rank anything.
void check_scores_vary(std::span<const float> scores, std::vector<Finding>& findings);

/// "untrained" if the scores before and after training are equal up to rounding.
void check_training_changed(std::span<const float> before, std::span<const float> after,
                            std::vector<Finding>& findings);

/// "collapse" if the network maps all rows to one point: the outputs' total variance is below a millionth of
/// their mean squared length (or all outputs are 0).
void check_no_collapse(MatrixView<const float> outputs, std::vector<Finding>& findings);

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
