// Deep SAD, Deep SVDD and the autoencoder: one network, three objectives.
//
// [1] Ruff et al., "Deep Semi-Supervised Anomaly Detection", ICLR 2020 (arXiv 1906.02694v2).
// [2] Ruff et al., "Deep One-Class Classification", ICML 2018.
#pragma once

#include <memory>
#include <string>

#include "deepsad/detectors/detector.h"
#include "deepsad/nn/network_spec.h"
#include "deepsad/nn/training.h"

namespace deepsad {

/// Which training rows the centre is the mean of.
enum class CenterRows {
  without_labelled_anomalies,  ///< as the paper says [1, section 3]
  all,                         ///< as the reference code does
};

struct AutoencoderOptions {
  TrainingOptions training{.learning_rate = 0.001, .n_epochs = 100};
  bool exclude_labelled_anomalies = false;  ///< leave rows with semi label -1 out of the training
};

struct DeepSadOptions {
  double eta = 1.0;            ///< weight of the labelled terms, > 0 [1, eq. 7]
  TrainingOptions training{};  ///< defaults of the reference
  bool pretrain = true;        ///< train an autoencoder first and start from its encoder
  AutoencoderOptions pretraining{};
  bool transfer = true;  ///< false: the reference's defect T1, pretraining without effect
  CenterRows center_rows = CenterRows::without_labelled_anomalies;
  bool clamp_center = true;       ///< push small components of the centre away from 0 (kCenterMargin)
  bool clamp_zeros = true;        ///< also push components that are exactly 0 away from it (T7)
  bool reference_quirks = false;  ///< centre from one shuffled pass that drops the incomplete batch
};

enum class SvddObjective { one_class, soft_boundary };

struct DeepSvddOptions {
  DeepSadOptions base{};  ///< eta and labels are not used
  SvddObjective objective = SvddObjective::one_class;
  double nu = 0.1;                  ///< soft boundary: share of rows allowed outside, in (0, 1) [2, eq. 3]
  std::size_t warm_up_epochs = 10;  ///< soft boundary: epochs before the radius follows the data
};

/// Distance below which a component of the centre is pushed away from 0 (to the same distance), so that the
/// network cannot reach it by zero weights alone.
inline constexpr double kCenterMargin = 0.1;
/// Added to squared distances in the labelled terms of the loss, as in the authors' code.
inline constexpr double kLossEpsilon = 1e-6;

/// Deep SAD: mean over a batch of d_i for unlabelled rows and eta (d_i + 1e-6)^y_i for rows labelled y_i = +1
/// or -1, with d_i = |phi(x_i) - c|^2 [1, eq. 7]. Score: d(x).
[[nodiscard]] std::unique_ptr<Detector> make_deep_sad(const NetworkDefinition& network,
                                                      const DeepSadOptions& options);
/// Deep SVDD: mean of d_i (one class), or R^2 + 1/nu mean max(0, d_i - R^2) (soft boundary) [2]. Score: d(x),
/// or d(x) - R^2 with the soft boundary. Rows labelled anomalous are left out, other labels ignored.
[[nodiscard]] std::unique_ptr<Detector> make_deep_svdd(const NetworkDefinition& network,
                                                       const DeepSvddOptions& options);
/// Autoencoder: mean squared reconstruction error of a row is both loss and score.
[[nodiscard]] std::unique_ptr<Detector> make_autoencoder(const NetworkDefinition& network,
                                                         const AutoencoderOptions& options);

}  // namespace deepsad
