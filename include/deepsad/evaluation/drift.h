// Whether numbers come from the distribution that a model was trained on, of which it keeps a few quantiles.
//
// [1] Smirnov, "Table for estimating the goodness of fit of empirical distributions", Annals of Mathematical
//     Statistics 19 (1948): the two-sample test of Kolmogorov and Smirnov.
// [2] Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6
//     (1979).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace deepsad {

/// The distribution function of some numbers at a few of their quantiles.
struct DistributionSketch {
  float smallest = 0;         ///< the smallest number
  std::vector<float> edges;   ///< ascending and different; the last is the largest number
  std::vector<float> shares;  ///< share of the numbers <= the edge; the last is 1

  bool operator==(const DistributionSketch&) const = default;
};

/// @param max_edges at most so many quantiles, evenly spread, >= 1; equal ones are kept once
/// @throws InvalidArgument if there are no values, or one is NaN
[[nodiscard]] DistributionSketch sketch_of(std::span<const float> values, std::size_t max_edges);

/// The smallest edge with a share of at least q.
[[nodiscard]] float sketch_quantile(const DistributionSketch& sketch, double q);

/// The sketch against numbers of today.
struct DriftTest {
  double distance = 0;  ///< largest difference of the two distribution functions, over the edges [1] and
                        ///< just below the smallest number of then
  double p_value = 1;   ///< of that under "one distribution"; too large rather than too small
  float edge = 0;       ///< where the difference is largest,
  double share_then = 0, share_now = 0;  ///< and what lay at or below it (below it, if share_then is 0)
};

/// max |F_a - F_b| of the distribution functions of two sets of numbers, each ascending [1].
[[nodiscard]] double kolmogorov_smirnov_distance(std::span<const double> a, std::span<const double> b);
/// The chance that n and m numbers of one distribution are that far apart or farther:
/// p = 2 sum_k (-1)^(k-1) exp(-2 k^2 lambda^2), lambda = (sqrt(h) + 0.12 + 0.11 / sqrt(h)) distance,
/// h = n m / (n + m).
[[nodiscard]] double kolmogorov_smirnov_p_value(double distance, std::size_t n, std::size_t m);

/// The test of Kolmogorov and Smirnov at the points of the sketch alone: distance = max |F - F_now|. As only
/// some points are looked at, and numbers may be discrete, the test errs on the side of silence.
/// @param n_then numbers that the sketch was made of
/// @throws InvalidArgument if either side is empty, or a value is NaN
[[nodiscard]] DriftTest drift_from(const DistributionSketch& sketch, std::size_t n_then,
                                   std::span<const float> values);

/// When many features are tested, which of them drifted: those that Holm's procedure [2] rejects at `level`
/// (chance of one false alarm or more, in all) and whose distance is at least `min_distance`: with many rows
/// the smallest difference is significant, and none is worth a word.
/// @returns positions in `tests`, the largest distance first
[[nodiscard]] std::vector<std::size_t> drifted(std::span<const DriftTest> tests, double level,
                                               double min_distance);

}  // namespace deepsad
