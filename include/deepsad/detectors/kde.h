// Kernel density estimation.
//
// [1] Parzen, "On estimation of a probability density function and mode", Annals of Math. Statistics 33
// (1962). [2] Ruff et al., "Deep Semi-Supervised Anomaly Detection", ICLR 2020: grid of bandwidths.
#pragma once

#include <memory>
#include <string>

#include "deepsad/detectors/detector.h"

namespace deepsad {

struct KdeOptions {
  std::string kernel = "gaussian";         ///< gaussian, tophat, epanechnikov, exponential, linear, cosine
  bool cross_validate = true;              ///< choose the bandwidth; else take `bandwidth`
  double bandwidth = 1;                    ///< > 0
  bool exclude_labelled_anomalies = true;  ///< false: they are ordinary rows, as in the published code
};

/// Score: -log p(x), p(x) = 1/(n h^d Z) sum_i K(|x - x_i| / h), Z the integral of K over d dimensions, with
/// K(u) = exp(-u^2/2), exp(-u), and for u < 1 (else 0) 1, 1 - u^2, 1 - u, cos(pi u / 2). Kernels that end
/// give rows outside every support the score +infinity, which ranks last. Z of cosine is the true integral;
/// scikit-learn's lacks a term for even d, which shifts its log densities by a constant.
/// Cross-validation: of 2^0.5, 2^1, ..., 2^5 [2] the bandwidth with the largest total log-likelihood of
/// held-out rows over five folds; rows of density 0 are counted first: fewer of them win. The model holds all
/// training rows. Cost: n d a scored row; the distances of the cross-validation are computed once, block by
/// block, for all bandwidths and folds. fit() throws InvalidArgument for fewer than two rows (five with
/// cross-validation) or values that are not finite.
/// @throws InvalidArgument naming the option and its range
[[nodiscard]] std::unique_ptr<Detector> make_kde(const KdeOptions& options);

}  // namespace deepsad
