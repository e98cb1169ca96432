// The batch-innermost layout that every kernel of this room works on.
#pragma once

#include <cstddef>

namespace deepsad::kernels {

/// Samples of a group. A group's tensor is [channel][y][x][kLanes] (maps) or [feature][kLanes] (vectors),
/// contiguous and 64-byte aligned: every scalar of the textbook loop becomes one vector over 16 samples. A
/// batch of n samples is ceil(n / 16) groups; the last group's unused lanes hold zeros in its input and must
/// never reach a sum over samples
/// ("n_valid": lanes 0..n_valid-1 count). Lanes never mix except in sums over samples, so that a sample's
/// result does not depend on its neighbours.
inline constexpr std::size_t kLanes = 16;

}  // namespace deepsad::kernels
