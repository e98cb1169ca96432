// Options and record of one training phase.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace deepsad {

/// One phase of training by Adam (betas 0.9, 0.999, epsilon 1e-8, coupled L2 decay; Kingma and Ba 2015).
struct TrainingOptions {
  double learning_rate = 0.001;           ///< > 0
  std::size_t n_epochs = 50;              ///< >= 0
  std::vector<std::size_t> milestones{};  ///< ascending epochs; from epoch m (0-based) on the rate is a tenth
  std::size_t batch_size =
      128;  ///< >= 1; an incomplete last batch is used, a single left-over row joins the one before
  double weight_decay = 1e-6;  ///< >= 0: gradient += weight_decay * w
  bool reference_quirks =
      false;  ///< --compat reference: milestones one epoch early (T8), incomplete batch dropped
  /// Early stopping: end after so many epochs without a lower loss on held-out rows, and go back to the
  /// weights of the best epoch; 0 = train all epochs on all rows.
  std::size_t patience = 0;
  double validation_share = 0.1;  ///< in (0, 1): rows of each kind held out for that
};

/// What one epoch did.
struct EpochRecord {
  double loss = 0;           ///< mean over batches of the batch mean, as the reference logs it
  double learning_rate = 0;  ///< rate in force during the epoch
  double seconds = 0;
  /// Mean loss of the held-out rows after the epoch, with running statistics; only with patience.
  std::optional<double> validation_loss = {};
};

/// Record of a phase.
struct TrainingHistory {
  std::vector<EpochRecord> epochs;
  double seconds = 0;  ///< wall clock of the epoch loop
  /// 1-based epoch whose weights were kept, where that was decided on held-out rows; 0 = the last one.
  std::size_t best_epoch = 0;
};

}  // namespace deepsad
