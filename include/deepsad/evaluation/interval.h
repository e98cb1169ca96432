// A range of values, and the exact confidence interval of a share.
#pragma once

#include <cstddef>

namespace deepsad {

struct Interval {
  double low = 0, high = 0;
};

/// Clopper and Pearson's interval for the chance behind `successes` of `trials` independent tries: it holds
/// the true value with at least the given confidence, whatever that value is. [0, 1] for no trials.
/// Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
/// binomial", Biometrika 26 (1934).
/// @throws InvalidArgument if successes > trials or confidence is outside (0, 1)
[[nodiscard]] Interval clopper_pearson(std::size_t successes, std::size_t trials, double confidence = 0.95);

}  // namespace deepsad
