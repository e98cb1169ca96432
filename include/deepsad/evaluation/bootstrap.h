// How far ROC AUC and average precision could be off because the test rows are a sample.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "deepsad/core/parallel.h"
#include "deepsad/data/dataset.h"
#include "deepsad/evaluation/interval.h"

namespace deepsad {

struct BootstrapOptions {
  std::size_t n_repetitions = 1000;
  double confidence = 0.95;
  std::uint64_t seed = 0;
};

/// Percentile intervals; both NaN if one of the two labels is missing.
struct BootstrapIntervals {
  Interval roc_auc, average_precision;
};

/// Stratified bootstrap: each repetition draws as many normal rows and as many anomalies as there are, with
/// replacement and each from its own kind, and computes both metrics exactly. The interval goes from the
/// (1 - confidence)/2 to the (1 + confidence)/2 quantile of the repetitions (linear between order statistics,
/// as numpy.percentile). It speaks of the chance in the choice of test rows, not of that in training. A pure
/// function of its arguments, whatever the number of threads: repetition r draws from the stream "bootstrap"
/// of the seed, index r. Source: Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13.
/// @throws InvalidArgument if the lengths differ, n_repetitions is 0 or confidence is outside (0, 1)
/// @throws NumericError if a score is NaN
/// Cost: O(n log n + n_repetitions n).
[[nodiscard]] BootstrapIntervals bootstrap_intervals(std::span<const float> scores,
                                                     std::span<const TrueLabel> labels,
                                                     const BootstrapOptions& options, ThreadPool& pool);

}  // namespace deepsad
