// The supervised deep classifier that the paper compares with.
//
// [1] Ruff et al., "Deep Semi-Supervised Anomaly Detection", ICLR 2020, section 4.1.
#pragma once

#include <memory>

#include "deepsad/detectors/detector.h"
#include "deepsad/nn/network_spec.h"
#include "deepsad/nn/training.h"

namespace deepsad {

struct ClassifierOptions {
  TrainingOptions training{};
};

/// The network's encoder with one more linear layer to a single logit z, trained with the mean over a batch
/// of the binary cross-entropy log(1 + e^z) - t z; t = 1 for rows labelled anomalous, 0 for all others:
/// unlabelled rows count as normal [1]. Score: z, the log odds of an anomaly. The decoder is not used. fit()
/// throws InvalidArgument if there is no labelled anomaly: there would be one class only.
/// @throws InvalidArgument for a bad network or option
[[nodiscard]] std::unique_ptr<Detector> make_classifier(const NetworkDefinition& network,
                                                        const ClassifierOptions& options);

}  // namespace deepsad
