// The supervised deep classifier that the paper compares with.
//
// [1] Ruff et al., "Deep Semi-Supervised Anomaly Detection", ICLR 2020, section 4.1.
#pragma once

#include <memory>
#include <string>

#include "deepsad/detectors/detector.h"
#include "deepsad/nn/network_spec.h"
#include "deepsad/nn/training.h"

namespace deepsad {

/// Weight of a row's loss. balanced: n / (2 n_t), with n training rows of which n_t have the row's class, so
/// that both classes weigh the same, however few anomalies are labelled (King and Zeng 2001).
enum class ClassWeights { none, balanced };
[[nodiscard]] const char* to_string(ClassWeights weights);
/// @throws InvalidArgument if `name` is neither "none" nor "balanced"
[[nodiscard]] ClassWeights class_weights_from_name(const std::string& name);

struct ClassifierOptions {
  TrainingOptions training{};
  ClassWeights class_weights = ClassWeights::none;
};

/// The network's encoder with one more linear layer to a single logit z, trained with the mean over a batch
/// of the binary cross-entropy w_t (log(1 + e^z) - t z); t = 1 for rows labelled anomalous, 0 for all others:
/// unlabelled rows count as normal [1]; w_t = 1 or as ClassWeights says. Score: z, the log odds of an anomaly
/// (with balanced weights: among rows of which half are anomalous). The decoder is not used. fit() throws
/// InvalidArgument if there is no labelled anomaly: there would be one class only.
/// @throws InvalidArgument for a bad network or option
[[nodiscard]] std::unique_ptr<Detector> make_classifier(const NetworkDefinition& network,
                                                        const ClassifierOptions& options);

}  // namespace deepsad
