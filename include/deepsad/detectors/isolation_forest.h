// Isolation forest.
//
// [1] Liu, Ting and Zhou, "Isolation forest", ICDM 2008.
#pragma once

#include <cstddef>
#include <memory>

#include "deepsad/detectors/detector.h"

namespace deepsad {

struct IsolationForestOptions {
  std::size_t n_estimators = 100;  ///< trees, 1 to 100000 [1]
  std::size_t max_samples = 256;   ///< rows a tree is grown on, at least 2; all rows if there are fewer [1]
  double contamination = 0.1;      ///< in (0, 0.5]: share of the training rows at or above the threshold
  bool exclude_labelled_anomalies = true;  ///< false: they are ordinary rows, as in the published code
};

/// c(m): the mean path length of an unsuccessful search in a binary search tree of m rows [1, eq. 1],
/// 2 (ln(m - 1) + 0.5772156649) - 2 (m - 1) / m for m > 2, c(2) = 1, c(1) = 0.
[[nodiscard]] double average_path_length(std::size_t m);

/// Trees of random splits on psi = min(max_samples, n) rows drawn without replacement: at a node a feature
/// uniform among those not constant there, a threshold uniform between its extremes, until one row, equal
/// rows or depth ceil(log2(psi)). Score: 2^(-mean h(x) / c(psi)) in (0, 1], h = edges to the leaf + c(rows in
/// it) [1, eq. 2]. The threshold, the (1 - contamination) quantile of the training scores, stands in the
/// report; it does not shift the scores. Cost: about psi log2(psi) steps a tree; log2(psi) steps a tree and
/// scored row. fit() throws InvalidArgument for fewer than two rows or values that are not finite.
/// @throws InvalidArgument naming the option and its range
[[nodiscard]] std::unique_ptr<Detector> make_isolation_forest(const IsolationForestOptions& options);

}  // namespace deepsad
