// How alike two scores rank the same rows.
#pragma once

#include <span>

namespace deepsad {

/// Spearman's rank correlation: Pearson's correlation of the ranks, equal values having the mean of theirs.
/// 1: the same order, -1: the reverse.
/// Source: Spearman, "The proof and measurement of association between two things", American Journal of
/// Psychology 15 (1904).
/// @returns NaN if one of the two is constant or there are fewer than two rows
/// @throws InvalidArgument if the lengths differ   @throws NumericError if a value is NaN
/// Cost: O(n log n).
[[nodiscard]] double rank_correlation(std::span<const float> a, std::span<const float> b);

}  // namespace deepsad
