// The one training loop of all deep methods.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/matrix_view.h"
#include "deepsad/core/progress.h"
#include "deepsad/nn/checkpoint.h"
#include "deepsad/nn/training.h"
#include "nn/early_stopping.h"
#include "nn/plan.h"

namespace deepsad {

/// @throws InvalidArgument naming the option, e.g. "batch_size must be at least 1, got 0".
void validate(const TrainingOptions& options);

/// Learning rate of 0-based epoch e: lr 0.1^k, k the number of milestones m <= e; with reference_quirks m <=
/// e + 1 (T8).
[[nodiscard]] double learning_rate_at(const TrainingOptions& options, std::size_t epoch);

/// Where the batches of an epoch over n rows end: full batches, then the rest. A rest of a single row joins
/// the batch before it, because a batch of one has no variance; with reference_quirks the rest is dropped
/// (T12).
/// @throws InvalidArgument with reference_quirks if there is no full batch.
[[nodiscard]] std::vector<std::size_t> batch_ends(std::size_t n, const TrainingOptions& options);
/// Rows of the largest batch.
[[nodiscard]] std::size_t largest_batch(std::size_t n, const TrainingOptions& options);

/// What the loop trains: a network with its loss, or several networks that share their steps.
class TrainingStep {
 public:
  virtual ~TrainingStep() = default;
  /// Forward and backward pass over a batch of rows; returns its loss.
  virtual double forward_backward(std::span<const std::uint32_t> rows) = 0;
  /// One step of the optimiser with the last gradient.
  virtual void update(float learning_rate, float weight_decay) = 0;
  /// The first weight that is not finite, by name; "" if all are.
  [[nodiscard]] virtual std::string non_finite_tensor() const = 0;
  /// What is wrong when a batch's loss is not finite, as Plan::first_non_finite.
  [[nodiscard]] virtual std::string first_non_finite(std::span<const std::uint32_t> rows) = 0;

  // For early stopping.
  /// Mean loss of these rows as the networks stand, in evaluation mode; the rows are the same in every call.
  /// Changes neither weights nor statistics nor the noise of later steps.
  [[nodiscard]] virtual double validation_loss(std::span<const std::uint32_t> rows) = 0;
  /// Weights and running statistics; load() takes them back.
  [[nodiscard]] virtual StateDict weights() const = 0;
  virtual void load(const StateDict& weights) = 0;

  // For checkpoints, between two epochs.
  /// Everything that later steps depend on; load_training_state() goes on from there to the same bits.
  [[nodiscard]] virtual StateDict training_state() const = 0;
  /// @throws InvalidArgument if tensors are missing, extra or of another shape
  virtual void load_training_state(const StateDict& state) = 0;
};

struct TrainingPhase {
  std::string name;            ///< "pretraining" or "training", for progress and messages
  std::string shuffle_stream;  ///< orders of epoch e come from stream "shuffle/<shuffle_stream>", index e
  const TrainingOptions& options;
  std::uint64_t seed;
  const Observer& observer;
  const StopToken* stop = nullptr;
  /// Called after every step with the 0-based epoch and the batch's rows; may be empty.
  std::function<void(std::size_t epoch, std::span<const std::uint32_t> batch)> after_step = {};
  /// Where the phase's progress is kept under its name, and gone on from; null: nowhere.
  RunCheckpoint* checkpoint = nullptr;
  /// What after_step() carries from step to step, for the checkpoint; both or none.
  std::function<std::vector<float>()> carried = {};
  std::function<void(std::span<const float>)> restore_carried = {};
};

/// Trains on the given rows, shuffled anew in every epoch from the phase's stream of that epoch. With
/// validation rows it ends, and goes back to the best epoch, as TrainingOptions::patience says. With a
/// checkpoint it goes on where that ends, to the same bits as without a break.
/// @throws InvalidArgument for bad options or no rows; NumericError naming epoch, batch and layer if a loss
/// is not finite, or the tensor if the last step left one that is not; Interrupted after the step in which
/// the stop was asked for.
TrainingHistory train(TrainingStep& step, const RowParts& rows, const TrainingPhase& phase);

/// The same for one network on rows of x.
TrainingHistory train(Plan<float>& plan, const Loss<float>& loss, MatrixView<const float> x,
                      const RowParts& rows, const TrainingPhase& phase);

}  // namespace deepsad
