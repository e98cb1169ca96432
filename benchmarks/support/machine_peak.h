// The machine's limits, measured in the same run as the kernels that are compared with it.
#pragma once

#include "kernels/isa.h"

namespace deepsad::benchmarks {

/// Single-precision multiply-add rate of one core in FLOP/s: independent chains in registers, the best of
/// several short runs; measured at the first call for a set. For the scalar set: baseline SSE, multiply and
/// add apart.
[[nodiscard]] double fma_peak(kernels::Isa isa);

/// Rate in bytes/s, loads and stores counted, at which one core copies one half of a working set of `bytes`
/// bytes over the other: what the cache that holds it can give to a kernel that does no arithmetic. (A kernel
/// that loads more than it stores may pass it.) The best of several short runs; measured once for a set and
/// size.
[[nodiscard]] double copy_peak(kernels::Isa isa, double bytes);

}  // namespace deepsad::benchmarks
