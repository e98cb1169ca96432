// Going on from a model (option init): whether it may, and what training on made of what it knew.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "deepsad/detectors/detector.h"
#include "deepsad/model/model.h"
#include "deepsad/model/train_options.h"
#include "deepsad/model/train_run.h"
#include "model/data_source.h"

namespace deepsad {

/// A model to go on from, and its tensors for FitContext::start.
struct StartModel {
  std::shared_ptr<const Model> model;
  std::string name;  ///< its file, for messages
  StateDict tensors;
};

/// Begins a run that goes on from a model: the options get its scaling and, if they name no network, its
/// network if that is one of the catalogue.
/// @param rows name of the run's rows, for messages
/// @throws InvalidArgument if the model has another method or shape of samples, or another scaling was asked
/// for
[[nodiscard]] StartModel start_from(std::shared_ptr<const Model> model, std::string name,
                                    const Shape& sample_shape, const std::string& rows,
                                    TrainOptions& options);

/// @param detector of the run, not trained yet   @throws InvalidArgument if the model has another network
void check_network(const StartModel& start, const Detector& detector);

/// That the model was trained on no row that will be tested: the data and the split are the same, or no test
/// row has the values of one of its training rows.
/// @param test_rows of `tested`   @param name of the run's data
/// @throws InvalidArgument if it was, or that cannot be told
void check_unseen(const StartModel& start, const SourceData& source, const Dataset& tested,
                  const std::vector<std::uint32_t>& test_rows, const std::string& name, ThreadPool& pool);

/// Takes the rows of one's own file that the model was trained on, or may have been, out of the parts that
/// are held out, and into the training rows; messages say how many.
/// @param name of the model's file   @throws InvalidArgument if it cannot tell its training rows
void train_on_seen_rows(const Model& start, const std::string& name, const Dataset& data, OwnRows& rows,
                        ThreadPool& pool);

/// Where labelled rows that the old model keeps as examples rank among the unlabelled ones of a training set,
/// before and after. An example that this set holds with another label is left out: its label was mended.
void compare_examples(const Model& old, const Detector& detector, const TrainingSet& training,
                      ThreadPool& pool, WarmStart& result);

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
