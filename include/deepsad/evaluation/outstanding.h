// Scores that stand clear of all others: what is most likely anomalous among unlabelled calibration rows.
#pragma once

#include <cstddef>
#include <span>

namespace deepsad {

/// How many of the largest scores lie beyond the fence q_50 + 4 (q_75 - q_50), at most a fifth of all. If all
/// are positive and their upper half is steeper than their lower one (as of squared distances), their
/// logarithms are looked at instead. The fence of Tukey's boxplot with only the upper half's spread, so that
/// neither the lower tail nor up to a quarter of anomalies moves it far: a normal distribution has 0.35 % of
/// its rows beyond it.
/// @param ascending scores without NaN
[[nodiscard]] std::size_t n_outstanding(std::span<const float> ascending);

}  // namespace deepsad
