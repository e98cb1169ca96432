// Highway, limited to the instruction sets of isa.h, and the choice between them. Every .cpp file of a family
// includes this before hwy/foreach_target.h, which compiles the file once per set.
//
// Highway's own baseline is skipped (DEEPSAD_IS_VECTOR_TARGET is 0): processors without AVX2 use the scalar
// references, which the compiler vectorises for baseline x86-64.
#pragma once

#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#endif
#include <hwy/detect_targets.h>

#include <type_traits>

#include "kernels/isa.h"

/// 1 while a file is compiled for a set that has vector kernels.
#define DEEPSAD_IS_VECTOR_TARGET (HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3)

#if (HWY_TARGETS & HWY_AVX2) != 0
#define DEEPSAD_AVX2_KERNEL(name) &N_AVX2::name
#else
#define DEEPSAD_AVX2_KERNEL(name) nullptr
#endif
#if (HWY_TARGETS & HWY_AVX3) != 0
#define DEEPSAD_AVX512_KERNEL(name) &N_AVX3::name
#else
#define DEEPSAD_AVX512_KERNEL(name) nullptr
#endif
/// Calls the function `name` of the active instruction set; scalar is reference::name<float>.
#define DEEPSAD_CALL_KERNEL(name, ...)                                           \
  ::deepsad::kernels::choose(&reference::name<float>, DEEPSAD_AVX2_KERNEL(name), \
                             DEEPSAD_AVX512_KERNEL(name))(__VA_ARGS__)

/// Behind a lambda's parameters: compiled for the current set, and into its caller, so that accumulators that
/// it captures stay in registers.
#define DEEPSAD_KERNEL_LAMBDA HWY_ATTR __attribute__((always_inline))

namespace deepsad::kernels {

/// Sets that this build lacks are null; active_isa() never names them.
template <class Function>
Function* choose(Function* scalar, std::type_identity_t<Function>* avx2,
                 std::type_identity_t<Function>* avx512) noexcept {
  switch (active_isa()) {
    case Isa::avx512:
      return avx512;
    case Isa::avx2:
      return avx2;
    case Isa::scalar:
      break;
  }
  return scalar;
}

}  // namespace deepsad::kernels
