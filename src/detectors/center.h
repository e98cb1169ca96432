// The centre c of Deep SAD and Deep SVDD.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "deepsad/core/matrix_view.h"

namespace deepsad {

struct Center {
  std::vector<float> values;
  std::size_t n_clamped = 0;  ///< components moved to +-kCenterMargin
  std::size_t n_zeros = 0;    ///< of these, components that were exactly 0
};

/// Moves components with |c_j| < kCenterMargin to sign(c_j) kCenterMargin. Exact zeros move to +kCenterMargin
/// with clamp_zeros and stay otherwise (as the reference leaves them).
[[nodiscard]] Center clamp_center(std::vector<float> mean, bool clamp_zeros);

/// Mean of the given rows of the network's outputs (in double), with `clamp` clamped. @pre rows is not
/// empty
[[nodiscard]] Center compute_center(MatrixView<const float> outputs, std::span<const std::uint32_t> rows,
                                    bool clamp, bool clamp_zeros);

}  // namespace deepsad
