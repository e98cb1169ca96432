// The sigmoid of a vector and its derivative. Included once per instruction set (see dispatch.h).
#if defined(DEEPSAD_SIGMOID_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DEEPSAD_SIGMOID_INL_H
#undef DEEPSAD_SIGMOID_INL_H
#else
#define DEEPSAD_SIGMOID_INL_H
#endif

#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

/// y = 1 / (1 + exp(-x))
HWY_INLINE V sigmoid(V x) {
  const D d;
  const V one = hn::Set(d, 1.0F);
  // exp of -|x| cannot overflow, and small results keep their digits. Exp errs by 1 unit in the last place,
  // the addition and the division by half a unit each.
  const V e = hn::Exp(d, hn::Neg(hn::Abs(x)));
  const V numerator = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one);
  const V y = hn::Div(numerator, hn::Add(one, e));
  return hn::IfThenElse(hn::IsNaN(x), x, y);  // Exp makes a number of NaN
}

/// dy y (1 - y): the gradient at x, given that at y = sigmoid(x)
HWY_INLINE V sigmoid_gradient(V dy, V y) {
  return hn::Mul(hn::Mul(dy, y), hn::Sub(hn::Set(D(), 1.0F), y));
}

}  // namespace
#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard, toggled per target
