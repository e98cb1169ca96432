// Options and record of one training phase.
#pragma once

#include <cstddef>
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
};

/// What one epoch did.
struct EpochRecord {
  double loss = 0;           ///< mean over batches of the batch mean, as the reference logs it
  double learning_rate = 0;  ///< rate in force during the epoch
  double seconds = 0;
};

/// Record of a phase.
struct TrainingHistory {
  std::vector<EpochRecord> epochs;
  double seconds = 0;  ///< wall clock of the epoch loop
};

}  // namespace deepsad
