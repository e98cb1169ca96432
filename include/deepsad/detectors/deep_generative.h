// The deep generative models: VAE (M1), M2 and M1+M2. Formulas: docs/methods/deep-generative.md.
//
// [1] Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014.
// [2] Kingma, Mohamed, Rezende and Welling, "Semi-supervised Learning with Deep Generative Models", NeurIPS
// 2014. [3] Ruff et al., "Deep Semi-Supervised Anomaly Detection", ICLR 2020: M2 and M1+M2 as the baseline
// SS-DGM.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "deepsad/detectors/detector.h"
#include "deepsad/nn/generative_network.h"
#include "deepsad/nn/training.h"

namespace deepsad {

/// Form of the posterior's log-variance v from the network's raw value s.
enum class LogVarianceForm {
  bounded,   ///< v = 8 tanh(s / 8)
  softplus,  ///< v = log(1 + e^s) > 0, as the reference (T22): the posterior is never narrower than the prior
};
/// How the divergence of the posterior from the prior is computed.
enum class KlForm {
  closed_form,
  single_sample,  ///< log q(z) - log p(z) at the one sample, as the reference
};

struct BoundOptions {
  LogVarianceForm log_variance = LogVarianceForm::bounded;
  KlForm kl = KlForm::closed_form;
};

struct VaeOptions {
  TrainingOptions training{.learning_rate = 0.001, .n_epochs = 100};
  BoundOptions bound{};
  /// 0: score from the mean code; K: mean over K codes drawn with noise that is the same for every row and
  /// model.
  std::size_t score_samples = 0;
  bool exclude_labelled_anomalies = false;  ///< leave rows with semi label -1 out of the training
};

/// Weights of the rows of a batch in L (labelled), U (unlabelled) and C (classification).
enum class TermWeights {
  means,   ///< each term is a mean over its own rows, as in the reference
  counts,  ///< every row weighs the same, as in [2]
};

struct DeepGenerativeOptions {
  TrainingOptions training{};
  /// Weight of the classification term, >= 0; nothing: 0.1 unlabelled / labelled rows, as in the reference.
  std::optional<double> alpha{};
  TermWeights weights = TermWeights::means;
  BoundOptions bound{};
  VaeOptions pretraining{};  ///< of m1m2's VAE
  /// Compatibility: the only labelled row of a batch is not used (T17).
  bool drop_single_labelled = false;
};

/// VAE [1]: trained on the evidence lower bound, labels ignored. Score: the cross-entropy of a row and its
/// reconstruction, summed over features. Features are seen as probabilities, so they should lie in [0, 1].
[[nodiscard]] std::unique_ptr<Detector> make_vae(const GenerativeNetwork& network, const VaeOptions& options);

/// M2 or M1+M2 [2], J = L + U + alpha C. Score: q(y = anomalous | x). fit() wants at least one labelled row,
/// and an explicit alpha if all are labelled, for 0.1 unlabelled / labelled would be 0 and leave the
/// classifier untrained.
/// @param kind m2 or m1m2
[[nodiscard]] std::unique_ptr<Detector> make_deep_generative(const GenerativeNetwork& network,
                                                             GenerativeKind kind,
                                                             const DeepGenerativeOptions& options);

}  // namespace deepsad
