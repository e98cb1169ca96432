// Going on from a model (option init): whether it may, and what training on made of what it knew.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "deepsad/detectors/detector.h"
#include "deepsad/model/model.h"
#include "deepsad/model/train_options.h"
#include "deepsad/model/train_run.h"
#include "model/data_source.h"

namespace deepsad {

/// The model that options.init names, and its tensors for FitContext::start.
struct StartModel {
  std::shared_ptr<const Model> model;
  StateDict tensors;
};

/// @param detector of the run, not trained yet   @param test_rows of the run, of a table
/// @throws InvalidArgument if the model has another method, network or shape of samples, or its scaling is
/// not the one that was asked for; or if it saw rows that will be tested: another split of the same table
[[nodiscard]] StartModel load_start(const TrainOptions& options, const Detector& detector,
                                    const SourceData& source, const std::vector<std::uint32_t>& test_rows);

/// Where labelled rows rank among unlabelled ones, by the scores of two models.
/// @param labelled scores of the labelled rows   @param others of the unlabelled ones
/// @param anomalous whether the labels say so: then a high rank is right, else a low one
[[nodiscard]] KeptLabels kept_labels(std::span<const float> labelled_before,
                                     std::span<const float> others_before,
                                     std::span<const float> labelled_after,
                                     std::span<const float> others_after, bool anomalous);

/// The finding "labels_forgotten", if rows that the old model had labels for rank worse than before.
void check_labels_kept(const WarmStart& warm_start, std::vector<Finding>& findings);

}  // namespace deepsad
