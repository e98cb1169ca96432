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

/// exp(x) for x <= 0; any number for NaN.
HWY_INLINE V exp_of_negative(V x) {
#if HWY_TARGET == HWY_AVX3
  // exp(x) = 2^n exp(r), r = x - n ln 2 in [-ln 2 / 2, ln 2 / 2], exp(r) = 1 + r + r^2 p(r) by a minimax
  // polynomial (error below 2^-29), 2^n by the instruction for it. Highway has none: its Exp takes twice the
  // instructions, and these are the limit (figures in docs/kernels.md).
  const D d;
  constexpr float kLeast = -104.0F;  // exp is below half the smallest float
  x = hn::Max(x, hn::Set(d, kLeast));
  const V n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504F)));
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375F), x);  // ln 2 in two parts, the first exact in products
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4F), r);
  const V r2 = hn::Mul(r, r);
  const V p01 = hn::MulAdd(r, hn::Set(d, 1.6666665459e-1F), hn::Set(d, 5.0000001201e-1F));
  const V p23 = hn::MulAdd(r, hn::Set(d, 8.3334519073e-3F), hn::Set(d, 4.1665795894e-2F));
  const V p45 = hn::MulAdd(r, hn::Set(d, 1.9875691500e-4F), hn::Set(d, 1.3981999507e-3F));
  const V p = hn::MulAdd(r2, hn::MulAdd(r2, p45, p23), p01);
  const V mantissa = hn::Add(hn::MulAdd(r2, p, r), hn::Set(d, 1.0F));
  return V{_mm512_scalef_ps(mantissa.raw, n.raw)};
#else
  return hn::Exp(D(), x);
#endif
}

/// y = 1 / (1 + exp(-x))
HWY_INLINE V sigmoid(V x) {
  const D d;
  const V one = hn::Set(d, 1.0F);
  // exp of -|x| cannot overflow, and small results keep their digits. It errs by 1 unit in the last place,
  // the addition and the division by half a unit each.
  const V e = exp_of_negative(hn::Neg(hn::Abs(x)));
  const V numerator = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one);
  const V y = hn::Div(numerator, hn::Add(one, e));
  return hn::IfThenElse(hn::IsNaN(x), x, y);  // exp makes a number of NaN
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
