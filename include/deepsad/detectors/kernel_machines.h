// One-class support vector machine and its semi-supervised relative SSAD: kernel methods for rows that need
// no network.
//
// [1] Schoelkopf et al., "Estimating the support of a high-dimensional distribution", Neural Computation 13
//     (2001).
// [2] Goernitz, Kloft, Rieck and Brefeld, "Toward supervised anomaly detection", JAIR 46 (2013).
// [3] Garreau, Jitkrittum and Kanagawa, "Large sample analysis of the median heuristic", arXiv 1707.07269.
// [4] Ruff et al., "Deep Semi-Supervised Anomaly Detection", ICLR 2020: grids and settings of the
// experiments.
#pragma once

#include <memory>
#include <string>

#include "deepsad/detectors/detector.h"

namespace deepsad {

/// Where the width gamma of the kernels rbf, exp(-gamma |x - y|^2), and poly, (gamma <x, y>)^3, comes from.
enum class KernelWidth {
  value,   ///< given
  scale,   ///< 1 / (d Var), Var over all values of the training rows: as scikit-learn's "scale"
  median,  ///< 1 / the median squared distance of two training rows [3]
  grid,    ///< the best of 2^-7, 2^-6, ..., 2^2 [4]; see choose_by below
};

struct KernelChoice {
  std::string kernel = "rbf";  ///< rbf, linear, and for the one-class SVM poly
  KernelWidth width = KernelWidth::grid;
  double gamma = 1;  ///< with KernelWidth::value; > 0
  /// Largest violation of optimality, relative to the largest k(x, x); of ssad to that times a tenth of the
  /// sum of all alpha, if this is more. In (0, 0.1].
  double tolerance = 1e-6;
};

/// A grid (of gamma, and of nu if wanted) is searched without looking at test rows: five-fold
/// cross-validation inside the training set, by the mean AUC of labelled anomalies against the other held-out
/// rows. With fewer than kMinAnomaliesForSelection labelled anomalies such an AUC is noise, and the median
/// heuristic [3] decides. FitContext::leaked replaces the held-out rows by rows from the test part, as the
/// paper did [4]; the model then carries the finding "test_leak".
inline constexpr std::size_t kMinAnomaliesForSelection = 10;

struct OneClassSvmOptions {
  KernelChoice kernel{};
  double nu = 0.1;  ///< in (0, 1]: at most this share of rows scores above 0, at least this share supports
  bool nu_grid = false;                    ///< also choose nu from 0.01, 0.05, 0.1, 0.2, 0.5 [4]
  bool exclude_labelled_anomalies = true;  ///< false: they are ordinary rows, as in the published code
};

struct SsadOptions {
  KernelChoice kernel{};
  double kappa = 1;         ///< >= 0: how much the margin of labelled rows counts [2]
  double c_normal = 1;      ///< upper bound C_p of the weight of a row labelled normal, > 0
  double c_unlabelled = 1;  ///< C_u, of an unlabelled row, > 0
  double c_anomaly = 1;     ///< C_n, of a row labelled anomalous, > 0
};

/// nu-one-class SVM [1]: min 1/2 alpha^T K alpha, 0 <= alpha_i <= 1, sum alpha_i = nu n. Score:
/// rho - sum_i alpha_i k(x_i, x), 0 on the boundary; the negative of scikit-learn's decision_function.
/// Cost: n^2 d / 2 for the distances once, and a few passes over n values a step of the solver. Memory: n^2
/// floats, or what FitContext::memory_budget allows.
/// fit() throws InvalidArgument for fewer than two rows, values that are not finite, or rows that are all
/// equal when the width is to be derived from them.
/// @throws InvalidArgument naming the option and its range
[[nodiscard]] std::unique_ptr<Detector> make_one_class_svm(const OneClassSvmOptions& options);

/// Kernel SSAD, dual as in the authors' published code: min 1/2 sum_ij alpha_i alpha_j c_i c_j k(x_i, x_j)
/// with sum_i c_i alpha_i = 1, sum over labelled rows alpha_i >= kappa, 0 <= alpha_i <= C_i; c_i = -1 for
/// rows labelled anomalous, else +1. Score: rho - sum_i c_i alpha_i k(x_i, x), rho the value of free
/// unlabelled rows. Without labels kappa counts as 0. fit() also throws InvalidArgument if kappa is more than
/// the labels and bounds can carry, naming the most.
/// @throws InvalidArgument naming the option and its range
[[nodiscard]] std::unique_ptr<Detector> make_ssad(const SsadOptions& options);

}  // namespace deepsad
