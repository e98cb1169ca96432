// The leaky ReLU of a vector and its derivative. Included once per instruction set (see dispatch.h).
#if defined(DEEPSAD_LEAKY_RELU_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DEEPSAD_LEAKY_RELU_INL_H
#undef DEEPSAD_LEAKY_RELU_INL_H
#else
#define DEEPSAD_LEAKY_RELU_INL_H
#endif

#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

/// x > 0 ? value : slope * value; x itself may be the value, or the gradient at the output.
HWY_INLINE V leaky(V x, V slope, V value) {
  return hn::IfThenElse(hn::Gt(x, hn::Zero(D())), value, hn::Mul(slope, value));
}

}  // namespace
#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard, toggled per target
