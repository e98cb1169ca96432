// Which features a score comes from, compared with rows that are normal.
//
// [1] Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", ICML 2017: integrated gradients.
// [2] Erion et al., "Improving performance of deep learning models with axiomatic attribution priors and
//     expected gradients", Nature Machine Intelligence 3 (2021): the mean over several baselines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/matrix_view.h"
#include "deepsad/core/parallel.h"
#include "deepsad/core/progress.h"
#include "deepsad/detectors/detector.h"

namespace deepsad {

enum class AttributionMethod {
  /// Of a row x against a baseline b: (x_j - b_j) times the integral over t in (0, 1) of ds/dx_j at
  /// b + t (x - b) [1]. The contributions sum to s(x) - s(b) (completeness). Needs has_score_gradient().
  integrated_gradients,
  /// s(x) minus the score of x with the group's features set to the baseline's. Any detector; features that
  /// matter only together, or that each alone would do, are not seen, so there is no completeness.
  leave_one_out,
};

/// "integrated-gradients", "leave-one-out".
[[nodiscard]] const char* attribution_method_name(AttributionMethod method);

struct AttributionOptions {
  AttributionMethod method = AttributionMethod::integrated_gradients;
  /// Integrated gradients: steps are halved until all together miss no more than this share, > 0, of the
  /// difference of the scores. What a step misses is known, as the scores at its ends are; so small steps are
  /// taken where they are needed, around the kinks of a network (leaky ReLU, max pool).
  double tolerance = 0.01;
  std::size_t min_steps = 16;    ///< of each path at first, >= 1
  std::size_t max_steps = 4096;  ///< of each path at most
  const StopToken* stop = nullptr;
};

/// Of one row.
struct Attribution {
  double score = 0;
  double baseline_score = 0;          ///< mean over its baselines
  std::vector<double> contributions;  ///< of each group; NaN where a score is infinite
  std::size_t steps = 0;              ///< of the path with the most; leave_one_out: 0
  /// |sum of contributions - (score - baseline_score)| / |score - baseline_score|; where that difference is
  /// less than a hundredth of the sum of the |contributions|, relative to this hundredth (and to the rounding
  /// of scores). leave_one_out: what it leaves unexplained, no error.
  double completeness_error = 0;
  /// Whether the tolerance was reached. leave_one_out promises nothing: true.
  bool complete = true;
};

/// Contributions to the scores of the rows of x, each a mean over the row's baselines [2].
/// A row's result depends on it and its baselines alone; same bits at any thread count. Cost of integrated
/// gradients: about twice as many passes forward and back as there are steps, in batches of many rows. Cost
/// of leave_one_out: a score a group and baseline. Memory: 1024 points at a time, and d values a row and
/// baseline.
/// @param x scaled rows, as the detector sees them
/// @param baselines one matrix for each row of x, of at least one row, as many columns as x
/// @param groups for each feature the group that its contribution counts to, 0, 1, ...; empty: its own
/// @throws InvalidArgument if shapes disagree, an option is out of its range, or the detector has no gradient
/// @throws Interrupted
[[nodiscard]] std::vector<Attribution> attribute(const Detector& detector, MatrixView<const float> x,
                                                 std::span<const Matrix<float>> baselines,
                                                 std::span<const std::uint32_t> groups,
                                                 const AttributionOptions& options, ThreadPool& pool);

}  // namespace deepsad
