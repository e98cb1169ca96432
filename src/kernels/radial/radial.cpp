#include "kernels/radial/radial.h"

#include <cstddef>

#include "kernels/dispatch.h"
#include "kernels/radial/radial_reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/radial/radial.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// Behind highway.h: compiled once per instruction set, too.
#include <hwy/contrib/math/math-inl.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

// Below this exp() leaves the normal numbers, and Highway's Exp its range.
constexpr float kSmallestExponent = -87.0F;

HWY_INLINE V exp_or_zero(V exponent) {
  const D d;
  const V bounded = hn::Max(exponent, hn::Set(d, kSmallestExponent));
  return hn::IfThenElseZero(hn::Ge(exponent, hn::Set(d, kSmallestExponent)), hn::Exp(d, bounded));
}

using Wide = hn::Repartition<double, D>;
using W = hn::Vec<Wide>;

/// The sums of both halves of a vector, in double.
struct WideSum {
  W low, high;
  HWY_INLINE WideSum() : low(hn::Zero(Wide())), high(hn::Zero(Wide())) {}
  HWY_INLINE void add(V values) {
    const Wide wide;
    const hn::Half<D> half;
    low = hn::Add(low, hn::PromoteTo(wide, hn::LowerHalf(half, values)));
    high = hn::Add(high, hn::PromoteTo(wide, hn::UpperHalf(half, values)));
  }
  [[nodiscard]] HWY_INLINE double total() const {
    alignas(64) double lanes[hn::MaxLanes(Wide())];
    hn::Store(hn::Add(low, high), Wide(), lanes);
    double sum = 0;
    for (const double lane : lanes) sum += lane;
    return sum;
  }
};

}  // namespace

void exp_of_distances(std::size_t n, const float* distances, float gamma, float* dst) noexcept {
  const D d;
  const V factor = hn::Set(d, -gamma);
  std::size_t i = 0;
  for (; i + kVector <= n; i += kVector)
    hn::StoreU(exp_or_zero(hn::Mul(factor, hn::LoadU(d, distances + i))), d, dst + i);
  if (i == n) return;
  const M mask = hn::FirstN(d, n - i);
  hn::BlendedStore(exp_or_zero(hn::Mul(factor, hn::MaskedLoad(mask, d, distances + i))), mask, d, dst + i);
}

double weighted_exp_sum(std::size_t n, const float* distances, const float* weights, float gamma) noexcept {
  const D d;
  const V factor = hn::Set(d, -gamma);
  WideSum sum;
  std::size_t i = 0;
  for (; i + kVector <= n; i += kVector) {
    sum.add(hn::Mul(hn::LoadU(d, weights + i), exp_or_zero(hn::Mul(factor, hn::LoadU(d, distances + i)))));
  }
  if (i < n) {
    const M mask = hn::FirstN(d, n - i);
    sum.add(hn::Mul(hn::MaskedLoad(mask, d, weights + i),
                    exp_or_zero(hn::Mul(factor, hn::MaskedLoad(mask, d, distances + i)))));
  }
  return sum.total();
}

double exp_sum(std::size_t n, const float* distances, float gamma, float offset) noexcept {
  const D d;
  const V factor = hn::Set(d, -gamma), start = hn::Set(d, offset);
  WideSum sum;
  std::size_t i = 0;
  for (; i + kVector <= n; i += kVector)
    sum.add(exp_or_zero(hn::MulAdd(factor, hn::LoadU(d, distances + i), start)));
  if (i < n) {
    const M mask = hn::FirstN(d, n - i);
    sum.add(hn::IfThenElseZero(
        mask, exp_or_zero(hn::MulAdd(factor, hn::MaskedLoad(mask, d, distances + i), start))));
  }
  return sum.total();
}

double weighted_sum(std::size_t n, const float* values, const float* weights) noexcept {
  const D d;
  WideSum sum;
  std::size_t i = 0;
  for (; i + kVector <= n; i += kVector)
    sum.add(hn::Mul(hn::LoadU(d, values + i), hn::LoadU(d, weights + i)));
  if (i < n) {
    const M mask = hn::FirstN(d, n - i);
    sum.add(hn::Mul(hn::MaskedLoad(mask, d, values + i), hn::MaskedLoad(mask, d, weights + i)));
  }
  return sum.total();
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

void exp_of_distances(std::size_t n, const float* distances, float gamma, float* dst) noexcept {
  DEEPSAD_CALL_KERNEL(exp_of_distances, n, distances, gamma, dst);
}

double weighted_exp_sum(std::size_t n, const float* distances, const float* weights, float gamma) noexcept {
  return DEEPSAD_CALL_KERNEL(weighted_exp_sum, n, distances, weights, gamma);
}

double exp_sum(std::size_t n, const float* distances, float gamma, float offset) noexcept {
  return DEEPSAD_CALL_KERNEL(exp_sum, n, distances, gamma, offset);
}

double weighted_sum(std::size_t n, const float* values, const float* weights) noexcept {
  return DEEPSAD_CALL_KERNEL(weighted_sum, n, values, weights);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
