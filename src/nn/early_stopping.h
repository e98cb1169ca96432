// Early stopping: rows held out of a phase of training tell when it no longer learns what holds beyond its
// rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "deepsad/data/dataset.h"
#include "deepsad/nn/state_dict.h"
#include "deepsad/nn/training.h"

namespace deepsad {

/// Rows of a training matrix that a phase trains on, and rows that it is only watched on.
struct RowParts {
  std::vector<std::uint32_t> train;
  std::vector<std::uint32_t> validation;
};

/// Without patience all rows are trained on. With it, floor(validation_share * n) of the n rows of each semi
/// label are held out, drawn from the streams "validation/normal", "validation/unlabelled" and
/// "validation/anomaly" of the seed, so that all phases of a run hold out the same rows. Both parts keep the
/// order of `rows`.
/// @param semi one entry for each row of the training matrix
/// @throws InvalidArgument if the share gives no row at all
[[nodiscard]] RowParts split_off_validation(std::vector<std::uint32_t> rows, std::span<const SemiLabel> semi,
                                            const TrainingOptions& options, std::uint64_t seed,
                                            const std::string& phase);

/// Keeps the weights of the best epoch so far, and says when `patience` epochs have brought nothing better.
class EarlyStopping {
 public:
  explicit EarlyStopping(std::size_t patience) : patience_(patience) {}
  /// Goes on from what the accessors below gave.
  EarlyStopping(std::size_t patience, std::size_t best_epoch, double best_loss, StateDict best_weights)
      : patience_(patience),
        best_epoch_(best_epoch),
        best_loss_(best_epoch == 0 ? std::numeric_limits<double>::infinity() : best_loss),
        weights_(std::move(best_weights)) {}

  /// @param epoch 1-based   @param loss on the validation rows; one that is not finite is no better than any
  /// @return whether these weights are the best so far, so that the caller gives them to keep()
  [[nodiscard]] bool is_best(std::size_t epoch, double loss);
  void keep(StateDict weights) { weights_ = std::move(weights); }
  [[nodiscard]] bool exhausted(std::size_t epoch) const { return epoch - best_epoch_ >= patience_; }

  /// 0 if no epoch had a finite loss.
  [[nodiscard]] std::size_t best_epoch() const { return best_epoch_; }
  [[nodiscard]] double best_loss() const { return best_loss_; }
  [[nodiscard]] const StateDict& best_weights() const { return weights_; }

 private:
  std::size_t patience_;
  std::size_t best_epoch_ = 0;
  double best_loss_ = std::numeric_limits<double>::infinity();
  StateDict weights_;
};

}  // namespace deepsad
