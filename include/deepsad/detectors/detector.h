// The interface behind which every anomaly detector stands. Larger score = more anomalous, for every method.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/matrix_view.h"
#include "deepsad/core/parallel.h"
#include "deepsad/core/progress.h"
#include "deepsad/data/dataset.h"
#include "deepsad/detectors/scoring_network.h"
#include "deepsad/nn/state_dict.h"
#include "deepsad/nn/training.h"

namespace deepsad {

/// What fit() sees: scaled features, one row a sample, and what is known of each. Both views outlive the
/// call.
struct TrainingSet {
  MatrixView<const float> x;
  std::span<const SemiLabel> semi;
};

/// Rows with their true labels.
struct LabelledRows {
  MatrixView<const float> x;
  std::span<const TrueLabel> labels;
};

class AutoencoderCache;
class RunCheckpoint;

/// Everything fit() may use besides the data.
struct FitContext {
  ThreadPool& pool;
  std::uint64_t seed = 0;
  const Observer& observer;
  const StopToken* stop = nullptr;
  /// Rows of the test part to choose hyper-parameters on, for comparison with results that were got that way;
  /// the detector then reports the finding "test_leak".
  const LabelledRows* leaked = nullptr;
  std::size_t memory_budget = 0;             ///< bytes for kernel matrices; 0 = half of the machine's memory
  AutoencoderCache* autoencoders = nullptr;  ///< to share pretraining with other runs, or null
  RunCheckpoint* checkpoint = nullptr;  ///< deep methods keep their progress there and go on from it, or null
  /// tensors() of a fitted detector of the same method and network that a deep method goes on from, without
  /// pretraining and with its centre; or null, to begin with fresh weights.
  const StateDict* start = nullptr;
};

/// Something noticed in training that a user must not overlook; `name` is stable (docs/checks.md).
struct Finding {
  std::string
      name;  ///< "constant_scores", "collapse", "untrained", "nothing_transferred", "labels_ignored", ...
  std::string text;  ///< what was found, what it means, what to do
};

/// A tensor of a fitted detector, as stored in the model file.
using DetectorTensor = StateTensor;

/// Samples that a generative model drew: what it has learned.
struct GeneratedSamples {
  std::string name;  ///< "normal", "anomalous"; "" where the model knows no labels
  Matrix<float> x;   ///< one scaled sample a row, values in [0, 1]
};

/// A record of one phase for the run's files: "pretraining" (of the autoencoder) or "training".
struct PhaseRecord {
  std::string name;
  TrainingOptions options;
  TrainingHistory history;
};

class Detector {
 public:
  virtual ~Detector() = default;

  /// The method's name in the registry: "deep_sad", "vae", ...
  [[nodiscard]] virtual std::string method() const = 0;
  /// Number of features a row must have.
  [[nodiscard]] virtual std::size_t n_features() const = 0;
  /// Trains from scratch. @throws InvalidArgument, NumericError, Interrupted.
  virtual void fit(const TrainingSet& data, FitContext& context) = 0;
  /// scores[i] of row i; const and safe from several threads at once, each with its own pool. A row's score
  /// depends on nothing but that row. @throws InvalidArgument if not fitted or the shapes disagree.
  virtual void score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const = 0;

  /// Whether score_gradient() serves: the score has a derivative almost everywhere, and it is known.
  [[nodiscard]] virtual bool has_score_gradient() const { return false; }
  /// The score of every row (score()'s up to rounding) and its gradient with respect to the row as the
  /// detector sees it, scaled: gradient_ij = d s_i / d x_ij. At a kink (leaky ReLU at 0, a tie in a max pool)
  /// the derivative of one side. Const and safe from several threads, each with its own pool; a row's result
  /// depends on that row alone; same bits at any thread count. Cost: about three times score().
  /// @param gradient x.rows() x n_features()
  /// @throws InvalidArgument if has_score_gradient() is false, or as score()
  virtual void score_gradient(MatrixView<const float> x, std::span<double> scores, MatrixView<float> gradient,
                              ThreadPool& pool) const;

  /// Options, network and everything else that is not a tensor, as JSON text; with tensors() all that a model
  /// file needs.
  [[nodiscard]] virtual std::string description() const = 0;
  [[nodiscard]] virtual std::vector<DetectorTensor> tensors() const = 0;
  /// Phases of the last fit(), in order; empty after loading.
  [[nodiscard]] virtual const std::vector<PhaseRecord>& phases() const = 0;
  /// What the last fit() noticed.
  [[nodiscard]] virtual const std::vector<Finding>& findings() const = 0;
  /// Facts of the last fit() for results.json as JSON text (clamped components, transferred tensors, radius,
  /// ...).
  [[nodiscard]] virtual std::string fit_report() const = 0;
  /// The autoencoder or VAE that pretraining left, as a detector of its own (score: reconstruction error), or
  /// nullptr.
  [[nodiscard]] virtual std::unique_ptr<Detector> pretrained_autoencoder() const { return nullptr; }
  /// The detector as it was before its own training (after transfer, with its centre), to tell whether
  /// training changed anything, or nullptr.
  [[nodiscard]] virtual std::unique_ptr<Detector> before_training() const { return nullptr; }
  /// What score() computes, as data, or nothing if it is no chain of layers with a ScoreForm behind it, or
  /// the detector is not fitted. Up to rounding: score() sums in an order of its own.
  [[nodiscard]] virtual std::optional<ScoringNetwork> scoring_network() const { return std::nullopt; }
  /// n samples of each kind that a generative model can draw, the same for the same seed; nothing from
  /// others.
  [[nodiscard]] virtual std::vector<GeneratedSamples> generate(std::size_t /*n*/, std::uint64_t /*seed*/,
                                                               ThreadPool& /*pool*/) const {
    return {};
  }
};

/// Rebuilds a detector from what tensors() and description() gave.
/// @throws ModelError naming `source` and what is missing, extra or of the wrong shape.
[[nodiscard]] std::unique_ptr<Detector> restore_detector(const std::string& method,
                                                         const std::string& description,
                                                         std::vector<DetectorTensor> tensors,
                                                         const std::string& source);

/// Names of all methods, in the order of the registry.
[[nodiscard]] const std::vector<std::string>& detector_methods();

}  // namespace deepsad
