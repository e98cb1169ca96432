// One training run and one evaluation, as a single library call each: what `deepsad train` and `deepsad
// evaluate` do.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "deepsad/core/progress.h"
#include "deepsad/data/semi_supervised.h"
#include "deepsad/evaluation/test_scores.h"
#include "deepsad/model/model.h"
#include "deepsad/model/own_rows.h"
#include "deepsad/model/train_options.h"
#include "deepsad/nn/checkpoint.h"

namespace deepsad {

struct AutoencoderResult {
  double train_seconds = 0, test_seconds = 0;
  Metrics metrics;
};

/// Hybrids of oc_svm and ssad: the same detector with a linear kernel, trained beside the model.
struct LinearResult {
  double train_seconds = 0, test_seconds = 0;
  Metrics metrics;
};

/// Where rows that a model had labels for rank among the rows that it had none for, before and after it was
/// trained on: 0 = below all of them, 1 = above; for anomalies the mean rank is the AUC.
struct KeptLabels {
  std::size_t n_rows = 0;
  double rank_before = 0, rank_after = 0;  ///< means
  std::size_t n_worse = 0;                 ///< rows that moved by more than 0.1 to the wrong side
};

/// What going on from a model (option init) changed.
struct WarmStart {
  Metrics before{};  ///< of that model, on the test rows of this run
  /// Of the old model's training set, if it was drawn from the same data, else of the examples that it keeps;
  /// empty without such labels.
  std::optional<KeptLabels> anomalies, normals;
};

/// Everything a finished run knows.
struct TrainRun {
  TrainOptions options;  ///< resolved: seed drawn, network and preset filled in
  std::shared_ptr<const Model> model;
  SemiSupervisedSet training_set;  ///< rows, labels and realised counts
  TestScores test;
  Metrics metrics;
  std::optional<AutoencoderResult> autoencoder;  ///< of the autoencoder or VAE, if pretraining ran
  std::optional<Metrics> untrained;              ///< of the network before any training, if asked for
  std::vector<GeneratedSamples> generated;       ///< images that a generative model drew
  std::optional<OwnResult> own;                  ///< of a run on one's own file
  std::optional<LinearResult> linear;            ///< present for hybrids of oc_svm and ssad
  std::optional<WarmStart> warm_start;           ///< present with option init
  std::vector<PhaseRecord> phases;
  std::vector<Finding> findings;
  std::string fit_report;  ///< JSON text from the detector
  double load_seconds = 0, train_seconds = 0, test_seconds = 0;
  std::size_t n_threads = 0;
  std::string instruction_set;
  std::vector<SourceFile> sources;
  std::shared_ptr<const Dataset> test_data;  ///< raw data that test.rows index, for the image grids
};

/// Loads the data (one's own file: read_own_file()), splits, builds the semi-supervised set, scales, trains,
/// tests. Resolves the options first and reports them through on_resolved (so that a caller can store them
/// before long work starts).
/// @param checkpoint where the training's progress is kept and gone on from; it may be opened in on_resolved
/// @throws InvalidArgument, DataError, NumericError, Interrupted.
[[nodiscard]] TrainRun train_run(const TrainOptions& options, const Observer& observer, const StopToken* stop,
                                 const std::function<void(const TrainOptions&)>& on_resolved = {},
                                 RunCheckpoint* checkpoint = nullptr);

/// Names of the built-in and the named data sets.
[[nodiscard]] std::vector<std::string> data_set_names();

struct Evaluation {
  TestScores test;
  Metrics metrics;
  double test_seconds = 0;
  std::shared_ptr<const Dataset> test_data;
};
/// Scores the test part of `dataset` ("" = the one the model was trained on) with a stored model. Takes the
/// split from the model, and refuses data that differs from what it was trained on (checksum), so that no
/// training row is scored.
[[nodiscard]] Evaluation evaluate_model(const Model& model, const std::string& dataset,
                                        const std::string& data_dir, std::size_t n_threads,
                                        const Observer& observer);

}  // namespace deepsad
