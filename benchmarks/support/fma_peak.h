// The machine's limit, measured in the same run as the kernels that are compared with it.
#pragma once

#include "kernels/isa.h"

namespace deepsad::benchmarks {

/// Single-precision multiply-add rate of one core in FLOP/s: independent chains in registers, the best of
/// several short runs; measured at the first call for a set. For the scalar set: baseline SSE, multiply and
/// add apart.
[[nodiscard]] double fma_peak(kernels::Isa isa);

}  // namespace deepsad::benchmarks
