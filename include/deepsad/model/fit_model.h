// Training a model on rows in memory: the call behind the Python module, and for programs of one's own.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/progress.h"
#include "deepsad/data/dataset.h"
#include "deepsad/data/raw_rows.h"
#include "deepsad/model/model.h"
#include "deepsad/model/train_options.h"

namespace deepsad {

/// A training set as it is: nothing is held out, drawn or relabelled.
struct RowsToFit {
  RawRows rows;                           ///< raw values; scaled inside, by constants of these very rows
  std::span<const SemiLabel> semi;        ///< one entry a row; empty: all are unlabelled
  std::vector<std::size_t> sample_shape;  ///< {C, H, W} for images; empty: a table
  /// Go on from this model instead of from fresh weights, with its scaling; options.init is its name.
  std::shared_ptr<const Model> start = nullptr;
};

/// What fit_model() gives.
struct FittedModel {
  TrainOptions options;  ///< resolved: seed drawn, network and scaling filled in
  std::shared_ptr<const Model> model;
  std::vector<PhaseRecord> phases;
  std::vector<Finding> findings;
  std::string fit_report;  ///< JSON text from the detector
};

/// Scales the rows and trains the method of the options on them. Options about data sets (dataset, classes,
/// ratios) have no say here.
/// @throws InvalidArgument for options that contradict each other or the rows, that need a test part
/// (selection test-leak) or another model's split (load_ae); for labels of another number than rows; for a
/// start of another method, network, shape, scaling or features
/// @throws DataError as Scaler::fit_table; NumericError, Interrupted
[[nodiscard]] FittedModel fit_model(const TrainOptions& options, const RowsToFit& data,
                                    const Observer& observer, const StopToken* stop);

}  // namespace deepsad
