#include "kernels/dual_step/dual_step.h"

#include <cstddef>
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/dual_step/dual_step_reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dual_step/dual_step.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

using Wide = hn::ScalableTag<double>;
using W = hn::Vec<Wide>;
constexpr std::size_t kWide = hn::MaxLanes(Wide());
using Narrow = hn::Rebind<float, Wide>;  // as many floats
using N = hn::Vec<Narrow>;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The best lane: the largest value, of equals the smallest index; n if no value is above `none`.
template <std::size_t kLength, class T>
std::size_t best_lane(const T (&values)[kLength], const T (&indices)[kLength], T none, std::size_t n,
                      T& best) {
  best = none;
  T index = 0;
  bool found = false;
  for (std::size_t l = 0; l < kLength; ++l) {
    if (values[l] > best || (found && values[l] == best && indices[l] < index)) {
      best = values[l];
      index = indices[l];
      found = true;
    }
  }
  return found ? static_cast<std::size_t>(index) : n;
}

}  // namespace

Extremes update_and_find(std::size_t n, double* f, const float* k0, double w0, const float* k1, double w1,
                         const double* alpha, const double* upper, double s) noexcept {
  const Wide d;
  const Narrow narrow;
  const W first = hn::Set(d, w0), second = hn::Set(d, w1), sign = hn::Set(d, s);
  // Both extremes as largest values: low is that of -s f.
  W low = hn::Set(d, -kInfinity), high = low, low_index = hn::Zero(d), high_index = low_index;
  W index = hn::Iota(d, 0);
  const W step = hn::Set(d, static_cast<double>(kWide)), none = low;
  std::size_t i = 0;
  const auto pass = [&](W before, N x0, N x1, W a, W u) DEEPSAD_KERNEL_LAMBDA {
    const W value = hn::MulAdd(second, hn::PromoteTo(d, x1), hn::MulAdd(first, hn::PromoteTo(d, x0), before));
    const W signed_value = hn::Mul(sign, value);
    const W up = hn::IfThenElse(hn::Lt(a, u), hn::Neg(signed_value), none);
    const W down = hn::IfThenElse(hn::Gt(a, hn::Zero(d)), signed_value, none);
    const auto lower = hn::Gt(up, low), higher = hn::Gt(down, high);
    low = hn::IfThenElse(lower, up, low);
    low_index = hn::IfThenElse(lower, index, low_index);
    high = hn::IfThenElse(higher, down, high);
    high_index = hn::IfThenElse(higher, index, high_index);
    index = hn::Add(index, step);
    return value;
  };
  for (; i + kWide <= n; i += kWide) {
    hn::StoreU(pass(hn::LoadU(d, f + i), hn::LoadU(narrow, k0 + i), hn::LoadU(narrow, k1 + i),
                    hn::LoadU(d, alpha + i), hn::LoadU(d, upper + i)),
               d, f + i);
  }
  if (i < n) {  // lanes behind the end have alpha = upper = 0: they are in neither search
    const auto mask = hn::FirstN(d, n - i);
    const auto narrow_mask = hn::FirstN(narrow, n - i);
    const W value = pass(hn::MaskedLoad(mask, d, f + i), hn::MaskedLoad(narrow_mask, narrow, k0 + i),
                         hn::MaskedLoad(narrow_mask, narrow, k1 + i), hn::MaskedLoad(mask, d, alpha + i),
                         hn::MaskedLoad(mask, d, upper + i));
    hn::BlendedStore(value, mask, d, f + i);
  }
  alignas(64) double values[kWide], indices[kWide];
  Extremes found;
  hn::Store(low, d, values);
  hn::Store(low_index, d, indices);
  found.low_index = best_lane(values, indices, -kInfinity, n, found.low);
  found.low = -found.low;
  hn::Store(high, d, values);
  hn::Store(high_index, d, indices);
  found.high_index = best_lane(values, indices, -kInfinity, n, found.high);
  return found;
}

std::size_t best_partner(std::size_t n, const PartnerSearch& search, const double* f, const float* k,
                         const double* alpha, const double* upper, const float* diagonal) noexcept {
  const Wide d;
  const Narrow narrow;
  const W slope = hn::Set(d, search.slope), factor = hn::Set(d, search.factor);
  const N own = hn::Set(narrow, static_cast<float>(search.diagonal_i));
  const N cross = hn::Set(narrow, static_cast<float>(search.cross));
  const N floor = hn::Set(narrow, static_cast<float>(search.floor)), zero = hn::Zero(narrow);
  const bool grows = search.grows;
  N best = zero;
  W best_index = hn::Zero(d), index = hn::Iota(d, 0);
  const W step = hn::Set(d, static_cast<double>(kWide));
  const auto pass = [&](W value, N row, W a, W u, N own_j) DEEPSAD_KERNEL_LAMBDA {
    const auto movable = grows ? hn::Lt(a, u) : hn::Gt(a, hn::Zero(d));
    const N descent =
        hn::Max(hn::DemoteTo(narrow, hn::IfThenElseZero(movable, hn::MulAdd(factor, value, slope))), zero);
    const N curvature = hn::Max(hn::MulAdd(cross, row, hn::Add(own, own_j)), floor);
    const N gain = hn::Div(hn::Mul(descent, descent), curvature);
    // The comparison in double, so that its mask serves the index too.
    const auto better = hn::Gt(hn::PromoteTo(d, gain), hn::PromoteTo(d, best));
    best = hn::Max(gain, best);
    best_index = hn::IfThenElse(better, index, best_index);
    index = hn::Add(index, step);
  };
  std::size_t j = 0;
  for (; j + kWide <= n; j += kWide) {
    pass(hn::LoadU(d, f + j), hn::LoadU(narrow, k + j), hn::LoadU(d, alpha + j), hn::LoadU(d, upper + j),
         hn::LoadU(narrow, diagonal + j));
  }
  if (j < n) {
    const auto mask = hn::FirstN(d, n - j);
    const auto narrow_mask = hn::FirstN(narrow, n - j);
    pass(hn::MaskedLoad(mask, d, f + j), hn::MaskedLoad(narrow_mask, narrow, k + j),
         hn::MaskedLoad(mask, d, alpha + j), hn::MaskedLoad(mask, d, upper + j),
         hn::MaskedLoad(narrow_mask, narrow, diagonal + j));
  }
  alignas(64) double values[kWide], indices[kWide];
  hn::Store(hn::PromoteTo(d, best), d, values);
  hn::Store(best_index, d, indices);
  double gain = 0;
  return best_lane(values, indices, 0.0, n, gain);
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

Extremes update_and_find(std::size_t n, double* f, const float* k0, double w0, const float* k1, double w1,
                         const double* alpha, const double* upper, double s) noexcept {
  return DEEPSAD_CALL_KERNEL(update_and_find, n, f, k0, w0, k1, w1, alpha, upper, s);
}

std::size_t best_partner(std::size_t n, const PartnerSearch& search, const double* f, const float* k,
                         const double* alpha, const double* upper, const float* diagonal) noexcept {
  return DEEPSAD_CALL_KERNEL(best_partner, n, search, f, k, alpha, upper, diagonal);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
