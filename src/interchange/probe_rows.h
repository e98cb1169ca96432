// Rows that an exported file carries with their scores.
#pragma once

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/data/scaler.h"
#include "deepsad/nn/network_spec.h"

namespace deepsad {

/// n raw rows about where the rows lie that the scaler was fitted on, the same in every call: for tables
/// mean + std z with z uniform over a little more than [min, max], or normal where the scaler has no range;
/// for images of bytes a slope with noise in whole numbers.
[[nodiscard]] Matrix<double> probe_rows(const Scaler& scaler, const Shape& sample_shape, std::size_t n);

}  // namespace deepsad
